"""What is known of each memory that a tensor has, while the code of a model runs on the meta device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from service.checkpoints.tracing.expressions import Constant, Expression, draws_alone, repeated

MAX_REAL = 1 << 20  # elements of a tensor that is computed too; larger ones, such as a table of embeddings, are drawn

Geometry = tuple[int, tuple[int, ...], tuple[int, ...]]  # offset, shape, strides


@dataclass
class Memory:
    """The memory of tensors. What is known of its values: an expression, or the values themselves, which `real` holds.

    `writes` are those to parts of it since it was last written as a whole.
    """

    storage: Any  # kept, so that no other memory gets its key
    expression: Expression | None = None
    whole: Geometry | None = None  # of the tensor that wrote the expression: a scheme takes its fans from that shape
    real: Any = None
    writes: list[tuple[Geometry, Expression | None]] = field(default_factory=list)


@dataclass(frozen=True)
class Value:
    """What is known of the values of a tensor."""

    expression: Expression | None = None
    real: Any = None


UNKNOWN = Value()


class Memories:
    """The memories by their storages."""

    def __init__(self) -> None:
        self._by_storage: dict[int, Memory] = {}

    def of(self, tensor: Any) -> Memory:
        """Return the memory of a tensor. That of one which nobody has written yet is new."""
        storage = tensor.untyped_storage()
        memory = self._by_storage.get(storage._cdata)
        if memory is None:
            memory = self._by_storage[storage._cdata] = Memory(storage)
            if tensor.device.type != "meta" and not tensor.is_quantized and tensor.layout is torch.strided:
                memory.real = _flat(tensor.detach())
        return memory

    def value(self, tensor: Any) -> Value:
        """Return what is known of a tensor."""
        memory = self.of(tensor)
        real = None if memory.real is None else memory.real.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())
        part = geometry(tensor)
        if part == memory.whole and not memory.writes:
            return Value(memory.expression, real)
        expression = self._of_part(memory, part)
        return Value(expression if _is_one_to_one(part) else repeated(expression), real)

    def _of_part(self, memory: Memory, part: Geometry) -> Expression | None:
        overlapping = [write for write in memory.writes if _may_overlap(write[0], part)]
        if not overlapping:
            return draws_alone(memory.expression)
        where, expression = overlapping[-1]
        return expression if where == part else None

    def write(self, tensor: Any, value: Value) -> None:
        """Give a tensor other values."""
        memory = self.of(tensor)
        real = value.real
        if real is None and isinstance(value.expression, Constant) and tensor.numel() <= MAX_REAL:
            real = torch.full(tensor.size(), value.expression.value, dtype=tensor.dtype, device="cpu")
        if covers(tensor):
            memory.expression, memory.whole, memory.writes = value.expression, geometry(tensor), []
            memory.real = None if real is None else _allocated(tensor)
        else:
            memory.writes.append((geometry(tensor), value.expression))
            if real is None:
                memory.real = None
        if memory.real is not None:
            memory.real.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset()).copy_(real)

    def begin(self, tensor: Any) -> None:
        """Note the memory of a tensor that is not initialized. Where nothing is written, it stays NaN."""
        memory = self.of(tensor)
        if covers(tensor) and tensor.numel() <= MAX_REAL and tensor.dtype.is_floating_point:
            memory.real = torch.full((_length(tensor),), torch.nan, dtype=tensor.dtype, device="cpu")


def covers(tensor: Any) -> bool:
    """Return whether the tensor is all of its memory, each element once."""
    return bool(tensor.numel() == _length(tensor)) and _is_one_to_one(geometry(tensor))


def geometry(tensor: Any) -> Geometry:
    """Return where in its memory a tensor is."""
    return tensor.storage_offset(), tuple(tensor.size()), tuple(tensor.stride())


def place_of(tensor: Any) -> tuple[int, Geometry]:
    """Return the memory of a tensor and where in it the tensor is. Tensors at the same place are the same."""
    return tensor.untyped_storage()._cdata, geometry(tensor)


def _is_one_to_one(part: Geometry) -> bool:
    """Return whether no two elements share a place, as those of an expanded tensor do."""
    reach = 0
    for stride, length in sorted(zip(part[2], part[1])):
        if length > 1 and stride <= reach:
            return False
        reach += (length - 1) * stride
    return True


def _may_overlap(one: Geometry, other: Geometry) -> bool:
    """Return whether two parts may have elements in common. False is certain."""
    if one[2] != other[2] or not (_is_one_to_one(one) and _is_one_to_one(other)):
        return all(start <= end for start, end in ((one[0], _end(other)), (other[0], _end(one))))
    remainders = [one[0], other[0]]
    for stride, length, other_length in sorted(zip(one[2], one[1], other[1]), reverse=True):
        first, second = (remainder // stride for remainder in remainders)
        if first + length <= second or second + other_length <= first:
            return False
        remainders = [remainder % stride for remainder in remainders]
    return True


def _end(part: Geometry) -> int:
    """Return the last place of a part."""
    return part[0] + sum((length - 1) * stride for length, stride in zip(part[1], part[2]))


def _length(tensor: Any) -> int:
    return int(tensor.untyped_storage().nbytes() // tensor.element_size())


def _allocated(tensor: Any) -> Any:
    return torch.empty(_length(tensor), dtype=tensor.dtype, device="cpu")


def _flat(tensor: Any) -> Any:
    return tensor.as_strided((_length(tensor),), (1,), 0)
