"""Truncated normals whose cut keeps so little of the normal that too few words lie in it: far in a tail, or narrow.

The quantile is computed in float64 from the mass of the cut, instead of among the words. In a tail it is the distance p from the end, which
float64 holds with all its digits down to 1e-300. STREAM.md says the same in prose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from service.core.stream.philox import Words
from service.core.stream.portable import gauss_legendre, portable
from service.core.stream.quantiles import Float32s, Float64s, Words64, normal_at, quantile_range

FARTHEST = 37.0  # beyond it, float64 cannot hold the mass of the normal
NARROWEST = 1e-6  # a narrower cut is uniform to this precision times its distance from the mean

_BITS_64 = 52  # of the 64 of a word, which float64 holds exactly together with the ½
_TAIL = 1.0  # a cut from here on is described by its distance from the end, and others by that from the middle
_SPAN = 10.0  # the mass more than 10 standard deviations beyond the nearer end of a cut is below 1e-21 of it


@dataclass(frozen=True)
class RareCut:
    """The quantiles of a cut [low, high]: `start` + u·`mass` for u in (0, 1), from the middle or, `in_tail`, from the end.

    A cut in the lower tail is `mirrored`: the draw of a word is minus the draw of ~word in the upper tail.
    """

    low: float
    high: float
    mirrored: bool
    in_tail: bool
    start: float
    mass: float

    def draw32(self, words: Words) -> Float32s:
        """Return the draws in float32: those in float64 of the words alone, rounded."""
        draws = self._draw(_fraction(words, 32), _fraction(~words, 32))
        return np.clip(draws.astype(np.float32), np.float32(self.low), np.float32(self.high))

    def draw64(self, words: Words64) -> Float64s:
        """Return the draws in float64, from the top 52 bits of the words."""
        top = np.uint64(64 - _BITS_64)
        draws = self._draw(_fraction(words >> top, _BITS_64), _fraction(~words >> top, _BITS_64))
        return np.clip(draws, self.low, self.high)

    def _draw(self, u: Float64s, one_minus_u: Float64s) -> Float64s:
        if self.mirrored:
            u, one_minus_u = one_minus_u, u
        if self.in_tail:
            draws = normal_at(self.start + one_minus_u * self.mass)  # the larger the draw, the nearer it is to the end
        else:
            middle = self.start + u * self.mass
            draws = np.copysign(normal_at(0.5 - np.abs(middle), np.abs(middle)), middle)
        return -draws if self.mirrored else draws


def rare_cut(low: float, high: float) -> RareCut | None:
    """Return the quantiles of a cut at `low` and `high` standard deviations if fewer than 2¹⁶ words lie in it; else None."""
    return _rare_cut(low, high, math.copysign(1.0, low), math.copysign(1.0, high))


def _fraction(words: Words | Words64, bits: int) -> Float64s:
    """Return (word + ½)·2^-bits, which is in (0, 1) and exact."""
    return (words.astype(np.float64) + 0.5) * 2.0**-bits


@lru_cache(maxsize=1024)
def _rare_cut(low: float, high: float, *_: float) -> RareCut | None:
    """Compute it. The signs are arguments because 0.0 and -0.0 would otherwise be the same key of the cache."""
    if quantile_range(low, high).holds_enough:
        return None
    mirrored = high < -_TAIL
    near, far = (-high, -low) if mirrored else (low, high)
    mass, in_tail = _mass(near, far), near > _TAIL
    start = 0.5 * math.erfc(far / math.sqrt(2)) if in_tail else 0.5 * math.erf(near / math.sqrt(2))
    return RareCut(low, high, mirrored, in_tail, portable(start), mass)


def _mass(low: float, high: float) -> float:
    """Return the mass of the normal in [low, high], by Gauss-Legendre quadrature with 128 nodes."""
    high = min(high, max(low, 0.0) + _SPAN)
    nodes, weights = gauss_legendre()
    x = (low + high) / 2 + (high - low) / 2 * nodes
    return portable(float(np.sum(weights * np.exp(-x * x / 2))) * (high - low) / 2 / math.sqrt(2 * math.pi))
