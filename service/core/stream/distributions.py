"""What a scheme comes to: `value = loc + scale·draw`, for one of four draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache

import numpy as np

from service.core.stream.portable import portable


class Draw(StrEnum):
    """The base draw of an element, before scale and loc."""

    CONSTANT = "constant"  # 1
    UNIFORM = "uniform"  # on (-1, 1)
    NORMAL = "normal"  # standard normal
    TRUNCATED_NORMAL = "truncated_normal"  # standard normal cut to [cut[0], cut[1]]


# Nothing is drawn farther out: word 0 of the float64 stream gives -9.155.
FARTHEST_NORMAL_DRAW = 9.2


@dataclass(frozen=True)
class Distribution:
    """`loc + scale·draw`. The moments and bounds are those of the values, after any truncation."""

    draw: Draw
    loc: float
    scale: float
    cut: tuple[float, float] | None = None  # in standard deviations of the normal; only for TRUNCATED_NORMAL

    @property
    def mean(self) -> float:
        """The mean of the values."""
        match self.draw:
            case Draw.CONSTANT:
                return self.loc + self.scale
            case Draw.TRUNCATED_NORMAL:
                return self.loc + self.scale * truncated_mean(*self._cut)
            case _:
                return self.loc

    @property
    def stddev(self) -> float:
        """The standard deviation of the values."""
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
    def bounds(self) -> tuple[float, float] | None:
        """The closed interval of the values, up to one rounding in the dtype; None where there is none (normal)."""
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
    def largest(self) -> float:
        """No value is farther from zero than this."""
        if self.draw in (Draw.CONSTANT, Draw.UNIFORM):
            return max(abs(self.loc - self.scale), abs(self.loc + self.scale))
        low, high = self.cut or (-FARTHEST_NORMAL_DRAW, FARTHEST_NORMAL_DRAW)
        low, high = max(low, -FARTHEST_NORMAL_DRAW), min(high, FARTHEST_NORMAL_DRAW)
        return max(abs(self.loc + self.scale * low), abs(self.loc + self.scale * high))

    @property
    def facts(self) -> dict[str, object]:
        """All that determines the values."""
        return {"draw": self.draw.value, "loc": self.loc, "scale": self.scale} | ({} if self.cut is None else {"cut": list(self.cut)})

    @property
    def _cut(self) -> tuple[float, float]:
        if self.cut is None:
            raise AssertionError("a truncated normal has a cut")
        return self.cut


def constant(value: float) -> Distribution:
    """Every element is `value`."""
    return Distribution(Draw.CONSTANT, 0.0, value)


def truncated_mean(low: float, high: float) -> float:
    """The mean of a standard normal cut to [low, high]."""
    return _truncated_moments(low, high)[0]


def truncated_stddev(low: float, high: float) -> float:
    """The standard deviation of a standard normal cut to [low, high].

    For a cut at ±c it is √(1 - 2c·φ(c)/(2Φ(c) - 1)). It is integrated rather than written so, because that formula loses
    its digits where the cut is narrow.

    >>> truncated_stddev(-2, 2)
    0.879625661
    """
    return _truncated_moments(low, high)[1]


def widened_stddev(stddev: float, low: float, high: float) -> float:
    """The standard deviation of the normal at 0 whose values, cut to the absolute bounds [low, high], have `stddev`.

    It exists for stddev < (high - low)/√12, the limit of a very wide normal (and less when 0 lies outside the bounds:
    the search then ends at its ceiling, 1e4 times the interval). Found by bisection to 10 significant digits.
    """
    narrow, wide = stddev, 1e4 * (high - low)
    for _ in range(200):
        middle = math.sqrt(narrow * wide)
        if middle * truncated_stddev(low / middle, high / middle) < stddev:
            narrow = middle
        else:
            wide = middle
    return portable(wide)


@lru_cache(maxsize=1024)
def _truncated_moments(low: float, high: float) -> tuple[float, float]:
    """Mean and standard deviation by Gauss-Legendre quadrature, 128 nodes over at most 20 standard deviations."""
    peak = min(max(0.0, low), high)  # the densest point of the interval; what lies 10 beyond it weighs less than 1e-21
    low, high = max(low, peak - 10), min(high, peak + 10)
    nodes, weights = np.polynomial.legendre.leggauss(128)
    x = (low + high) / 2 + (high - low) / 2 * nodes
    mass = weights * np.exp((peak * peak - x * x) / 2)
    mean = 0.0 if low == -high else float(np.sum(mass * x) / np.sum(mass))
    variance = float(np.sum(mass * (x - mean) ** 2) / np.sum(mass))
    return portable(mean), portable(math.sqrt(variance))
