"""Recommendations, as data: the scheme that fits an activation or a layer, with its reason, its source and its alternatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from service.core.errors import InvalidValue
from service.core.references import Reference


class HasGain(Protocol):
    """The part of an activation that a recommendation depends on."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The values of the activation's parameters."""

    @property
    def forward_gain(self) -> float | None:
        """The gain that keeps the second moment of the signal; None for an activation without one, such as softmax."""


@dataclass(frozen=True)
class Circumstances:
    """The network around the weight, as the request describes it. A field that the request leaves out is None."""

    activation: HasGain | None = None
    num_layers: int | None = None
    class_prior: float | None = None

    @property
    def forward_gain(self) -> float | None:
        """The forward gain of the activation; None without an activation or a gain."""
        return None if self.activation is None else self.activation.forward_gain


Parameters = Callable[[Circumstances], Mapping[str, Any]]


def fixed(**parameters: Any) -> Parameters:
    """Return the same parameters in all circumstances."""
    return lambda _: parameters


NO_PARAMETERS = fixed()


def forward_gain_squared(known: Circumstances) -> Mapping[str, Any]:
    """Return the `scale` of variance_scaling that keeps the second moment of the signal."""
    gain = known.forward_gain
    return {"scale": 1.0 if gain is None else gain * gain}


@dataclass(frozen=True)
class Alternative:
    """Another scheme to consider, and when to prefer it."""

    scheme: str
    when: str
    parameters: Parameters = NO_PARAMETERS


@dataclass(frozen=True)
class Need:
    """A circumstance that a recommendation depends on."""

    field: str
    expected: str
    action: str
    is_met: Callable[[Circumstances], bool]

    def error(self) -> InvalidValue:
        """Return the error to raise if the circumstance is not known."""
        return InvalidValue(self.field, expected=self.expected, received=None, action=self.action)


@dataclass(frozen=True)
class Recommendation:
    """A recommended scheme. `parameters` and `bias_value` give the scheme's parameters and the layer's bias in the given circumstances.

    Call them only once the `need` is met.
    """

    scheme: str
    reason: str
    reference: Reference
    alternatives: tuple[Alternative, ...]
    parameters: Parameters = NO_PARAMETERS
    need: Need | None = None
    bias: str = "zeros"
    bias_value: Callable[[Circumstances], float | None] = lambda _: None

    def lacks(self, known: Circumstances) -> Need | None:
        """Return the need if these circumstances do not meet it, else None."""
        return None if self.need is None or self.need.is_met(known) else self.need
