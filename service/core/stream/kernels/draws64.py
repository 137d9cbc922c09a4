"""Turns words into float64 draws and values, compiled. quantiles.py explains the formulas.

Every seventh element is in the tail of the normal. These elements are gathered, computed with vector instructions too, and written back.
"""

from __future__ import annotations

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


@inlined
def _from_centre64(word):
    centred = int64(word ^ uint64(1 << 63))
    return centred ^ (centred >> int64(63)), centred < int64(0)


@inlined
def _quantile64(steps):
    return (float64(steps) + 0.5) * 2.0**-64


@compiled
def _uniform64(words, out, parameters):
    for j in range(words.shape[0]):
        odd = int64(words[j] >> uint64(10)) | int64(1)
        out[j] = parameters.loc + parameters.scale * (float64(odd - int64(1 << 53)) * 2.0**-53)


@compiled
def _centre64(words, out, loc, scale):
    for j in range(words.shape[0]):
        from_centre, below = _from_centre64(words[j])
        q = _quantile64(from_centre)
        r = CENTRE64_SQUARED - q * q
        z = q * horner(A64, r) / horner(B64, r)
        out[j] = loc + scale * (-z if below else z)


@compiled
def _find_tail64(words, tail):
    """Write the indices of the elements of the tail into `tail`, and return their number."""
    count = 0
    for j in range(words.shape[0]):
        from_centre, _ = _from_centre64(words[j])
        tail[count] = j
        count += int64(_quantile64(from_centre) > CENTRE64)
    return count


@compiled
def _roots64(words, tail, roots):
    """Compute √(-ln p) of each element of the tail."""
    for i in range(roots.shape[0]):
        from_centre, _ = _from_centre64(words[tail[i]])
        p = _quantile64(int64(0x7FFFFFFFFFFFFFFF) - from_centre)
        bits = np.float64(p).view(np.int64)
        exponent = (bits - SQRT_HALF_BITS_64) >> int64(52)
        mantissa = np.int64(bits - (exponent << int64(52))).view(np.float64)
        s = (mantissa - 1.0) / (mantissa + 1.0)
        roots[i] = np.sqrt(-(float64(exponent) * LN2 + 2.0 * s * horner(LOG64, s * s)))


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
def _normal64(words, out, loc, scale):
    tail = np.empty(
        words.shape[0] + 1, np.int64
    )  # one element more, because the search writes every index before it decides whether to count it
    _centre64(words, out, loc, scale)
    count = _find_tail64(words, tail)
    roots, draws = np.empty(count), np.empty(count)
    _roots64(words, tail, roots)
    _near64(roots, draws)
    for i in range(count):
        j = tail[i]
        z = draws[i] if roots[i] <= NEAR64_LIMIT else _far64(roots[i])
        out[j] = loc + scale * (-z if int64(words[j]) >= int64(0) else z)  # words below ½ have their top bit clear


@compiled
def _truncated64(words, out, parameters):
    for j in range(words.shape[0]):
        high, low = words[j] >> uint64(32), words[j] & uint64(0xFFFFFFFF)
        words[j] = (parameters.first << uint64(32)) + high * parameters.count + (low * parameters.count >> uint64(32))
    _normal64(words, out, 0.0, 1.0)
    for j in range(words.shape[0]):
        out[j] = parameters.loc + parameters.scale * min(max(out[j], parameters.low), parameters.high)


@compiled
def draw64(high, low, out, parameters):
    """Compute the values of words and of those of the second stream into `out`. The arrays of words may be longer than `out`."""
    words = np.empty(out.shape[0], np.uint64)
    for j in range(out.shape[0]):
        words[j] = (uint64(high[j]) << uint64(32)) | uint64(low[j])
    if parameters.draw == UNIFORM:
        _uniform64(words, out, parameters)
    elif parameters.draw == NORMAL:
        _normal64(words, out, parameters.loc, parameters.scale)
    else:
        _truncated64(words, out, parameters)
