"""A layout or a slice of a tensor: where each of its elements stands in the canonical order."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from service.core.errors import InvalidValue, unknown_name
from service.core.layers import LayerKind, Shape

CANONICAL_LAYOUT = "torch"
LAYOUTS: dict[str, str] = {"torch": "torch", "keras": "keras", "jax": "jax", "flax": "jax"}

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)


def find_layout(name: str) -> str:
    """`torch` ([out, in, *kernel]), or `keras` or `jax` ([*kernel, in, out]); flax is jax's. Raises UnknownName."""
    try:
        return LAYOUTS[name.casefold()]
    except KeyError:
        raise unknown_name("layout", name, LAYOUTS, kind="layout") from None


def canonical_shape(shape: Shape, layout: str, layer: LayerKind | None = None) -> Shape:
    """The shape in torch's layout, usually [out, in, *kernel], of a weight whose shape is given in `layout`.

    >>> canonical_shape((3, 3, 64, 128), "keras")
    (128, 64, 3, 3)
    >>> canonical_shape((3, 3, 64, 2), "keras", LayerKind.DEPTHWISE)
    (128, 1, 3, 3)
    """
    ordered = tuple(shape[axis] for axis in _canonical_axes(len(shape), layout, layer))
    if _merges_channels(len(shape), layout, layer):
        channels, multiplier, *kernel = ordered
        return (channels * multiplier, 1, *kernel)
    return ordered


def _canonical_axes(rank: int, layout: str, layer: LayerKind | None) -> tuple[int, ...]:
    """The axes of `layout` in the order in which they stand in torch's. Rank 0 and 1 and embeddings are the same in both."""
    if layout == CANONICAL_LAYOUT or rank < 2 or layer is LayerKind.EMBEDDING:
        return tuple(range(rank))
    if layer is LayerKind.CONV_TRANSPOSE and layout == "jax":
        return (rank - 2, rank - 1, *range(rank - 2))  # flax: [*kernel, in, out]; Keras: [*kernel, out, in]; torch: [in, out, *kernel]
    if layer is LayerKind.DEPTHWISE:
        return (rank - 2, rank - 1, *range(rank - 2))  # [*kernel, channels, multiplier]: the channel varies slower
    return (rank - 1, rank - 2, *range(rank - 2))


def _merges_channels(rank: int, layout: str, layer: LayerKind | None) -> bool:
    """Whether channels and multiplier, two axes in Keras's layout, are one axis in torch's."""
    return layer is LayerKind.DEPTHWISE and layout != CANONICAL_LAYOUT and rank >= 2


@dataclass(frozen=True)
class View:
    """Strided, as in NumPy: element (i, j, …) stands at `offset + i·strides[0] + j·strides[1] + …` of the canonical order."""

    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @cached_property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements follow each other in the canonical order."""
        return self.merged.strides == (1,)

    @cached_property
    def merged(self) -> View:
        """The same elements in the same order on as few axes as can be, at least one."""
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
        """The canonical index of one of its elements, counted in C order of the view."""
        position = self.offset
        for length, stride in zip(reversed(self.shape), reversed(self.strides)):
            element, index = divmod(element, length)
            position += index * stride
        return position

    def positions(self, start: int, stop: int) -> npt.NDArray[np.uint64]:
        """The canonical index of each of its elements `start` to `stop`, in C order of the view."""
        flat = np.arange(start, stop, dtype=np.int64)
        positions = np.full(flat.shape, self.offset, np.int64)
        for length, stride in zip(reversed(self.shape), reversed(self.strides)):
            flat, index = np.divmod(flat, length)
            positions += index * stride
        return positions.astype(np.uint64)

    def slice(self, text: str) -> View:
        """The part that NumPy basic slicing names: integers, start:stop:step and one `...`, with commas between.

        >>> View((4, 6), (6, 1)).slice("1:3, ::2")
        View(shape=(2, 3), strides=(6, 2), offset=6)

        Raises InvalidValue, with the shape, when it cannot be read, reaches outside or is empty.
        """
        items = self._items(text)
        offset, shape, strides = self.offset, [], []
        for axis, (item, length, stride) in enumerate(zip(items, self.shape, self.strides)):
            index = self._index(item, length, axis=axis, text=text)
            if isinstance(index, int):
                offset += index * stride
            else:
                offset += index.start * stride
                shape.append(len(index))
                strides.append(index.step * stride)
        return View(tuple(shape), tuple(strides), offset)

    def _items(self, text: str) -> list[str]:
        items = [item.strip() for item in text.strip().strip("[]").split(",")]
        if items.count("...") == 1:
            at = items.index("...")
            items[at : at + 1] = [":"] * (len(self.shape) - len(items) + 1)
        if len(items) > len(self.shape):
            raise self._unreadable(text, f"at most {len(self.shape)} indices")
        return items + [":"] * (len(self.shape) - len(items))

    def _index(self, item: str, length: int, *, axis: int, text: str) -> int | range:
        parts = item.split(":")
        if len(parts) > 3 or not all(part.strip() == "" or _INTEGER.fullmatch(part.strip()) for part in parts) or item == "":
            raise self._unreadable(text, "integers and start:stop:step, such as '128:256, :'")
        numbers = [int(part) if part.strip() else None for part in parts]
        inside = f"an index within the {length} of axis {axis}"
        if len(numbers) == 1 and numbers[0] is not None:
            if not -length <= numbers[0] < length:
                raise self._unreadable(text, inside)
            return numbers[0] % length
        start, stop, step = (*numbers, None, None)[:3]
        if any(bound is not None and not -length <= bound <= length for bound in (start, stop)):
            raise self._unreadable(text, inside)
        if step == 0:
            raise self._unreadable(text, "a step other than 0")
        chosen = range(*slice(start, stop, step).indices(length))
        if not chosen:
            raise self._unreadable(text, f"at least one index on axis {axis}")
        return chosen

    def _unreadable(self, text: str, expected: str) -> InvalidValue:
        return InvalidValue(
            "slice",
            expected=f"{expected}, for the shape {list(self.shape)}",
            received=text,
            action="Slices are NumPy's basic slicing, and must lie within the shape.",
        )


def view_of(shape: Shape, layout: str = CANONICAL_LAYOUT, layer: LayerKind | None = None) -> View:
    """The whole of a weight whose shape is given in `layout`.

    >>> view_of((784, 256), "keras")
    View(shape=(784, 256), strides=(1, 784), offset=0)
    """
    axes = _canonical_axes(len(shape), layout, layer)
    strides = [0] * len(shape)
    for axis, stride in zip(axes, _c_strides(tuple(shape[axis] for axis in axes))):
        strides[axis] = stride
    return View(shape, tuple(strides))


def _c_strides(shape: Shape) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
