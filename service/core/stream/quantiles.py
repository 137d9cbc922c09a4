"""The draws of the stream, version 1: turns words into uniform, normal and truncated normal numbers.

One word gives one float32 draw; a second word adds digits for float64. The draws use only +, -, ×, ÷, √ of IEEE arithmetic, integer
operations and the tables below, in the order written. There is no fused multiply-add and no log, exp or erf of a mathematical library,
because those differ in the last bit between machines. STREAM.md says the same in prose.

The normal draw is the inverse of the distribution function at the quantile (word + ½)·2⁻³². It takes exactly one word per element and
rises with the word (up to its last digit). It is antisymmetric: the draw of ~word is minus the draw of word.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from service.core.stream.philox import Words

Words64 = npt.NDArray[np.uint64]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Table = tuple[np.floating[Any], ...]


def _table(kind: type[np.floating[Any]], *coefficients: float) -> Table:
    return tuple(kind(coefficient) for coefficient in coefficients)


# Float32 centre, 2⁻⁹ ≤ p ≤ ½: z = q·P(y)/Q(y) with q = ½ - p and y = p - p². In y, unlike q², every coefficient is positive,
# so nothing cancels. Minimax by Remez exchange in 50 digits (relative error 8.8e-8), then rounded to float32.
P32 = _table(
    np.float32, 7.50178528, 15605.1035, 4812205.0, 334955552.0, 5.65889946e9, 1.99666606e10, 7.13853286e9
)  # fmt: skip
Q32 = _table(
    np.float32, 1.0, 2544.26807, 938125.625, 80095856.0, 1.77106573e9, 9.45507123e9, 8.35502438e9
)  # fmt: skip

# Float32 tail, 2⁻³³ ≤ p < 2⁻⁹: z = T(√(-ln p) - 3.5), by the same method (relative error 2.0e-8).
T32 = _table(
    np.float32, 4.42666245, 1.51061785, -0.0206155833, 0.00467575062, -0.00108952820, 0.000266151328, -7.41656477e-5, 1.55192993e-5
)  # fmt: skip
T32_CENTRE = np.float32(3.5)
TAIL_WORDS = np.int32(1 << 23)  # words of the tail, out of 2³¹ on each side: below this, word + ½ is exact in float32

# Float64: Wichura (1988), "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37,
# doi:10.2307/2347330, function PPND16 with its three rational functions.
CENTRE64 = np.float64(0.425)
CENTRE64_SQUARED = np.float64(0.180625)
A64 = _table(
    np.float64,
    3.3871328727963666080, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
    4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
)  # fmt: skip
B64 = _table(
    np.float64,
    1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
    2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3,
)  # fmt: skip
NEAR64, FAR64, NEAR64_LIMIT = np.float64(1.6), np.float64(5.0), np.float64(5.0)
C64 = _table(
    np.float64,
    1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
    1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
)  # fmt: skip
D64 = _table(
    np.float64,
    1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
    1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
)  # fmt: skip
E64 = _table(
    np.float64,
    6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 2.96560571828504891230e-1,
    2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
)  # fmt: skip
F64 = _table(
    np.float64,
    1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
    7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15,
)  # fmt: skip

# ln m = 2·(s + s³/3 + s⁵/5 + …) with s = (m - 1)/(m + 1), |s| ≤ 0.1716: as many terms as affect a result of this precision.
LOG32 = _table(np.float32, *(1 / (2 * k + 1) for k in range(5)))
LOG64 = _table(np.float64, *(1 / (2 * k + 1) for k in range(12)))
LN2 = 0.6931471805599453
SQRT_HALF_BITS_32 = np.int32(0x3F3504F3)
SQRT_HALF_BITS_64 = np.int64(0x3FE6A09E667F3BCD)

_MIN_TRUNCATED_WORDS = 1 << 16
_MAX_BOUND = 16.0


def join(high: Words, low: Words) -> Words64:
    """Return 64-bit words for float64: the tensor's own word in the high half, the word of its second stream in the low half."""
    return (high.astype(np.uint64) << np.uint64(32)) | low.astype(np.uint64)


def uniform32(words: Words) -> Float32s:
    """Return (2k + 1 - 2²⁴)·2⁻²⁴ of the top 24 bits k: uniform on (-1, 1), exact in float32, symmetric, never 0 or ±1."""
    odd = (words >> np.uint32(7)).astype(np.int32) | np.int32(1)
    return (odd - np.int32(1 << 24)).astype(np.float32) * np.float32(2.0**-24)


def uniform64(words: Words64) -> Float64s:
    """Return (2k + 1 - 2⁵³)·2⁻⁵³ of the top 53 bits k: uniform on (-1, 1), within 2⁻²⁴ of the float32 draw."""
    odd = (words >> np.uint64(10)).astype(np.int64) | np.int64(1)
    return (odd - np.int64(1 << 53)).astype(np.float64) * np.float64(2.0**-53)


