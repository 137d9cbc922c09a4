"""Patterns: identities, interpolations and gate biases, given by a formula of the index."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from service.core.stream.distributions import Bounds
from service.core.stream.philox import Stream
from service.core.stream.portable import portable
from service.core.stream.quantiles import join, log64, uniform64
from service.core.stream.view import Shape
from service.core.tensors.rules import Formula, Index, Pattern

Float64s = npt.NDArray[np.float64]


def identity(shape: Shape, gain: float) -> Pattern:
    """Return the identity times gain: gain where row and column are equal, else 0. A rectangle holds as much of it as fits."""
    return _pattern("identity", shape, (min(0.0, gain), max(0.0, gain)), lambda index, _: gain * (index[0] == index[1]), gain=gain)


def dirac(shape: Shape, gain: float, groups: int) -> Pattern:
    """Return a convolution [out, in/groups, *kernel] that passes each input through: gain at the centre tap k//2 of its own channel."""
    per_group = shape[0] // groups

    def formula(index: Index, _: Stream) -> Float64s:
        out, inside, *taps = index
        return gain * ((out % per_group == inside) & _at_centre(taps, shape[2:]))

    return _pattern("dirac", shape, (min(0.0, gain), max(0.0, gain)), formula, gain=gain, groups=groups)


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

    return _pattern("zero_hadamard", shape, (-gain, gain), formula, gain=gain)


def bilinear(shape: Shape, gain: float) -> Pattern:
    """Return an interpolation for each channel: 1 - |t - c|/f along each kernel axis, with f = ⌈k/2⌉ and c the middle of the axis."""

    def formula(index: Index, _: Stream) -> Float64s:
        out, inside, *taps = index
        # a depthwise kernel has one input channel, which feeds every output
        values = np.where((out == inside) | (shape[1] == 1), gain, 0.0)
        for tap, length in zip(taps, shape[2:]):
            values = values * (1.0 - np.abs(tap - (length - 1) / 2) / -(-length // 2))
        return values

    return _pattern("bilinear", shape, (0.0, gain), formula, gain=gain)


def gate_bias(shape: Shape, gates: int, gate: int, value: float) -> Pattern:
    """Return the bias of `gates` stacked gates: `value` for one of them, 0 for the others."""
    hidden = shape[0] // gates
    bounds = (min(0.0, value), max(0.0, value))
    return _pattern("gate_bias", shape, bounds, lambda index, _: value * (index[0] // hidden == gate), gates=gates, gate=gate, value=value)


def chrono(shape: Shape, longest: float) -> Pattern:
    """Return the bias of an LSTM's gates i, f, g, o: log U[1, T - 1] for f, its negative for i, 0 for the others.

    U of unit j is the float64 uniform of word j. The logarithm is the stream's own, so it is the same on every machine.
    """
    hidden = shape[0] // 4

    def formula(index: Index, stream: Stream) -> Float64s:
        gate, unit = np.divmod(index[0], hidden)
        units = unit.astype(np.uint64)
        draw = uniform64(join(stream.words_at(units), stream.second.words_at(units)))
        memory = log64(longest / 2 + (longest / 2 - 1) * draw)
        return np.where(gate == 1, memory, np.where(gate == 0, -memory, 0.0))

    limit = portable(math.log(longest - 1))
    return _pattern("chrono", shape, (-limit, limit), formula, t_max=longest)


def hippo_legs(shape: Shape, gain: float) -> Pattern:
    """Return the HiPPO-LegS matrix: -gain·(√(2n+1)·√(2k+1) below the diagonal, n + 1 on it, 0 above).

    Theorem 2 of Gu et al. 2020 has the minus in dc/dt = -A·c/t instead. Here it is in the matrix, as in the authors' code and in state
    space models.
    """

    def formula(index: Index, _: Stream) -> Float64s:
        n, k = (axis.astype(np.float64) for axis in index)
        below = np.sqrt(2 * n + 1) * np.sqrt(2 * k + 1)
        return np.where(n > k, -gain * below, np.where(n == k, -gain * (n + 1), 0.0))

    return _pattern("hippo_legs", shape, (-gain * 2.0 * shape[0], 0.0), formula, gain=gain)


def _at_centre(taps: list[npt.NDArray[np.int64]], kernel: Shape) -> npt.NDArray[np.bool_] | bool:
    """Return where the taps are at the centre of the kernel; True for a kernel without axes."""
    centre: npt.NDArray[np.bool_] | bool = True
    for tap, length in zip(taps, kernel):
        centre = centre & (tap == length // 2)
    return centre


def _pattern(name: str, shape: Shape, bounds: Bounds, formula: Formula, **parameters: float) -> Pattern:
    return Pattern(name, shape, bounds, formula, tuple(sorted(parameters.items())))
