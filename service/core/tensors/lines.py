"""The part of a whole that a view needs: some units of the tensor, and some lines of each."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from service.concurrency.interruption import stop_if_unwatched
from service.core.stream.philox import Stream
from service.core.stream.view import View
from service.core.tensors.rules import Floats, Lines, Whole

_FLOAT64_BYTES = 8


def part_of(whole: Whole, view: View) -> tuple[Whole, View]:
    """Return the lines that a view needs, as a whole of their own, and the view of the same elements in it.

    Return the whole and the view themselves if the whole has no lines, or if the view needs all of them.
    """
    lines = whole.lines
    if lines is None or not view.size:
        return whole, view
    units, needed = _needed_units(view, lines), _needed_lines(view, lines)
    if len(units) * len(needed) == (whole.units.number if whole.units else 1) * lines.number:
        return whole, view
    return _whole_of(whole, lines, units, needed), _view_in(view, lines, units, needed)


def _needed_units(view: View, lines: Lines) -> range:
    """Return the units from the first to the last that a view has elements of."""
    first, last = _span(view.offset, [(length, stride) for length, stride in zip(view.shape, view.strides)])
    return range(first // lines.size, last // lines.size + 1)


def _needed_lines(view: View, lines: Lines) -> range:
    """Return lines at equal distances that include all that a view has elements of.

    Return all lines if an axis of the view runs from one line or unit into the next.
    """
    _, line, element = _place(view.offset, lines)
    steps = [(length, *_steps(stride, lines)) for length, stride in zip(view.shape, view.strides) if length > 1]
    first, last = _span(line, [(length, step) for length, _, step, _ in steps])
    begin, end = _span(element, [(length, step) for length, _, _, step in steps])
    if first < 0 or last >= lines.number or begin < 0 or end >= lines.length:
        return range(lines.number)
    return range(first, last + 1, math.gcd(*(step for _, _, step, _ in steps)) or 1)


def _span(start: int, axes: list[tuple[int, int]]) -> tuple[int, int]:
    """Return the least and the greatest of start + Σ index·step, for axes given by their length and their step."""
    ends = [(length - 1) * step for length, step in axes]
    return start + sum(min(0, end) for end in ends), start + sum(max(0, end) for end in ends)


def _place(position: int, lines: Lines) -> tuple[int, int, int]:
    """Return the unit, the line in it, and the element of the line at a canonical position."""
    unit, within = divmod(position, lines.size)
    if lines.are_rows:
        return unit, *divmod(within, lines.length)
    element, line = divmod(within, lines.number)
    return unit, line, element


def _steps(stride: int, lines: Lines) -> tuple[int, int, int]:
    """Return by how many units, lines and elements of a line one step along an axis with this stride moves."""
    sign = -1 if stride < 0 else 1
    units, lines_moved, elements = _place(abs(stride), lines)
    return sign * units, sign * lines_moved, sign * elements


def _whole_of(whole: Whole, lines: Lines, units: range, needed: range) -> Whole:
    shape = (len(needed), lines.length) if lines.are_rows else (lines.length, len(needed))

    def compute(stream: Stream, dtype: np.dtype[Any], start: int) -> Floats:
        values = np.empty((len(units), *shape), dtype)
        for value, unit in zip(values, units):
            stop_if_unwatched()
            value[...] = lines.compute(needed, stream, dtype, start + unit * lines.size)
        return values

    return replace(
        whole,
        shape=(len(units), *shape),
        compute=compute,
        work=lines.work(needed).times(len(units)),
        working_bytes=lines.working_bytes(needed) + _FLOAT64_BYTES * math.prod(shape),
        lines=None,
        part=(units, needed),
    )


def _view_in(view: View, lines: Lines, units: range, needed: range) -> View:
    """Return the view of the same elements in a whole that consists of the needed lines alone."""
    if len(needed) == lines.number:
        return View(view.shape, view.strides, view.offset - units.start * lines.size)
    of_line, of_element = (lines.length, 1) if lines.are_rows else (1, len(needed))

    def position(unit: int, line: int, element: int) -> int:
        return unit * len(needed) * lines.length + line * of_line + element * of_element

    def stride_in_it(stride: int) -> int:
        unit_step, line_step, element_step = _steps(stride, lines)
        return position(unit_step, line_step // needed.step, element_step)

    unit, line, element = _place(view.offset, lines)
    offset = position(unit - units.start, needed.index(line), element)
    strides = (stride_in_it(stride) if length > 1 else 1 for length, stride in zip(view.shape, view.strides))
    return View(view.shape, tuple(strides), offset)
