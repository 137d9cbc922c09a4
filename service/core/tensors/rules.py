"""Rules: how the elements of a tensor are computed.

    Distribution   loc + scale·draw, from the element's own word          (distributions.py)
    Parts          a distribution for each of several packed matrices
    WithZeros      another rule, with elements in a row that are zero
    Repeated       copies of the elements of another rule
    Pattern        a formula of the element's index
    Whole          an element of a tensor that is computed at once, or of a part of it

Every rule is evaluated at canonical indices in a given precision, so ranges, layouts and slices work the same for all of them.
Every rule has the attributes of Described, as properties or as fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from service.core.stream.distributions import Bounds, Described, Distribution, Draw, Signs, signs_of
from service.core.stream.philox import Stream
from service.core.stream.view import Shape
from service.core.tensors.dtypes import DType
from service.core.tensors.units import Units

Index = tuple[npt.NDArray[np.int64], ...]
Floats = npt.NDArray[Any]


@dataclass(frozen=True)
class Repeated(Described):
    """The elements of `base` in blocks of `block` elements, with `times` copies of each block in a row."""

    base: Distribution | Pattern | Whole
    block: int
    times: int

    def source(self, positions: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Return, for each position, the element of `base` to copy."""
        block, times = np.uint64(self.block), np.uint64(self.times)
        return positions // (block * times) * block + positions % block

    @property
    @override
    def mean(self) -> float | None:
        return self.base.mean

    @property
    @override
    def stddev(self) -> float | None:
        return self.base.stddev

    @property
    @override
    def bounds(self) -> Bounds | None:
        return self.base.bounds

    @property
    @override
    def largest(self) -> float:
        return self.base.largest

    @property
    @override
    def facts(self) -> dict[str, Any]:
        return self.base.facts | {"repeated": {"block": self.block, "times": self.times}}


