"""An activation, and its gains: the exact factors that compensate for its effect on the size of a signal."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from service.core.activations.quadrature import NotIntegrable, second_moment_rule
from service.core.errors import InvalidValue
from service.core.parameters import FrozenParameters, Parameter, Values, fill
from service.core.recommendation import Recommendation
from service.core.references import Reference
from service.core.remembering import remembering
from service.core.stream.portable import portable

Float64s = npt.NDArray[np.float64]
Function = Callable[[Float64s, Values], Float64s]

EXPRESSION = "the expression"  # the name of every activation written as a formula
GAIN_CHOICES = ("forward", "backward", "torch")  # the gains that a scheme can be scaled by
MAX_OPERATIONS = 20_000_000  # of the integrals of one activation: about a second, a hundred times what most of them take
_SMALLEST_MOMENT = 1e-290  # below this, the square of a gain may overflow


Kinks = Callable[[Values], tuple[float, ...]]


def kinks_at(*points: float) -> Kinks:
    """Return kinks at fixed points, independent of the parameters."""
    return lambda _: points


SMOOTH = kinks_at()


@dataclass(frozen=True, eq=False)
class Activation:
    """One activation: φ, its derivative, the kinks where φ or φ' jumps, and the recommended scheme. Rows are compared by identity.

    `function` is None if φ is not a scalar function (softmax). It then has no gains.
    `gated`: φ gates a second input, u·φ(v) with u and v independent. It has no derivative in one variable.
    `saturates`: a signal that is too large makes the gradient vanish instead of explode.
    `torch_gain` returns the value of torch.nn.init.calculate_gain.
    `operations` counts what one value and slope take, and limits how often they are computed.
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
    operations: int = 10
    recommendation: Recommendation = field(kw_only=True)

    def __call__(self, **given: Any) -> ActivationWithParameters:
        """Return the activation with these parameters. Raises InvalidValue."""
        return self._with(given) if given else self._with_defaults

    @cached_property
    def _with_defaults(self) -> ActivationWithParameters:
        return self._with({})

    def _with(self, given: Values) -> ActivationWithParameters:
        return ActivationWithParameters(self, FrozenParameters(fill(self.parameters, given, owner=self.name)))


@dataclass(frozen=True)
class ActivationWithParameters:
    """An activation with values for its parameters."""

    row: Activation
    parameters: FrozenParameters

    @property
    def name(self) -> str:
        """The canonical name."""
        return self.row.name

    @property
    def gains(self) -> Gains | None:
        """The gains, or None if the activation is not a scalar function. Raises InvalidValue if a gain is not finite."""
        return _gains(self.row, self.parameters)

    @property
    def gains_are_known(self) -> bool:
        """Whether the gains have been computed before, with whatever outcome. Computing them may take a second."""
        return self.row.function is None or _gains.knows(self.row, self.parameters)

    @property
    def forward_gain(self) -> float | None:
        """The gain that keeps the signal's second moment, or None if the activation is not a scalar function."""
        return None if self.gains is None else self.gains.forward

    def gain(self, choice: str) -> float:
        """Return the gain with this name, one of GAIN_CHOICES. Raises InvalidValue if the activation does not have it."""
        gains = self.gains
        available = {} if gains is None else {name: getattr(gains, name) for name in GAIN_CHOICES if getattr(gains, name) is not None}
        if choice not in available:
            expected = f"a number, or a gain of {self.name} ({', '.join(available) or 'it has none'})"
            raise InvalidValue("gain", expected=expected, received=choice, action="Give a number, or choose another gain or activation.")
        return float(available[choice])


@dataclass(frozen=True)
class Gains:
    """The factors that compensate for an activation φ, for z ~ N(0, 1).

    forward = 1/√E[φ(z)²] keeps the signal's second moment, backward = 1/√E[φ'(z)²] the gradient's, and variance = 1/√Var[φ(z)] the
    signal's variance. torch is the value of torch.nn.init.calculate_gain. A gain that does not exist is None.
    """

    forward: float
    backward: float | None
    variance: float | None
    torch: float | None


@remembering(1024)
def _gains(row: Activation, values: FrozenParameters) -> Gains | None:
    if row.function is None:
        return None
    with np.errstate(all="ignore"):
        try:
            weights, signal, slope = _integrable(row, row.function, values)
        except NotIntegrable as error:
            raise _not_integrable(row, values, str(error)) from None
        spread = weights @ (signal - weights @ signal) ** 2
    forward, backward = _gain(weights, signal), None if slope is None else _gain(weights, slope)
    if forward is None:
        raise _not_integrable(row, values, "its value is 0 everywhere, or nearly 0")
    if slope is not None and not slope.any() and np.ptp(signal) == 0:
        raise _not_integrable(row, values, "its value is the same everywhere")
    variance = forward if row.gated else portable(1 / math.sqrt(spread)) if spread > 0 else None
    return Gains(forward, backward, variance, None if row.torch_gain is None else row.torch_gain(values))


def _integrable(row: Activation, function: Function, values: FrozenParameters) -> tuple[Float64s, Float64s, Float64s | None]:
    """Return weights, and the values and slopes at their nodes. There are no slopes if they cannot be integrated. Raises NotIntegrable."""
    derivative, kinks, max_points = row.derivative, row.kinks(values), MAX_OPERATIONS // row.operations
    if derivative is not None:
        with suppress(NotIntegrable):  # the slope may be infinite somewhere, as that of √|x| is
            z, weights = second_moment_rule(lambda z: (function(z, values), derivative(z, values)), kinks, max_points=max_points)
            return weights, function(z, values), derivative(z, values)
    z, weights = second_moment_rule(lambda z: (function(z, values),), kinks, max_points=max_points // 4)
    return weights, function(z, values), None


def _gain(weights: Float64s, signal: Float64s) -> float | None:
    """Return the factor that makes the second moment 1; None if the moment is 0, or nearly 0."""
    moment = float(weights @ (signal * signal))
    return portable(1 / math.sqrt(moment)) if _SMALLEST_MOMENT < moment < math.inf else None


def _not_integrable(row: Activation, values: Values, reason: str) -> InvalidValue:
    expected = "a function of x whose value has a finite, nonzero second moment for x ~ N(0, 1)"
    if row.name == EXPRESSION:
        return InvalidValue("activation.expression", expected=expected, received=row.formula, action=f"Change the formula: {reason}.")
    return InvalidValue("activation", expected=expected, received={"name": row.name, **values}, action=f"Change its parameters: {reason}.")
