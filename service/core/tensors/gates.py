"""Biases of recurrent layers: a formula of the gate that an element belongs to."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from service.core.stream.philox import Stream
from service.core.stream.portable import portable
from service.core.stream.quantiles import join, log64, uniform64
from service.core.stream.view import Shape
from service.core.tensors.patterns import pattern
from service.core.tensors.rules import Index, Pattern

Float64s = npt.NDArray[np.float64]


class Gates(NamedTuple):
    """How the gates of a recurrent layer lie along the last axis of a bias [stacked, biases·gates·hidden].

    `order` has a letter for each gate. A layer may have several biases, which it adds: one for its input and one for its state. `biases` of
    them lie one after the other along the last axis; if `is_pair`, the two lie one below the other. The scheme is for the first of them,
    and the others are 0.
    """

    order: str
    biases: int = 1
    is_pair: bool = False

    def facts(self, usual_order: str) -> dict[str, float | str]:
        """Return what is not as in a single bias in the usual order."""
        facts: dict[str, float | str] = {} if self.order == usual_order else {"order": self.order}
        return facts | ({"biases": self.biases} if self.biases > 1 else {}) | ({"pair": True} if self.is_pair else {})

    def split(self, index: Index, length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the gate of each element, and its unit, counted over all stacked biases. The gate is -1 in biases other than the first."""
        row, column = index
        hidden = length // (self.biases * len(self.order))
        gate, unit = np.divmod(column, hidden)
        is_first = gate < len(self.order)
        if self.is_pair:
            is_first, row = is_first & (row % 2 == 0), row // 2
        return np.where(is_first, gate, -1), row * hidden + unit


def gate_bias(shape: Shape, gates: Gates, opened: str, value: float) -> Pattern:
    """Return a bias [stacked, biases·gates·hidden]: `value` for one gate, 0 for the others."""
    gate = gates.order.index(opened)

    def formula(index: Index, _: Stream) -> Float64s:
        return value * (gates.split(index, shape[-1])[0] == gate)

    bounds = (min(0.0, value), max(0.0, value))
    facts = gates.facts(gates.order)
    return pattern("gate_bias", shape, bounds, formula, gates=len(gates.order), gate=gate, value=value, **facts)


def chrono(shape: Shape, gates: Gates, longest: float) -> Pattern:
    """Return the bias of an LSTM's gates: log U[1, T - 1] for f, its negative for i, 0 for the others.

    U of unit j is the float64 uniform of word j. The logarithm is the stream's own, so it is the same on every machine.
    """
    forget, into = gates.order.index("f"), gates.order.index("i")

    def formula(index: Index, stream: Stream) -> Float64s:
        gate, unit = gates.split(index, shape[-1])
        units = unit.astype(np.uint64)
        draw = uniform64(join(stream.words_at(units), stream.second.words_at(units)))
        memory = log64(longest / 2 + (longest / 2 - 1) * draw)
        return np.where(gate == forget, memory, np.where(gate == into, -memory, 0.0))

    limit = portable(math.log(longest - 1))
    return pattern("chrono", shape, (-limit, limit), formula, t_max=longest, **gates.facts("ifgo"))
