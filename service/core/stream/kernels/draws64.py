"""Turns words into float64 draws and values, compiled. quantiles.py explains the formulas.

It is done step by step, as for float32. Every seventh element is in the tail of the normal. These elements are gathered, computed with
vector instructions too, and written back.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, NamedTuple

import numpy as np
from numba import float64, int64, uint64

from service.core.stream.kernels.compiling import compiled, inlined
from service.core.stream.kernels.draws32 import NORMAL, UNIFORM, horner
from service.core.stream.quantiles import (
    A64,
    B64,
    C64,
    CENTRE64,
    CENTRE64_SQUARED,
    D64,
    E64,
    F64,
    FAR64,
    LN2,
    LOG64,
    NEAR64,
    NEAR64_LIMIT,
    SQRT_HALF_BITS_64,
)

# The first number of steps from the centre whose quantile is in the tail, and twice the number of steps from there to the end.
_FIRST_TAIL_STEPS = bisect_right(range((1 << 63) - 1), CENTRE64, key=lambda steps: (np.float64(np.uint64(steps)) + 0.5) * 2.0**-64)
_TAIL_STEPS = np.uint64((1 << 63) - _FIRST_TAIL_STEPS)
_TOP_BIT = np.uint64(1 << 63)


class Scratch64(NamedTuple):
    """Arrays for the steps of a normal in float64, as long as a run; those of the tail have one element more."""

    words: Any
    q: Any
    y: Any
    tail: Any
    tail_words: Any


@inlined
def scratch64_for(count):
    """Return the arrays for a run of `count` words."""
    floats = np.empty((2, count))
    return Scratch64(np.empty(count, np.uint64), floats[0], floats[1], np.empty(count + 1, np.int64), np.empty(count + 1, np.uint64))


@inlined
def _from_centre64(word):
    centred = int64(word ^ _TOP_BIT)
    return uint64(centred ^ (centred >> int64(63)))  # unsigned, because AVX2 has no instruction for signed numbers, and one more step


@inlined
def _quantile64(steps):
    return (float64(uint64(steps)) + 0.5) * 2.0**-64


@inlined
def _signed64(z, word):
    """Return -z if the word is below the middle, where its top bit is clear, else z. Because z > 0, setting its sign bit is enough."""
    return np.uint64(np.float64(z).view(np.uint64) | (~word & _TOP_BIT)).view(np.float64)


@compiled
def _uniform64(words, out, parameters):
    for j in range(words.shape[0]):
        odd = int64(words[j] >> uint64(10)) | int64(1)
        out[j] = parameters.loc + parameters.scale * (float64(odd - int64(1 << 53)) * 2.0**-53)


@compiled
def _central_quantiles64(words, q, y):
    for j in range(words.shape[0]):
        q[j] = _quantile64(_from_centre64(words[j]))
        y[j] = CENTRE64_SQUARED - q[j] * q[j]


@compiled
def _multiply_by_numerators64(y, q):
    for j in range(y.shape[0]):
        q[j] = q[j] * horner(A64, y[j])


@compiled
def _to_denominators64(y):
    for j in range(y.shape[0]):
        y[j] = horner(B64, y[j])


@compiled
def _central_values64(words, numerators, denominators, out, loc, scale):
    for j in range(words.shape[0]):
        out[j] = loc + scale * _signed64(numerators[j] / denominators[j], words[j])


@compiled
def _find_tail64(words, tail, tail_words):
    """Write the indices and the words of the elements of the tail, and return their number."""
    count = 0
    for j in range(words.shape[0]):
        tail[count] = j  # every index, before it is decided whether to count it: a branch would be mispredicted too often
        count += int64(uint64(words[j] + _TAIL_STEPS) < uint64(_TAIL_STEPS << uint64(1)))
    for i in range(count):
        tail_words[i] = words[tail[i]]
    return count


@compiled
def _exponents64(tail_words, exponents, ratios):
    """Compute p = 2^exponent·m of each element of the tail, and (m - 1)/(m + 1), of which the logarithm of m is a polynomial."""
    for i in range(tail_words.shape[0]):
        p = _quantile64(uint64(0x7FFFFFFFFFFFFFFF) - _from_centre64(tail_words[i]))
        bits = np.float64(p).view(np.int64)
        exponent = (bits - SQRT_HALF_BITS_64) >> int64(52)
        mantissa = np.int64(bits - (exponent << int64(52))).view(np.float64)
        exponents[i] = -float64(uint64(-exponent))  # p is below 1, and so is 2^exponent
        ratios[i] = (mantissa - 1.0) / (mantissa + 1.0)


@compiled
def _to_roots64(exponents, ratios):
    """Replace the exponents by √(-ln p)."""
    for i in range(exponents.shape[0]):
        s = ratios[i]
        exponents[i] = np.sqrt(-(exponents[i] * LN2 + 2.0 * s * horner(LOG64, s * s)))


@compiled
def _near64(roots, draws):
    for i in range(roots.shape[0]):
        x = roots[i] - NEAR64
        draws[i] = horner(C64, x) / horner(D64, x)


@compiled
def _far64(root):
    x = root - FAR64
    return horner(E64, x) / horner(F64, x)


@compiled
def _normal64(words, out, scratch, loc, scale):
    count = words.shape[0]
    q, y = scratch.q[:count], scratch.y[:count]
    _central_quantiles64(words, q, y)
    _multiply_by_numerators64(y, q)
    _to_denominators64(y)
    _central_values64(words, q, y, out, loc, scale)
    count = _find_tail64(words, scratch.tail, scratch.tail_words)
    tail_words, roots, draws = scratch.tail_words[:count], q[:count], y[:count]
    _exponents64(tail_words, roots, draws)
    _to_roots64(roots, draws)
    _near64(roots, draws)
    for i in range(count):
        z = draws[i] if roots[i] <= NEAR64_LIMIT else _far64(roots[i])
        out[scratch.tail[i]] = loc + scale * _signed64(z, tail_words[i])


@compiled
def _truncated64(words, out, scratch, parameters):
    for j in range(words.shape[0]):
        high, low = words[j] >> uint64(32), words[j] & uint64(0xFFFFFFFF)
        words[j] = (parameters.first << uint64(32)) + high * parameters.count + (low * parameters.count >> uint64(32))
    _normal64(words, out, scratch, 0.0, 1.0)
    for j in range(words.shape[0]):
        out[j] = parameters.loc + parameters.scale * min(max(out[j], parameters.low), parameters.high)


@compiled
def draw64(high, low, out, scratch, parameters):
    """Compute the values of words and of those of the second stream into `out`. The arrays of words may be longer than `out`."""
    words = scratch.words[: out.shape[0]]
    for j in range(out.shape[0]):
        words[j] = (uint64(high[j]) << uint64(32)) | uint64(low[j])
    if parameters.draw == UNIFORM:
        _uniform64(words, out, parameters)
    elif parameters.draw == NORMAL:
        _normal64(words, out, scratch, parameters.loc, parameters.scale)
    else:
        _truncated64(words, out, scratch, parameters)
