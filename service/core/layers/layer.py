"""The layer of a weight: its kind, its groups, and the matrices packed along its outputs."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class LayerKind(StrEnum):
    """The kinds of layer, distinguished by the meaning of their axes in torch's layout, which is the canonical one."""

    DENSE = "dense"  # [out, in]
    CONV = "conv"  # [out, in/groups, *kernel]
    CONV_TRANSPOSE = "conv_transpose"  # [in, out/groups, *kernel]
    DEPTHWISE = "depthwise"  # [channels·multiplier, 1, *kernel]; groups = channels
    EMBEDDING = "embedding"  # [entries, features]
    RECURRENT = "recurrent"  # [gates·hidden, in]; packed = gates


INPUTS_FIRST = frozenset((LayerKind.CONV_TRANSPOSE, LayerKind.EMBEDDING))  # an entry of an embedding is an input
CONVOLUTIONS = frozenset((LayerKind.CONV, LayerKind.CONV_TRANSPOSE, LayerKind.DEPTHWISE))


class Layer(NamedTuple):
    """How a layer reads the axes of its weight.

    If `kind` is None, the rank tells a dense layer from a convolution. `packed` is 3 for queries, keys and values in one matrix, 4 for the
    gates of an LSTM, and 3 for those of a GRU; or the outputs of each packed matrix, if they differ: (4096, 1024, 1024).
    """

    kind: LayerKind | None = None
    groups: int | None = None
    packed: int | tuple[int, ...] = 1
