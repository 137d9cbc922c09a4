"""Turns words into float32 draws and values, compiled. quantiles.py explains the formulas.

A branch for the tail of the normal would prevent vector instructions. So the formula of the centre is evaluated for every element, and
the few elements of the tail are flagged, one byte each. The flags are then read eight at a time, and the flagged elements recomputed.

Each step of the formula is a loop of its own over all elements of a run. In one loop the operations of an element wait for each other, and
the processor sees too few other elements to work on meanwhile. Several loops take 0.73 ns an element instead of 0.88 (AMD EPYC, AVX2).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import float32, int32, int64, uint8, uint32, uint64

from service.core.stream.kernels.compiling import compiled, inlined
from service.core.stream.quantiles import LN2, LOG32, P32, Q32, SQRT_HALF_BITS_32, T32, T32_CENTRE, TAIL_WORDS


class Parameters(NamedTuple):
    """The parameters of a draw, in its precision. `first` and `count` are the quantile range of a truncated normal."""

    draw: Any
    first: Any
    count: Any
    loc: Any
    scale: Any
    low: Any
    high: Any


class Scratch(NamedTuple):
    """Arrays for the steps of a normal: float32, as long as a run, and `flags` of bytes."""

    y: Any
    numerators: Any
    flags: Any


UNIFORM, NORMAL, TRUNCATED = 0, 1, 2


@inlined
def scratch_for(count):
    """Return the arrays for a run of `count` words, a multiple of 8."""
    return Scratch(np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.uint8))


@inlined
def parameters_of(draw, numbers):
    """Return the parameters in [draw, first, count], as uint64, and [loc, scale, low, high], in the precision of the draw."""
    return Parameters(int64(draw[0]), draw[1], draw[2], numbers[0], numbers[1], numbers[2], numbers[3])


# moving the power of two from q into the denominator changes no bit and saves a multiplication
_SCALED_Q32 = tuple(coefficient * np.float32(2.0**32) for coefficient in Q32)


@inlined
def horner(table, x):
    """Evaluate a polynomial by Horner's rule. The table starts with the constant term."""
    value = table[-1]
    for k in range(len(table) - 2, -1, -1):
        value = value * x + table[k]
    return value


@inlined
def _centred32(word):
    """Return the quantile minus ½, in units of 2⁻³² and rounded down. It is negative for quantiles below ½."""
    return int32(word ^ uint32(1 << 31))


@inlined
def _from_centre32(centred):
    return int32(centred ^ int32(centred >> int32(31)))


@inlined
def _from_edge32(from_centre):
    return int32(int32(0x7FFFFFFF) - from_centre)


@inlined
def _quantile32(steps):
    return (float32(steps) + float32(0.5)) * float32(2.0**-32)


@inlined
def _signed32(z, centred):
    """Return -z if `centred` is negative, else z. Because z > 0, setting its sign bit is enough."""
    bits = int32(np.float32(z).view(np.int32) | int32(centred & int32(-(1 << 31))))
    return np.int32(bits).view(np.float32)


@compiled
def _uniform32(words, out, parameters):
    for j in range(words.shape[0]):
        odd = int32(int32(words[j] >> uint32(7)) | int32(1))
        draw = float32(int32(odd - int32(1 << 24))) * float32(2.0**-24)
        out[j] = parameters.loc + parameters.scale * draw


@compiled
def _central_quantiles32(words, y, flags):
    """Compute p - p², of which P and Q are polynomials, and flag the elements of the tail."""
    for j in range(words.shape[0]):
        from_edge = _from_edge32(_from_centre32(_centred32(words[j])))
        p = _quantile32(from_edge)
        y[j] = p - p * p
        flags[j] = uint8(from_edge < TAIL_WORDS)


@compiled
def _numerators32(y, numerators):
    for j in range(y.shape[0]):
        numerators[j] = horner(P32, y[j])


@compiled
def _to_denominators32(y):
    for j in range(y.shape[0]):
        y[j] = horner(_SCALED_Q32, y[j])


@compiled
def _central_values32(words, numerators, denominators, out, loc, scale):
    for j in range(words.shape[0]):
        centred = _centred32(words[j])
        z = (float32(_from_centre32(centred)) + float32(0.5)) * numerators[j] / denominators[j]
        out[j] = loc + scale * _signed32(z, centred)


@compiled
def _tail32(word):
    centred = _centred32(word)
    p = _quantile32(_from_edge32(_from_centre32(centred)))
    bits = np.float32(p).view(np.int32)
    exponent = int32(int32(bits - SQRT_HALF_BITS_32) >> int32(23))
    mantissa = np.int32(bits - int32(exponent << int32(23))).view(np.float32)
    s = (mantissa - float32(1)) / (mantissa + float32(1))
    log = float32(exponent) * float32(LN2) + float32(2) * s * horner(LOG32, s * s)
    return _signed32(horner(T32, np.sqrt(-log) - T32_CENTRE), centred)


@compiled
def _replace_tail32(words, out, flags, loc, scale):
    groups = (words.shape[0] + 7) // 8
    flags[words.shape[0] : 8 * groups] = 0
    flag_groups = flags.view(np.uint64)
    for group in range(groups):
        if flag_groups[group] != uint64(0):
            for j in range(8 * group, 8 * group + 8):
                if flags[j]:
                    out[j] = loc + scale * _tail32(words[j])


@compiled
def _normal32(words, out, scratch, loc, scale):
    count = words.shape[0]
    y, numerators = scratch.y[:count], scratch.numerators[:count]
    _central_quantiles32(words, y, scratch.flags)
    _numerators32(y, numerators)
    _to_denominators32(y)
    _central_values32(words, numerators, y, out, loc, scale)
    _replace_tail32(words, out, scratch.flags, loc, scale)


@compiled
def _truncated32(words, out, scratch, parameters):
    for j in range(words.shape[0]):
        words[j] = uint32(parameters.first + (uint64(words[j]) * parameters.count >> uint64(32)))
    _normal32(words, out, scratch, float32(0), float32(1))
    for j in range(words.shape[0]):
        out[j] = parameters.loc + parameters.scale * min(max(out[j], parameters.low), parameters.high)


@compiled
def draw32(words, out, scratch, parameters):
    """Compute the values of words into `out`, both of shape [n]. May overwrite the words."""
    if parameters.draw == UNIFORM:
        _uniform32(words, out, parameters)
    elif parameters.draw == NORMAL:
        _normal32(words, out, scratch, parameters.loc, parameters.scale)
    else:
        _truncated32(words, out, scratch, parameters)