def normal32(words: Words) -> Float32s:
    """Return the standard normal in float32: |z - Φ⁻¹((word + ½)·2⁻³²)| ≤ 1e-6·max(1, |z|), |z| up to 6.34."""
    centred = (words ^ np.uint32(1 << 31)).view(np.int32)
    from_centre = centred ^ (centred >> np.int32(31))  # 0 … 2³¹ - 1, the same for word and ~word
    from_edge = np.int32(0x7FFFFFFF) - from_centre
    p = (from_edge.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
    q = (from_centre.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
    y = p - p * p
    z = q * _polynomial(P32, y) / _polynomial(Q32, y)
    tail = from_edge < TAIL_WORDS
    z[tail] = _polynomial(T32, np.sqrt(_minus_log32(p[tail])) - T32_CENTRE)
    return np.where(centred < 0, -z, z)


def normal64(words: Words64) -> Float64s:
    """Return the standard normal in float64: |z - Φ⁻¹((word + ½)·2⁻⁶⁴)| ≤ 1e-14·max(1, |z|), |z| up to 9.16."""
    centred = (words ^ np.uint64(1 << 63)).view(np.int64)
    from_centre = centred ^ (centred >> np.int64(63))
    from_edge = np.int64(0x7FFFFFFFFFFFFFFF) - from_centre
    z = normal_at((from_edge.astype(np.float64) + 0.5) * 2.0**-64, (from_centre.astype(np.float64) + 0.5) * 2.0**-64)
    return np.where(centred < 0, -z, z)


def normal_at(p: Float64s, q: Float64s | None = None) -> Float64s:
    """Return the normal draw in the upper half, at the distance p from the end of the quantiles and q = ½ - p from their middle."""
    q = 0.5 - p if q is None else q
    r = CENTRE64_SQUARED - q * q
    z = q * _polynomial(A64, r) / _polynomial(B64, r)
    tail = q > CENTRE64
    root = np.sqrt(_minus_log64(p[tail]))
    near, far = root - NEAR64, root - FAR64
    z[tail] = np.where(
        root <= NEAR64_LIMIT,
        _polynomial(C64, near) / _polynomial(D64, near),
        _polynomial(E64, far) / _polynomial(F64, far),
    )
    return z


@dataclass(frozen=True)
class QuantileRange:
    """The words whose normal draw lies in [low, high]: the `first` of them and their `count`. Bounds are in standard deviations."""

    low: float
    high: float
    first: int
    count: int

    @property
    def holds_enough(self) -> bool:
        """Whether enough different values remain for the draw to look continuous (2¹⁶ words, a mass of 1.5e-5)."""
        return self.count >= _MIN_TRUNCATED_WORDS


def quantile_range(low: float, high: float) -> QuantileRange:
    """Return the quantile range of a normal cut at `low` and `high` standard deviations, low < high.

    It bisects `normal64` itself instead of calling erf, so the integers are the same on every machine. Bounds beyond ±16 become ±16:
    no draw reaches that far, and a float32 can hold it.
    """
    return _quantile_range(low, high, math.copysign(1.0, low), math.copysign(1.0, high))


@lru_cache(maxsize=1024)
def _quantile_range(low: float, high: float, *_: float) -> QuantileRange:
    """Compute it. The signs are arguments because 0.0 and -0.0 would otherwise be the same key of the cache."""
    low, high = max(low, -_MAX_BOUND), min(high, _MAX_BOUND)
    first = _first_word(lambda words: normal64(words << np.uint64(32)) >= low)
    past_last = _first_word(lambda words: normal64((words << np.uint64(32)) | np.uint64(0xFFFFFFFF)) > high)
    return QuantileRange(low, high, first, max(0, past_last - first))


def _first_word(condition: Callable[[Words64], npt.NDArray[np.bool_]]) -> int:
    """Find the first of the 2³² words that satisfies a condition, which has to hold for all later words too; 2³² if none does.

    Each step looks at 255 words between the last that fails and the first that holds, since one call costs as much as one word.
    """
    first = 0
    for step in (1 << 24, 1 << 16, 1 << 8, 1):
        words = np.uint64(first) + np.arange(step - 1, 256 * step - 1, step, dtype=np.uint64)
        first += step * int(np.count_nonzero(~condition(words)))
    return first + (not condition(np.array([first], np.uint64))[0])


def truncated32(words: Words, cut: QuantileRange) -> Float32s:
    """Return the standard normal cut to [cut.low, cut.high], in float32. The word is scaled into the range, then inverted."""
    inside = np.uint64(cut.first) + (words.astype(np.uint64) * np.uint64(cut.count) >> np.uint64(32))
    return np.clip(normal32(inside.astype(np.uint32)), np.float32(cut.low), np.float32(cut.high))


def truncated64(words: Words64, cut: QuantileRange) -> Float64s:
    """Return the standard normal cut to [cut.low, cut.high], in float64: like `truncated32`, with further digits from the low word."""
    count = np.uint64(cut.count)
    high, low = words >> np.uint64(32), words & np.uint64(0xFFFFFFFF)
    inside = np.uint64(cut.first << 32) + high * count + (low * count >> np.uint64(32))
    return np.clip(normal64(inside), np.float64(cut.low), np.float64(cut.high))


def _polynomial(coefficients: Table, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Evaluate a polynomial by Horner's rule. The table starts with the constant term."""
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value


def _minus_log32(p: Float32s) -> Float32s:
    bits = p.view(np.int32)
    exponent = (bits - SQRT_HALF_BITS_32) >> np.int32(23)
    mantissa = (bits - (exponent << np.int32(23))).view(np.float32)  # p = mantissa·2^exponent, √½ ≤ mantissa < √2
    s = (mantissa - np.float32(1)) / (mantissa + np.float32(1))
    log_mantissa = np.float32(2) * s * _polynomial(LOG32, s * s)
    return -(exponent.astype(np.float32) * np.float32(LN2) + log_mantissa)


def _minus_log64(p: Float64s) -> Float64s:
    return -log64(p)


def log64(x: Float64s) -> Float64s:
    """Return ln x of positive, normal float64 numbers, within 2e-15·max(1, |ln x|) and the same on every machine."""
    bits = x.view(np.int64)
    exponent = (bits - SQRT_HALF_BITS_64) >> np.int64(52)
    mantissa = (bits - (exponent << np.int64(52))).view(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    log_mantissa = 2.0 * s * _polynomial(LOG64, s * s)
    return exponent.astype(np.float64) * LN2 + log_mantissa
