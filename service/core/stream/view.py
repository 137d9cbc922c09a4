"""Views: parts of a tensor, and where their elements stand in the canonical order."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from service.core.errors import InvalidValue

Shape = tuple[int, ...]

_INTEGER = re.compile(r"[+-]?\d{1,30}", re.ASCII)


@dataclass(frozen=True)
class View:
    """A strided part of a tensor: element (i, j, …) is number `offset + i·strides[0] + j·strides[1] + …` of the canonical order."""

    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @cached_property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements are consecutive in the canonical order."""
        return self.merged.strides == (1,)

    @cached_property
    def merged(self) -> View:
        """The same elements in the same order, on as few axes as possible, but at least one."""
        shape, strides = [1], [1]
        for length, stride in zip(self.shape, self.strides):
            if length == 1:
                continue
            if shape[-1] == 1:
                shape[-1], strides[-1] = length, stride
            elif strides[-1] == length * stride:
                shape[-1], strides[-1] = shape[-1] * length, stride
            else:
                shape.append(length)
                strides.append(stride)
        return View(tuple(shape), tuple(strides), self.offset)

    def position(self, element: int) -> int:
        """Return the canonical index of an element, given its index in C order of the view."""
        position = self.offset
        for length, stride in zip(reversed(self.shape), reversed(self.strides)):
            element, index = divmod(element, length)
            position += index * stride
        return position

    def positions(self, start: int, stop: int) -> npt.NDArray[np.uint64]:
        """Return the canonical indices of elements `start` to `stop`, in C order of the view."""
        flat = np.arange(start, stop, dtype=np.int64)
        positions = np.full(flat.shape, self.offset, np.int64)
        for length, stride in zip(reversed(self.shape), reversed(self.strides)):
            flat, index = np.divmod(flat, length)
            positions += index * stride
        return positions.astype(np.uint64)

    def slice(self, text: str) -> View:
        """Return the part that a NumPy basic slice selects: integers, start:stop:step and one `...`, separated by commas.

        As in NumPy, a slice is cut at the ends of its axis, and may be empty. An integer must be an index of its axis.

        >>> View((4, 6), (6, 1)).slice("1:3, ::2")
        View(shape=(2, 3), strides=(6, 2), offset=6)

        Raise InvalidValue if the slice cannot be parsed, or an integer in it is outside its axis.
        """
        items = self._items_per_axis(text)
        offset, shape, strides = self.offset, [], []
        for axis, (item, length, stride) in enumerate(zip(items, self.shape, self.strides)):
            index = self._indices(item, length, axis=axis, text=text)
            if isinstance(index, int):
                offset += index * stride
            else:
                offset += index.start * stride if index else 0
                shape.append(len(index))
                # A step beyond the axis selects one element. Its stride is never used, and may not fit into an integer of the kernels.
                strides.append(index.step * stride if len(index) > 1 else stride)
        return View(tuple(shape), tuple(strides), offset)

    def _items_per_axis(self, text: str) -> list[str]:
        items = [item.strip() for item in text.strip().strip("[]").split(",")]
        if items.count("...") == 1:
            axis = items.index("...")
            items[axis : axis + 1] = [":"] * (len(self.shape) - len(items) + 1)
        if len(items) > len(self.shape):
            raise self._invalid_slice(text, f"at most {len(self.shape)} indices")
        return items + [":"] * (len(self.shape) - len(items))

    def _indices(self, item: str, length: int, *, axis: int, text: str) -> int | range:
        parts = item.split(":")
        if len(parts) > 3 or not all(part.strip() == "" or _INTEGER.fullmatch(part.strip()) for part in parts) or item == "":
            raise self._invalid_slice(text, "integers and start:stop:step, such as '128:256, :'")
        numbers = [int(part) if part.strip() else None for part in parts]
        if len(numbers) == 1 and numbers[0] is not None:
            if not -length <= numbers[0] < length:
                raise self._invalid_slice(text, f"an index within axis {axis} of length {length}")
            return numbers[0] % length
        if len(numbers) == 3 and numbers[2] == 0:
            raise self._invalid_slice(text, "a step other than 0")
        return range(*slice(*(numbers if len(numbers) > 1 else (None,))).indices(length))

    def _invalid_slice(self, text: str, expected: str) -> InvalidValue:
        return InvalidValue(
            "slice",
            expected=f"{expected}, for the shape {list(self.shape)}",
            received=text,
            action="Use a basic slice as in NumPy.",
        )
