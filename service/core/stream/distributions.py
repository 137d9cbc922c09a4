"""Distributions of a single element: `value = loc + scale·draw`, for one of four draws."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from typing_extensions import override

from service.core.stream.portable import gauss_legendre, portable

Bounds = tuple[float, float]
Signs = tuple[bool, ...]


def signs_of(numbers: Iterable[object]) -> Signs:
    """Return which of the numbers are -0.0.

    Python takes 0.0 and -0.0 for equal, although their bytes differ. An object with these signs among its fields is equal only to one
    that gives the same bytes, so that it may be the key of a cache.
    """
    return tuple(number == 0 and math.copysign(1.0, number) < 0 for number in numbers if isinstance(number, float))


class Draw(StrEnum):
    """The base draw of an element, before scale and loc."""

    CONSTANT = "constant"  # 1
    UNIFORM = "uniform"  # on (-1, 1)
    NORMAL = "normal"  # standard normal
    TRUNCATED_NORMAL = "truncated_normal"  # standard normal cut to [cut[0], cut[1]]


FARTHEST_NORMAL_DRAW = 9.2  # an upper limit: word 0 of the float64 stream gives -9.155


class Described:
    """Values of a tensor, described without computing any of them.

    A plain class and no protocol, because isinstance is several times slower for classes that inherit from a protocol.
    """

    @property
    def mean(self) -> float | None:
        """The mean, after any truncation; None for values given by a formula."""
        raise NotImplementedError

    @property
    def stddev(self) -> float | None:
        """The standard deviation, after any truncation; None for values given by a formula."""
        raise NotImplementedError

    @property
    def bounds(self) -> Bounds | None:
        """The closed interval of the values, up to one rounding in the dtype; None if there is none, as for a normal distribution."""
        raise NotImplementedError

    @property
    def largest(self) -> float:
        """An upper limit of the absolute values."""
        raise NotImplementedError

    @property
    def facts(self) -> dict[str, Any]:
        """Everything that determines the values, as the metadata reports it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Distribution(Described):
    """`loc + scale·draw`, drawn independently for each element."""

    draw: Draw
    loc: float
    scale: float
    cut: Bounds | None = None  # in standard deviations of the normal; only for TRUNCATED_NORMAL
    signs: Signs = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signs", signs_of((self.loc, self.scale, *(self.cut or ()))))

    @property
    @override
    def mean(self) -> float:
        match self.draw:
            case Draw.CONSTANT:
                return self.loc + self.scale
            case Draw.TRUNCATED_NORMAL:
                return self.loc + self.scale * truncated_mean(*self._cut)
            case _:
                return self.loc

    @property
    @override
    def stddev(self) -> float:
        match self.draw:
            case Draw.CONSTANT:
                return 0.0
            case Draw.UNIFORM:
                return self.scale / math.sqrt(3)
            case Draw.NORMAL:
                return self.scale
            case Draw.TRUNCATED_NORMAL:
                return self.scale * truncated_stddev(*self._cut)

    @property
    @override
    def bounds(self) -> Bounds | None:
        match self.draw:
            case Draw.CONSTANT:
                return self.mean, self.mean
            case Draw.UNIFORM:
                return self.loc - self.scale, self.loc + self.scale
            case Draw.NORMAL:
                return None
            case Draw.TRUNCATED_NORMAL:
                low, high = (self.loc + self.scale * cut for cut in self._cut)
                return (low, high) if math.isfinite(low) and math.isfinite(high) else None

    @cached_property
    @override
    def largest(self) -> float:
        if self.draw in (Draw.CONSTANT, Draw.UNIFORM):
            return max(abs(self.loc - self.scale), abs(self.loc + self.scale))
        low, high = self.cut or (-FARTHEST_NORMAL_DRAW, FARTHEST_NORMAL_DRAW)
        low, high = max(low, _farthest(high)), min(high, -_farthest(-low))
        return max(abs(self.loc + self.scale * low), abs(self.loc + self.scale * high))

    @property
    @override
    def facts(self) -> dict[str, Any]:
        return {"draw": self.draw.value, "loc": self.loc, "scale": self.scale} | ({} if self.cut is None else {"cut": list(self.cut)})

    @property
    def _cut(self) -> Bounds:
        if self.cut is None:
            raise AssertionError("a truncated normal has a cut")
        return self.cut


def _farthest(nearest: float) -> float:
    """Return a lower limit of the draws of a normal that is cut at `nearest` from above.

    Beyond a cut at c < 0 the mass falls faster than exp(-(z² - c²)/2), and no draw is at less than 2⁻⁵³ of it.
    """
    return -max(FARTHEST_NORMAL_DRAW, math.sqrt(min(nearest, 0.0) ** 2 + 74))


def constant(value: float) -> Distribution:
    """Return the distribution whose every element is `value`."""
    return Distribution(Draw.CONSTANT, 0.0, value)


def truncated_mean(low: float, high: float) -> float:
    """Return the mean of a standard normal cut to [low, high]."""
    return _truncated_moments(low, high)[0]


def truncated_stddev(low: float, high: float) -> float:
    """Return the standard deviation of a standard normal cut to [low, high].

    For a cut at ±c it is √(1 - 2c·φ(c)/(2Φ(c) - 1)). It is integrated instead, because the formula loses its digits when the cut is
    narrow.

    >>> truncated_stddev(-2, 2)
    0.879625661
    """
    return _truncated_moments(low, high)[1]


def widened_stddev(stddev: float, low: float, high: float) -> float:
    """Return the standard deviation of the normal at 0 whose values, cut to the absolute bounds [low, high], have `stddev`.

    It exists for stddev < (high - low)/√12, the limit of a very wide normal. If 0 lies outside the bounds, the limit is lower, and the
    search then ends at its ceiling of 1e4 times the interval. Bisection finds it to 10 significant digits.
    """
    narrow, wide = stddev, 1e4 * (high - low)
    while narrow < (middle := math.sqrt(narrow * wide)) < wide:
        if middle * truncated_stddev(low / middle, high / middle) < stddev:
            narrow = middle
        else:
            wide = middle
    return portable(wide)


@lru_cache(maxsize=1024)
def _truncated_moments(low: float, high: float) -> tuple[float, float]:
    """Return mean and standard deviation by Gauss-Legendre quadrature, with 128 nodes over at most 20 standard deviations."""
    peak = min(max(0.0, low), high)  # the densest point of the interval; the mass more than 10 away from it is below 1e-21
    low, high = max(low, peak - 10), min(high, peak + 10)
    nodes, weights = gauss_legendre()
    x = (low + high) / 2 + (high - low) / 2 * nodes
    mass = weights * np.exp((peak * peak - x * x) / 2)
    mean = 0.0 if low == -high else float(np.sum(mass * x) / np.sum(mass))
    variance = float(np.sum(mass * (x - mean) ** 2) / np.sum(mass))
    return portable(mean), portable(math.sqrt(variance))
