"""The rule of a tensor, composed of those of its units: a scheme gives the rule of one unit [out, in, *kernel]."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from service.concurrency.interruption import stop_if_unwatched
from service.core.stream.distributions import Bounds
from service.core.stream.philox import Stream
from service.core.stream.view import Shape
from service.core.tensors.rules import Floats, Index, Pattern, Whole, Work
from service.core.tensors.units import Units

_FLOAT64_BYTES = 8


def composed(units: Units, rules: Mapping[Shape, Pattern | Whole]) -> Pattern | Whole:
    """Return the rule of a tensor, given that of its units by their shapes. All rules are of one class."""
    if units.is_single:
        return rules[units.shapes[0]]
    wholes = {shape: rule for shape, rule in rules.items() if isinstance(rule, Whole)}
    if wholes:
        return _whole(units, wholes)
    patterns = {shape: rule for shape, rule in rules.items() if isinstance(rule, Pattern)}
    if units.inputs_first:
        return _inputs_first_pattern(units, patterns)
    return _equal_patterns(units, patterns) if len(units.parts) == 1 else _unequal_patterns(units, patterns)


def _whole(units: Units, wholes: Mapping[Shape, Whole]) -> Whole:
    """Return a whole that computes one unit after the other, each from the words at its own place."""

    def compute(stream: Stream, dtype: np.dtype[Any], start: int) -> Floats:
        values, place = np.empty(units.size, dtype), 0
        for shape in units.in_order():
            stop_if_unwatched()
            end = place + math.prod(shape)
            values[place:end] = wholes[shape].compute(stream, dtype, start + place).reshape(-1)
            place = end
        return _in_canonical_order(values, units)

    of_parts = [wholes[shape] for shape in units.shapes]
    first = of_parts[0]
    sum_of_squares = units.number_of_each * sum(math.prod(whole.shape) * whole.stddev**2 for whole in of_parts)
    return Whole(
        first.name,
        (units.number, *first.shape) if len(of_parts) == 1 else (units.size,),
        _bounds_of(of_parts),
        max(whole.largest for whole in of_parts),
        math.sqrt(sum_of_squares / max(1, units.size)),
        compute,
        first.parameters,
        work=reduce(Work.plus, (whole.work for whole in of_parts)).times(units.number_of_each),
        working_bytes=max(whole.peak_bytes(_FLOAT64_BYTES) for whole in of_parts) + _FLOAT64_BYTES * units.size * units.inputs_first,
        units=units,
        lines=None if units.inputs_first or len(of_parts) > 1 else first.lines,
    )


def _in_canonical_order(values: Floats, units: Units) -> Floats:
    """Bring units [out, in, *kernel], one after the other, into the order of the tensor."""
    if not units.inputs_first:
        return values
    by_unit = values.reshape(units.stacked, units.groups, units.packed, units.parts[0], units.inside, math.prod(units.kernel))
    return by_unit.transpose(0, 1, 4, 2, 3, 5).reshape(-1)


def _equal_patterns(units: Units, patterns: Mapping[Shape, Pattern]) -> Pattern:
    ((shape, pattern),) = patterns.items()
    return _with_units(pattern, units, (units.number, *shape), [pattern], lambda index, stream: pattern.formula(index[1:], stream))


def _inputs_first_pattern(units: Units, patterns: Mapping[Shape, Pattern]) -> Pattern:
    ((shape, pattern),) = patterns.items()

    def formula(index: Index, stream: Stream) -> npt.NDArray[np.float64]:
        _, inside, _, out, *taps = index
        return pattern.formula((out, inside, *taps), stream)

    out, inside, *kernel = shape
    return _with_units(pattern, units, (units.stacked * units.groups, inside, units.packed, out, *kernel), [pattern], formula)


def _unequal_patterns(units: Units, patterns: Mapping[Shape, Pattern]) -> Pattern:
    starts = np.concatenate([[0], np.cumsum(np.array(units.parts, np.int64) * units.groups)])

    def formula(index: Index, stream: Stream) -> npt.NDArray[np.float64]:
        _, row, *others = index
        part_of = np.searchsorted(starts, row, side="right") - 1
        values = np.empty(row.shape)
        for part, shape in enumerate(units.shapes):
            here = part_of == part
            out = (row[here] - starts[part]) % shape[0]
            values[here] = patterns[shape].formula((out, *(axis[here] for axis in others)), stream)
        return values

    shape = (units.stacked, int(starts[-1]), units.inside, *units.kernel)
    all_patterns = list(patterns.values())
    return _with_units(all_patterns[0], units, shape, all_patterns, formula)


def _with_units(first: Pattern, units: Units, shape: Shape, patterns: list[Pattern], formula: Any) -> Pattern:
    bounds = _bounds_of(patterns)
    assert bounds is not None  # every pattern has bounds
    return Pattern(first.name, shape, bounds, formula, first.parameters, units=units)


def _bounds_of(rules: list[Pattern] | list[Whole]) -> Bounds | None:
    bounds = [rule.bounds for rule in rules if rule.bounds is not None]
    return (min(low for low, _ in bounds), max(high for _, high in bounds)) if bounds else None
