"""Formulas of the index: identities, interpolations, gate biases."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from service.core.stream.philox import Stream
from service.core.stream.portable import portable
from service.core.stream.quantiles import join, log64, uniform64
from service.core.stream.view import Shape
from service.core.tensors.rules import Bounds, Formula, Index, Pattern

Float64s = npt.NDArray[np.float64]


def identity(shape: Shape, gain: float) -> Pattern:
    """gain where row and column are equal, else 0; a rectangle has as much of the identity as fits."""
    return _pattern("identity", shape, (min(0.0, gain), max(0.0, gain)), lambda index, _: gain * (index[0] == index[1]), gain=gain)


def dirac(shape: Shape, gain: float, groups: int) -> Pattern:
    """A convolution [out, in/groups, *kernel] that passes each input on: gain at the centre tap k//2 of its own channel."""
    per_group = shape[0] // groups

    def formula(index: Index, _: Stream) -> Float64s:
        out, inside, *taps = index
        return gain * ((out % per_group == inside) & _at_centre(taps, shape[2:]))

    return _pattern("dirac", shape, (min(0.0, gain), max(0.0, gain)), formula, gain=gain, groups=groups)


def zero_hadamard(shape: Shape, gain: float) -> Pattern:
    """ZerO: a partial identity where out ≤ in; else the corner of a Hadamard matrix of order p = 2^⌈log₂ out⌉, over √p.

    The scale 1/√p, which makes it orthonormal, is that of the authors' code. Of a convolution it stands at the centre tap
    k//2. Entry (i, j) of Sylvester's matrix is -1 to the number of ones that i and j share in binary.
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
    """Interpolation, per channel: along each kernel axis 1 - |t - c|/f, with f = ⌈k/2⌉ and c the middle of the axis."""

    def formula(index: Index, _: Stream) -> Float64s:
        out, inside, *taps = index
        # a depthwise kernel has one input channel, which belongs to every output
        values = np.where((out == inside) | (shape[1] == 1), gain, 0.0)
        for tap, length in zip(taps, shape[2:]):
            values = values * (1.0 - np.abs(tap - (length - 1) / 2) / -(-length // 2))
        return values

    return _pattern("bilinear", shape, (0.0, gain), formula, gain=gain)


def gate_bias(shape: Shape, gates: int, gate: int, value: float) -> Pattern:
    """A bias of `gates` stacked gates: `value` for one of them, 0 for the others."""
    hidden = shape[0] // gates
    bounds = (min(0.0, value), max(0.0, value))
    return _pattern("gate_bias", shape, bounds, lambda index, _: value * (index[0] // hidden == gate), gates=gates, gate=gate, value=value)


def chrono(shape: Shape, longest: float) -> Pattern:
    """The bias of an LSTM's gates i, f, g, o: log U[1, T - 1] for f, the negative of the same for i, 0 for the others.

    U of unit j is the float64 uniform of word j; its logarithm is the stream's own, the same on every machine.
    """
    hidden = shape[0] // 4

    def formula(index: Index, stream: Stream) -> Float64s:
        gate, unit = np.divmod(index[0], hidden)
        at = unit.astype(np.uint64)
        draw = uniform64(join(stream.words_at(at), stream.second.words_at(at)))
        memory = log64(longest / 2 + (longest / 2 - 1) * draw)
        return np.where(gate == 1, memory, np.where(gate == 0, -memory, 0.0))

    reach = portable(math.log(longest - 1))
    return _pattern("chrono", shape, (-reach, reach), formula, t_max=longest)


def hippo_legs(shape: Shape, gain: float) -> Pattern:
    """-gain·(√(2n+1)·√(2k+1) below the diagonal, n + 1 on it, 0 above).

    Theorem 2 of Gu et al. 2020 has the matrix with a plus and the minus in dc/dt = -A·c/t; as its authors' code and state space
    models do, the minus is here in the matrix.
    """

    def formula(index: Index, _: Stream) -> Float64s:
        n, k = (axis.astype(np.float64) for axis in index)
        below = np.sqrt(2 * n + 1) * np.sqrt(2 * k + 1)
        return np.where(n > k, -gain * below, np.where(n == k, -gain * (n + 1), 0.0))

    return _pattern("hippo_legs", shape, (-gain * 2.0 * shape[0], 0.0), formula, gain=gain)


def _at_centre(taps: list[npt.NDArray[np.int64]], kernel: Shape) -> npt.NDArray[np.bool_] | bool:
    centre: npt.NDArray[np.bool_] | bool = True
    for tap, length in zip(taps, kernel):
        centre = centre & (tap == length // 2)
    return centre


def _pattern(name: str, shape: Shape, bounds: Bounds, formula: Formula, **parameters: float) -> Pattern:
    return Pattern(name, shape, bounds, formula, tuple(sorted(parameters.items())))
