"""Estimates the CPU time of a tensor before anything is computed, so that a limit can refuse it.

The tables hold nanoseconds per element, measured on one core of a recent server. The tests compare them with the truth.
"""

from __future__ import annotations

from typing import NamedTuple

from service.core.stream import engines
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.rare_cuts import rare_cut
from service.core.tensors.rules import Parts, Pattern, Repeated, Rule, Whole, WithZeros, Work
from service.core.tensors.tensor import VirtualTensor

_S = 1e-9  # seconds in a nanosecond


class _DrawCost(NamedTuple):
    """Nanoseconds for an element in float32 and in float64: in the stream's order, and each at a position of its own."""

    in_order32: float
    in_order64: float
    scattered32: float
    scattered64: float


_DRAWS = {
    "numba": {
        Draw.CONSTANT: _DrawCost(0.2, 0.3, 0.2, 0.3),
        Draw.UNIFORM: _DrawCost(0.8, 1.7, 2.7, 4.8),
        Draw.NORMAL: _DrawCost(1.6, 4.5, 3.5, 8),
        Draw.TRUNCATED_NORMAL: _DrawCost(1.8, 4.5, 3.5, 8),
    },
    "numpy": {
        Draw.CONSTANT: _DrawCost(0.2, 0.3, 0.2, 0.3),
        Draw.UNIFORM: _DrawCost(11, 35, 95, 175),
        Draw.NORMAL: _DrawCost(35, 90, 115, 225),
        Draw.TRUNCATED_NORMAL: _DrawCost(37, 95, 120, 235),
    },
}
_RARE_CUT = 150  # computed in float64 with NumPy, whatever the dtype and the engine
_ROUNDING = {"numba": {"float16": 0.2, "bfloat16": 0.2}, "numpy": {"float16": 2.5, "bfloat16": 1}}

# A pattern is a formula of the index, computed with NumPy whatever the engine.
_FORMULAS = {
    "identity": 2,
    "dirac": 5,
    "zero_hadamard": 5,
    "bilinear": 12,
    "gate_bias": 8,
    "chrono": 180,
    "hippo_legs": 12,
    "sinusoidal": 120,
    "log_of_index": 60,
    "log_of_uniform": 220,
    "inverse_softplus_of_log_uniform": 300,
}
_SLOWEST_FORMULA = max(_FORMULAS.values())
_INDEX_OF_AN_AXIS = 5  # to compute an index on one axis from a position, or a position from indices
_SORT = 8  # to find out which part of a packed matrix an element is in, and to put its value there
_COPY = 4  # to look an element up in another array

_WORK = {  # each of the kinds of rules.Work
    "numba": Work(starts=45_000, draws=20, sorts=75, operations=0.055),
    "numpy": Work(starts=450_000, draws=200, sorts=80, operations=2.0),
}


def read_seconds(tensor: VirtualTensor, elements: int) -> float:
    """Return the CPU seconds to read this many elements of a tensor, without those of its whole."""
    rule = tensor.spec.rule
    is_constant = isinstance(rule, Distribution) and rule.draw is Draw.CONSTANT  # whose one value is rounded once
    rounding = 0 if is_constant else _ROUNDING[engines.current().name].get(tensor.dtype.name, 0)
    return elements * _S * (_element(tensor) + rounding)


def whole_seconds(tensor: VirtualTensor) -> float:
    """Return the CPU seconds to compute what every part of a tensor needs; 0 if its elements are computed alone."""
    if tensor.needs is None or not tensor.size:
        return 0.0
    return _S * sum(amount * cost for amount, cost in zip(tensor.needs.work, _WORK[engines.current().name]))


def _element(tensor: VirtualTensor) -> float:
    rule, view = tensor.spec.rule, tensor.spec.view
    if isinstance(rule, Distribution):
        return _draw(rule, tensor, in_order=engines.current().draws_in_order(view))
    if isinstance(rule, Parts) and view.is_contiguous:
        return max(_draw(part, tensor, in_order=True) for part in rule.distributions)
    if isinstance(rule, WithZeros) and isinstance(rule.base, Distribution) and view.is_contiguous:
        return _draw(rule.base, tensor, in_order=True)
    return _INDEX_OF_AN_AXIS * len(view.shape) + _at_position(rule, tensor)


def _at_position(rule: Rule, tensor: VirtualTensor) -> float:
    match rule:
        case WithZeros():
            return _COPY + _at_position(rule.base, tensor)
        case Parts():
            return _SORT + max(_at_position(part, tensor) for part in rule.distributions)
        case Repeated():
            return _COPY + _at_position(rule.base, tensor)
        case Pattern():
            return _INDEX_OF_AN_AXIS * len(rule.shape) + _FORMULAS.get(rule.name, _SLOWEST_FORMULA)
        case Whole():
            return _COPY
        case Distribution():
            return _draw(rule, tensor, in_order=False)


def _draw(rule: Distribution, tensor: VirtualTensor, *, in_order: bool) -> float:
    if rule.cut is not None and rare_cut(*rule.cut):
        return _RARE_CUT if in_order or engines.current().name == "numba" else 2 * _RARE_CUT
    cost = _DRAWS[engines.current().name][rule.draw]
    if tensor.dtype.draws_in.itemsize == 4:
        return cost.in_order32 if in_order else cost.scattered32
    return cost.in_order64 if in_order else cost.scattered64
