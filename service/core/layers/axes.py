"""Axes: what each axis of a weight is, one letter an axis, as in einsum.

    b   independent weights, stacked: experts, or the layers of a scan
    o   outputs
    i   inputs
    k   the kernel of a convolution

Several axes may have the same letter: the heads of an attention kernel [512, 8, 64], "ioo", are outputs on two axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from service.core.errors import InvalidValue
from service.core.layers.layer import INPUTS_FIRST, LayerKind
from service.core.stream.view import Shape, View

LETTERS = "boik"


def check_axes(axes: str, shape: Sequence[int]) -> None:
    """Check that `axes` has one letter for each axis of the shape. Raises InvalidValue."""
    if len(axes) != len(shape) or not set(axes) <= set(LETTERS):
        raise InvalidValue(
            "axes",
            expected=f"a letter for each of the {len(shape)} axes: b (stacked weights), o (outputs), i (inputs) or k (kernel)",
            received=axes,
            action="For example, oi for a dense layer, oikk for a convolution, boi for stacked dense layers.",
        )


def canonical_order(axes: str, kind: LayerKind | None = None) -> tuple[int, ...]:
    """Return the axes in canonical order: stacked, out, in, kernel; in before out for layers that store their inputs first.

    >>> canonical_order("kkio")
    (3, 2, 0, 1)
    >>> canonical_order("ioo")
    (1, 2, 0)
    """
    letters = "biok" if kind in INPUTS_FIRST else LETTERS
    return tuple(sorted(range(len(axes)), key=lambda axis: letters.index(axes[axis])))


def view_along(shape: Shape, axes: str, kind: LayerKind | None = None) -> View:
    """Return the view of an entire weight whose axes are in this order.

    >>> view_along((784, 256), "io")
    View(shape=(784, 256), strides=(1, 784), offset=0)
    """
    order = canonical_order(axes, kind)
    strides = [0] * len(shape)
    for place, axis in enumerate(order):
        strides[axis] = math.prod(shape[later] for later in order[place + 1 :])
    return View(shape, tuple(strides))
