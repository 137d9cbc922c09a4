"""Patterns of a matrix [out, in, *kernel]: identities and interpolations, given by a formula of the index."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from service.core.stream.distributions import Bounds
from service.core.stream.philox import Stream
from service.core.stream.view import Shape
from service.core.tensors.rules import Formula, Index, Pattern

Float64s = npt.NDArray[np.float64]


def identity(shape: Shape, gain: float) -> Pattern:
    """Return the identity times gain: gain where row and column are equal, else 0. A rectangle holds as much of it as fits."""
    return pattern("identity", shape, (min(0.0, gain), max(0.0, gain)), lambda index, _: gain * (index[0] == index[1]), gain=gain)


def dirac(shape: Shape, gain: float) -> Pattern:
    """Return a convolution [out, in, *kernel] that passes each input through: gain at the centre tap k//2 of its own channel."""

    def formula(index: Index, _: Stream) -> Float64s:
        out, inside, *taps = index
        return gain * ((out == inside) & _at_centre(taps, shape[2:]))

    return pattern("dirac", shape, (min(0.0, gain), max(0.0, gain)), formula, gain=gain)


def zero_hadamard(shape: Shape, gain: float) -> Pattern:
    """Return ZerO: a partial identity if out ≤ in; else the corner of a Hadamard matrix of order p = 2^⌈log₂ out⌉, divided by √p.

    The scale 1/√p makes it orthonormal and is that of the authors' code. In a convolution it occupies the centre tap k//2. Entry (i, j)
    of Sylvester's matrix is -1 to the power of the number of ones that i and j share in binary.
    """
    out, inside = shape[0], shape[1]
    order = 1 << (out - 1).bit_length()

    def formula(index: Index, _: Stream) -> Float64s:
        row, column, *taps = index
        centre = _at_centre(taps, shape[2:])
        if out <= inside:
            return gain * ((row == column) & centre)
        sign = 1.0 - 2.0 * (np.bitwise_count(row & column) % 2)
        return gain * sign * centre / math.sqrt(order)

    return pattern("zero_hadamard", shape, (-gain, gain), formula, gain=gain)


def bilinear(shape: Shape, gain: float) -> Pattern:
    """Return an interpolation for each channel: 1 - |t - c|/f along each kernel axis, with f = ⌈k/2⌉ and c the middle of the axis."""

    def formula(index: Index, _: Stream) -> Float64s:
        out, inside, *taps = index
        # a depthwise kernel has one input channel, which feeds every output
        values = np.where((out == inside) | (shape[1] == 1), gain, 0.0)
        for tap, length in zip(taps, shape[2:]):
            values = values * (1.0 - np.abs(tap - (length - 1) / 2) / -(-length // 2))
        return values

    return pattern("bilinear", shape, (0.0, gain), formula, gain=gain)


def hippo_legs(shape: Shape, gain: float) -> Pattern:
    """Return the HiPPO-LegS matrix: -gain·(√(2n+1)·√(2k+1) below the diagonal, n + 1 on it, 0 above).

    Theorem 2 of Gu et al. 2020 has the minus in dc/dt = -A·c/t instead. Here it is in the matrix, as in the authors' code and in state
    space models.
    """

    def formula(index: Index, _: Stream) -> Float64s:
        n, k = (axis.astype(np.float64) for axis in index)
        below = np.sqrt(2 * n + 1) * np.sqrt(2 * k + 1)
        return np.where(n > k, -gain * below, np.where(n == k, -gain * (n + 1), 0.0))

    return pattern("hippo_legs", shape, (-gain * 2.0 * shape[0], 0.0), formula, gain=gain)


def _at_centre(taps: list[npt.NDArray[np.int64]], kernel: Shape) -> npt.NDArray[np.bool_] | bool:
    """Return where the taps are at the centre of the kernel; True for a kernel without axes."""
    centre: npt.NDArray[np.bool_] | bool = True
    for tap, length in zip(taps, kernel):
        centre = centre & (tap == length // 2)
    return centre


def pattern(name: str, shape: Shape, bounds: Bounds, formula: Formula, **parameters: float | str) -> Pattern:
    """Return a pattern. The parameters are all that its formula depends on, besides the shape."""
    return Pattern(name, shape, bounds, formula, tuple(sorted(parameters.items())))
