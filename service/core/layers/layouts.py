"""Layouts: the order in which a library stores the axes of a weight."""

from __future__ import annotations

import math

from service.core.errors import unknown_name
from service.core.layers.layer import LayerKind
from service.core.stream.view import Shape, View

CANONICAL_LAYOUT = "torch"
LAYOUTS: dict[str, str] = {"torch": "torch", "keras": "keras", "jax": "jax", "flax": "jax"}


def find_layout(name: str) -> str:
    """Return the layout with this name: torch ([out, in, *kernel]), keras or jax ([*kernel, in, out]). Raises UnknownName."""
    try:
        return LAYOUTS[name.casefold()]
    except KeyError:
        raise unknown_name("layout", name, LAYOUTS, kind="layout") from None


def canonical_shape(shape: Shape, layout: str, layer: LayerKind | None = None) -> Shape:
    """Convert a shape from `layout` to torch's layout, usually [out, in, *kernel].

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
    """Return the axes of `layout` in torch's order. Ranks 0 and 1 and embeddings have the same order in both."""
    if layout == CANONICAL_LAYOUT or rank < 2 or layer is LayerKind.EMBEDDING:
        return tuple(range(rank))
    if layer is LayerKind.CONV_TRANSPOSE and layout == "jax":
        return (rank - 2, rank - 1, *range(rank - 2))  # flax: [*kernel, in, out]; Keras: [*kernel, out, in]; torch: [in, out, *kernel]
    if layer is LayerKind.DEPTHWISE:
        return (rank - 2, rank - 1, *range(rank - 2))  # [*kernel, channels, multiplier]: the channel varies more slowly
    return (rank - 1, rank - 2, *range(rank - 2))


def _merges_channels(rank: int, layout: str, layer: LayerKind | None) -> bool:
    """Return whether channels and multiplier, two axes in Keras's layout, become one axis in torch's."""
    return layer is LayerKind.DEPTHWISE and layout != CANONICAL_LAYOUT and rank >= 2


def view_of(shape: Shape, layout: str = CANONICAL_LAYOUT, layer: LayerKind | None = None) -> View:
    """Return the view of an entire weight whose shape is given in `layout`.

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
