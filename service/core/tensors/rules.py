"""What the elements of a tensor are, where they are not simply `loc + scale·draw`.

    Distribution   loc + scale·draw, of the element's own word            (distributions.py)
    Repeated       the same, of the word of another element: copies
    Pattern        a formula of the element's index
    Whole      a part of a whole that must be computed at once

Each of them is evaluated at canonical indices in a precision, so that ranges, layouts and slices are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from service.core.stream.distributions import Distribution
from service.core.stream.philox import Stream
from service.core.stream.view import Shape

Index = tuple[npt.NDArray[np.int64], ...]
Floats = npt.NDArray[Any]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Repeated:
    """`base`, each of its blocks of `block` elements standing `times` times behind itself."""

    base: Distribution | Pattern | Whole
    block: int
    times: int

    def source(self, positions: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """The element of `base` that stands at each position."""
        block, times = np.uint64(self.block), np.uint64(self.times)
        return positions // (block * times) * block + positions % block

    @property
    def mean(self) -> float | None:
        """The mean of the values."""
        return self.base.mean

    @property
    def stddev(self) -> float | None:
        """The standard deviation of the values."""
        return self.base.stddev

    @property
    def bounds(self) -> Bounds | None:
        """The closed interval of the values."""
        return self.base.bounds

    @property
    def largest(self) -> float:
        """No value is farther from zero than this."""
        return self.base.largest

    @property
    def facts(self) -> dict[str, Any]:
        """All that determines the values."""
        return self.base.facts | {"repeated": {"block": self.block, "times": self.times}}


# the values at an index, and the tensor's stream, for a formula that also draws
Formula = Callable[[Index, Stream], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Pattern:
    """A formula of the index, computed in float64. Not random, so that it has no standard deviation."""

    name: str
    shape: Shape
    bounds: Bounds
    formula: Formula = field(compare=False, repr=False)
    parameters: tuple[tuple[str, Any], ...] = ()
    mean: None = None
    stddev: None = None

    def at(self, positions: npt.NDArray[np.uint64], stream: Stream) -> npt.NDArray[np.float64]:
        """The values at canonical positions."""
        return self.formula(tuple(np.unravel_index(positions.astype(np.int64), self.shape)), stream)

    @property
    def largest(self) -> float:
        """No value is farther from zero than this."""
        return max(abs(bound) for bound in self.bounds)

    @property
    def facts(self) -> dict[str, Any]:
        """All that determines the values."""
        return {"draw": "pattern", "parameters": dict(self.parameters)}


# the whole tensor in C order of its canonical shape, in a precision
Compute = Callable[[Stream, np.dtype[Any]], Floats]


@dataclass(frozen=True)
class Whole:
    """A tensor that cannot be computed in parts. Equal wholes of equal streams are computed once (wholes.py).

    `bitwise`: whether its bytes are the same on every machine, or only equal within an ulp of float32, because a linear
    algebra library adds in another order on another machine. `operations`: about how many of floating point it takes.
    """

    name: str
    shape: Shape
    bounds: Bounds | None
    largest: float
    stddev: float
    bitwise: bool
    compute: Compute = field(compare=False, repr=False)
    parameters: tuple[tuple[str, Any], ...] = ()
    mean: float = 0.0
    operations: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """All that determines the values."""
        return {"draw": "structure", "parameters": dict(self.parameters)}


Rule = Distribution | Repeated | Pattern | Whole


def is_bitwise(rule: Rule) -> bool:
    """Whether a tensor of this rule has the same bytes on every machine."""
    whole = whole_in(rule)
    return whole is None or whole.bitwise


def whole_in(rule: Rule) -> Whole | None:
    """The whole that must be computed for any part of a tensor of this rule."""
    inner = rule.base if isinstance(rule, Repeated) else rule
    return inner if isinstance(inner, Whole) else None