@dataclass(frozen=True)
class Parts(Described):
    """Distributions of packed matrices that differ in size, each over its `sizes` elements in a row, over and over for stacked weights."""

    distributions: tuple[Distribution, ...]
    sizes: tuple[int, ...]

    def runs(self, start: int, stop: int) -> Iterator[tuple[int, int, Distribution]]:
        """Yield the parts of the range of canonical positions, in order: where each starts and stops, and its distribution."""
        if start == stop:
            return
        period = sum(self.sizes)
        place = start - start % period
        for distribution, size in cycle(zip(self.distributions, self.sizes, strict=True)):
            if place >= stop:
                return
            if place + size > start:
                yield max(start, place), min(stop, place + size), distribution
            place += size

    def part_at(self, positions: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
        """Return the number of the part that each position is in."""
        ends = np.cumsum(np.array(self.sizes, np.uint64))
        return np.searchsorted(ends, positions % ends[-1], side="right")

    @property
    @override
    def mean(self) -> float:
        return self._average([part.mean for part in self.distributions])

    @property
    @override
    def stddev(self) -> float:
        mean = self.mean
        return math.sqrt(self._average([part.stddev**2 + (part.mean - mean) ** 2 for part in self.distributions]))

    @property
    @override
    def bounds(self) -> Bounds | None:
        bounds = [part.bounds for part in self.distributions]
        lows, highs = [each[0] for each in bounds if each], [each[1] for each in bounds if each]
        return (min(lows), max(highs)) if len(lows) == len(bounds) else None

    @property
    @override
    def largest(self) -> float:
        return max(part.largest for part in self.distributions)

    @property
    @override
    def facts(self) -> dict[str, Any]:
        parts = [{"elements": size} | part.facts for part, size in zip(self.distributions, self.sizes, strict=True)]
        return {"draw": self.distributions[0].draw.value, "parts": parts}

    def _average(self, values: list[float]) -> float:
        return math.fsum(value * size for value, size in zip(values, self.sizes, strict=True)) / max(1, sum(self.sizes))


@dataclass(frozen=True)
class WithZeros(Described):
    """The elements of `base`, except `length` elements from `start` on, which are zero. The tensor has `size` elements."""

    base: Distribution | Repeated | Pattern | Whole
    start: int
    length: int
    size: int

    @property
    @override
    def mean(self) -> float | None:
        return None if self.base.mean is None else self.base.mean * self._share

    @property
    @override
    def stddev(self) -> float | None:
        mean, stddev = self.base.mean, self.base.stddev
        if mean is None or stddev is None:
            return None
        return math.sqrt(self._share * (stddev**2 + (1 - self._share) * mean**2))

    @property
    @override
    def bounds(self) -> Bounds | None:
        return self.base.bounds and (min(0.0, self.base.bounds[0]), max(0.0, self.base.bounds[1]))

    @property
    @override
    def largest(self) -> float:
        return self.base.largest

    @property
    @override
    def facts(self) -> dict[str, Any]:
        return self.base.facts | {"zero": {"start": self.start, "length": self.length}}

    @property
    def _share(self) -> float:
        """The share of the elements that are not set to zero."""
        return 1 - self.length / max(1, self.size)


# returns the values at an index; the stream is for formulas that also draw
Formula = Callable[[Index, Stream], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Pattern:
    """A formula of the index, computed in float64."""

    name: str
    shape: Shape
    bounds: Bounds
    formula: Formula = field(compare=False, repr=False)
    parameters: tuple[tuple[str, Any], ...] = ()
    mean: None = None
    stddev: None = None
    units: Units | None = None
    signs: Signs = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signs", signs_of(value for _, value in self.parameters))

    def at(self, positions: npt.NDArray[np.uint64], stream: Stream) -> npt.NDArray[np.float64]:
        """Return the values at canonical positions."""
        return self.formula(tuple(np.unravel_index(positions.astype(np.int64), self.shape)), stream)

    @property
    def largest(self) -> float:
        """The bound that is farther from zero."""
        return max(abs(bound) for bound in self.bounds)

    @property
    def facts(self) -> dict[str, Any]:
        """The parameters of the formula."""
        return {"draw": "pattern", "parameters": dict(self.parameters)} | (self.units.facts if self.units else {})


class Work(NamedTuple):
    """What a computation consists of, by kinds whose times differ; or the time of one of each (cost.py).

    They are the beginnings of small steps, normals drawn in float64, elements drawn and sorted, and operations of reflections.
    """

    starts: float = 0
    draws: float = 0
    sorts: float = 0
    operations: float = 0

    def times(self, number: int) -> Work:
        """Return the work of several equal computations."""
        return Work(*(number * amount for amount in self))

    def plus(self, other: Work) -> Work:
        """Return the work of both."""
        return Work(*map(sum, zip(self, other)))


# returns a whole in C order, in a given precision, from the words at a place on
Compute = Callable[[Stream, np.dtype[Any], int], Floats]


@dataclass(frozen=True)
class Lines:
    """The rows or the columns of a matrix, each of which can be computed alone.

    `number` lines of `length` elements are rows if `are_rows`, else columns. The functions take which lines to compute. `compute` returns
    them as a matrix of these rows or columns, in a given precision, from the words at a place on.
    """

    are_rows: bool
    number: int
    length: int
    compute: Callable[[range, Stream, np.dtype[Any], int], Floats]
    work: Callable[[range], Work]
    working_bytes: Callable[[range], int]

    @property
    def size(self) -> int:
        """The number of elements of all lines."""
        return self.number * self.length


@dataclass(frozen=True)
class Whole:
    """A tensor that is computed at once, or a part of it. Equal wholes of equal streams are computed once (wholes.py).

    `lines` of each unit can be computed alone; None if they cannot. `part` has the units and their lines that this whole consists of; None
    if it is complete. `working_bytes` is the memory that it needs beside the result.
    """

    name: str
    shape: Shape
    bounds: Bounds | None
    largest: float
    stddev: float
    compute: Compute = field(compare=False, repr=False)
    parameters: tuple[tuple[str, Any], ...] = ()
    mean: float = 0.0
    work: Work = field(default=Work(starts=1), compare=False)
    working_bytes: int = field(default=0, compare=False)
    units: Units | None = None
    lines: Lines | None = field(default=None, compare=False, repr=False)
    part: tuple[range, range] | None = None
    signs: Signs = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signs", signs_of(value for _, value in self.parameters))

    def peak_bytes(self, itemsize: int) -> int:
        """Return an estimate of the memory that it needs while it is computed with elements of this size."""
        return self.working_bytes + math.prod(self.shape) * itemsize

    @property
    def facts(self) -> dict[str, Any]:
        """The parameters of the computation."""
        return {"draw": "structure", "parameters": dict(self.parameters)} | (self.units.facts if self.units else {})


Rule = Distribution | Parts | WithZeros | Repeated | Pattern | Whole


def bounds_in(rule: Rule, dtype: DType) -> Bounds | None:
    """Return the bounds of the values as they are in a dtype, whose rounding may lead beyond those of the rule."""
    if rule.bounds is None:
        return None
    if isinstance(rule, Parts):
        bounds = [bounds_in(part, dtype) or rule.bounds for part in rule.distributions]
        return min(low for low, _ in bounds), max(high for _, high in bounds)
    if isinstance(rule, WithZeros):
        low, high = bounds_in(rule.base, dtype) or rule.bounds
        return min(low, 0.0), max(high, 0.0)
    low, high = rule.bounds
    if isinstance(rule, Distribution) and rule.draw in (Draw.UNIFORM, Draw.TRUNCATED_NORMAL):
        loc, scale = dtype.draws_in.type(rule.loc), dtype.draws_in.type(rule.scale)
        low, high = (loc + scale * dtype.draws_in.type(draw) for draw in rule.cut or (-1.0, 1.0))  # rounded as the draws are
    lowest, highest = np.array([low, high], dtype.draws_in).astype(dtype.numpy)
    return float(lowest), float(highest)


def whole_in(rule: Rule) -> Whole | None:
    """Return the whole that has to be computed to read any part of a tensor of this rule; None if parts suffice."""
    inner = rule
    while isinstance(inner, WithZeros | Repeated):
        inner = inner.base
    return inner if isinstance(inner, Whole) else None
