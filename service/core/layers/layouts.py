"""Layouts: names for the usual orders of the axes, as a library stores them."""

from __future__ import annotations

from service.core.errors import unknown_name
from service.core.layers.axes import view_along
from service.core.layers.layer import LayerKind
from service.core.stream.view import Shape, View

CANONICAL_LAYOUT = "torch"
LAYOUTS: dict[str, str] = {"torch": "torch", "keras": "keras", "jax": "jax", "flax": "jax"}

# layout -> kind of layer -> the axes before and after those of the kernel; None stands for all other kinds
_AXES: dict[str, dict[LayerKind | None, tuple[str, str]]] = {
    "torch": {None: ("oi", ""), LayerKind.CONV_TRANSPOSE: ("io", "")},
    # a depthwise kernel is [*kernel, channels, multiplier]: output c·multiplier + m reads channel c alone
    "keras": {None: ("", "io"), LayerKind.CONV_TRANSPOSE: ("", "oi"), LayerKind.DEPTHWISE: ("", "oo")},
    "jax": {None: ("", "io"), LayerKind.DEPTHWISE: ("", "oo")},
}


def find_layout(name: str) -> str:
    """Return the layout with this name: torch ([out, in, *kernel]), keras or jax ([*kernel, in, out]). Raises UnknownName."""
    try:
        return LAYOUTS[name.casefold()]
    except KeyError:
        raise unknown_name("layout", name, LAYOUTS, kind="layout") from None


def axes_of(layout: str, rank: int, kind: LayerKind | None = None) -> str:
    """Return what each axis of a weight is in this layout. A shape of rank 0 or 1 is a bias.

    >>> axes_of("torch", 4), axes_of("keras", 4), axes_of("keras", 1)
    ('oikk', 'kkio', 'o')
    """
    if rank < 2:
        return "o" * rank
    if kind is LayerKind.EMBEDDING:  # [entries, features] in every layout
        first, last = "io", ""
    else:
        first, last = _AXES[layout].get(kind, _AXES[layout][None])
    return f"{first}{'k' * (rank - 2)}{last}"


def vector_axes(rank: int) -> str:
    """Return what each axis of a bias is: outputs along the last axis, and independent biases along the others."""
    return "b" * (rank - 1) + "o" * min(rank, 1)


def view_of(shape: Shape, layout: str = CANONICAL_LAYOUT, kind: LayerKind | None = None) -> View:
    """Return the view of an entire weight whose shape is given in `layout`.

    >>> view_of((784, 256), "keras")
    View(shape=(784, 256), strides=(1, 784), offset=0)
    """
    return view_along(shape, axes_of(layout, len(shape), kind), kind)
