"""What an activation is, and what it does to a signal: its exact gains."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from service.core.activations.quadrature import NotIntegrable, second_moment_rule
from service.core.errors import InvalidValue
from service.core.parameters import Parameter, Values, fill
from service.core.recommendation import Recommendation
from service.core.references import Reference
from service.core.stream.portable import portable

Float64s = npt.NDArray[np.float64]
Function = Callable[[Float64s, Values], Float64s]

EXPRESSION = "the expression"  # the name of every activation that a user wrote as a formula
GAIN_CHOICES = ("forward", "backward", "torch")  # the gains that may scale a scheme
_SMALLEST_MOMENT = 1e-290  # below it the square of a gain is infinite


Kinks = Callable[[Values], tuple[float, ...]]


def kinks_at(*points: float) -> Kinks:
    """Kinks at these points, whatever the parameters."""
    return lambda _: points


SMOOTH = kinks_at()


@dataclass(frozen=True, eq=False)
class Activation:
    """φ, its derivative, the points where φ or φ' jumps, and the recommended scheme. Each activation is one row, compared by identity.

    `function` None: φ is not a scalar function (softmax), so it has no gains.
    `gated`: φ gates a second input, u·φ(v) with u and v independent, so it has no derivative in one variable.
    `saturates`: a signal that is too large makes the gradient vanish instead of explode.
    `torch_gain`: the value of torch.nn.init.calculate_gain for it.
    """

    name: str
    formula: str
    reference: Reference | None
    function: Function | None
    derivative: Function | None
    aliases: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    kinks: Kinks = SMOOTH
    gated: bool = False
    saturates: bool = False
    torch_gain: Callable[[Values], float] | None = None
    recommendation: Recommendation = field(kw_only=True)

    def __call__(self, **given: Any) -> ActivationWithParameters:
        """This activation with its parameters. Raises InvalidValue."""
        return ActivationWithParameters(self, fill(self.parameters, given, owner=self.name)) if given else self._with_defaults

    @cached_property
    def _with_defaults(self) -> ActivationWithParameters:
        return ActivationWithParameters(self, fill(self.parameters, {}, owner=self.name))


@dataclass(frozen=True)
class ActivationWithParameters:
    """An activation and the values of its parameters."""

    row: Activation
    parameters: Values = field(hash=False)

    @property
    def name(self) -> str:
        """The canonical name."""
        return self.row.name

    @property
    def gains(self) -> Gains | None:
        """What it does to a signal; None for an activation that is not a scalar function. Raises InvalidValue where it is infinite."""
        return _gains(self.row, tuple(sorted(self.parameters.items())))

    @property
    def forward_gain(self) -> float | None:
        """The gain that keeps the second moment of the signal; None for an activation that is not a scalar function."""
        return None if self.gains is None else self.gains.forward

    def gain(self, choice: str) -> float:
        """The gain of this name, one of GAIN_CHOICES. Raises InvalidValue where the activation has none."""
        gains = self.gains
        known = {} if gains is None else {name: getattr(gains, name) for name in GAIN_CHOICES if getattr(gains, name) is not None}
        if choice not in known:
            expected = f"a gain that {self.name} has ({', '.join(known) or 'none'}), or a number"
            raise InvalidValue("gain", expected=expected, received=choice, action="Choose one of these, or another activation.")
        return float(known[choice])


@dataclass(frozen=True)
class Gains:
    """The factors that make up for an activation φ, z ~ N(0, 1).

    forward = 1/√E[φ(z)²] keeps the signal's second moment, backward = 1/√E[φ'(z)²] the gradient's, variance = 1/√Var[φ(z)] the
    signal's variance; torch is what torch.nn.init.calculate_gain has. None where there is no such number.
    """

    forward: float
    backward: float | None
    variance: float | None
    torch: float | None


@lru_cache(maxsize=1024)
def _gains(row: Activation, parameters: tuple[tuple[str, Any], ...]) -> Gains | None:
    function, derivative, values = row.function, row.derivative, dict(parameters)
    if function is None:
        return None

    def functions(z: Float64s) -> tuple[Float64s, ...]:
        return (function(z, values),) if derivative is None else (function(z, values), derivative(z, values))

    with np.errstate(all="ignore"):
        try:
            z, weights = second_moment_rule(functions, row.kinks(values))
        except NotIntegrable as error:
            raise _refusal(row, values, str(error)) from None
        signal, *slopes = functions(z)
        forward = _gain(row, values, weights, signal)
        backward = _gain(row, values, weights, slopes[0]) if slopes else None
        spread = weights @ (signal - weights @ signal) ** 2
    variance = forward if row.gated else portable(1 / math.sqrt(spread)) if spread > 0 else None
    return Gains(forward, backward, variance, None if row.torch_gain is None else row.torch_gain(values))


def _gain(row: Activation, values: Values, weights: Float64s, signal: Float64s) -> float:
    moment = float(weights @ (signal * signal))
    if not (_SMALLEST_MOMENT < moment < math.inf):
        raise _refusal(row, values, "it, or its slope, is 0 everywhere, or nearly")
    return portable(1 / math.sqrt(moment))


def _refusal(row: Activation, values: Values, reason: str) -> InvalidValue:
    expected = "a function of x whose values and slopes have a second moment, neither 0 nor infinite, for x ~ N(0, 1)"
    if row.name == EXPRESSION:
        return InvalidValue("activation.expression", expected=expected, received=row.formula, action=f"Change it: {reason}.")
    return InvalidValue("activation", expected=expected, received={"name": row.name, **values}, action=f"Change its parameters: {reason}.")
