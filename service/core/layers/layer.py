"""The layer of a weight: its kind, and the meaning of the axes of its shape."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from service.core.errors import InvalidValue
from service.core.stream.view import Shape


class LayerKind(StrEnum):
    """The kinds of layer, distinguished by the meaning of their axes."""

    DENSE = "dense"  # [out, in]
    CONV = "conv"  # [out, in/groups, *kernel]
    CONV_TRANSPOSE = "conv_transpose"  # [in, out/groups, *kernel]
    DEPTHWISE = "depthwise"  # [channels·multiplier, 1, *kernel]; groups = channels
    EMBEDDING = "embedding"  # [entries, features]
    RECURRENT = "recurrent"  # [gates·hidden, in]; packed = gates


# kind -> the ranks that its weights can have; a bias (rank 0 or 1) can belong to any kind
_RANKS: dict[LayerKind, range] = {
    LayerKind.DENSE: range(2, 3),
    LayerKind.CONV: range(3, 17),
    LayerKind.CONV_TRANSPOSE: range(3, 17),
    LayerKind.DEPTHWISE: range(3, 17),
    LayerKind.EMBEDDING: range(2, 3),
    LayerKind.RECURRENT: range(2, 3),
}


class Layer(NamedTuple):
    """How to read the axes of a weight: the kind of its layer, its groups, and the matrices packed along its outputs.

    If `kind` is None, the rank tells a dense layer from a convolution. `packed` is 3 for queries, keys and values in one matrix, 4 for the
    gates of an LSTM, and 3 for those of a GRU.
    """

    kind: LayerKind | None = None
    groups: int | None = None
    packed: int = 1

    def check(self, shape: Shape) -> None:
        """Check that a canonical shape can be a weight of this layer. Raises InvalidValue."""
        _at_least_1("groups", self.groups)
        _at_least_1("packed", self.packed)
        if len(shape) < 2:
            return
        if self.kind is not None and len(shape) not in _RANKS[self.kind]:
            ranks = _RANKS[self.kind]
            rank = f"rank {ranks.start}" if len(ranks) == 1 else f"a rank of at least {ranks.start}"
            raise _shape_error(f"{rank} for {self.kind} weights", shape, "Correct the shape, or choose another layer.")
        if self.kind is LayerKind.DEPTHWISE and shape[1] != 1:
            raise _shape_error(
                "[channels·multiplier, 1, *kernel] for depthwise weights", shape, "Set layout if the shape is in Keras's layout."
            )
        if shape[0] % ((self.groups or 1) * self.packed):
            divisor = f"groups ({self.groups or 1}) times packed ({self.packed})"
            raise _shape_error(
                f"a first dimension (in torch's layout) divisible by {divisor}", shape, "Correct groups, packed or the shape."
            )


def _at_least_1(field: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise InvalidValue(field, expected="an integer of at least 1", received=value, action=f"Leave {field} out if there are none.")


def _shape_error(expected: str, shape: Shape, action: str) -> InvalidValue:
    return InvalidValue("shape", expected=expected, received=list(shape), action=action)
