"""The NumPy engine: the specification that runs. The kernels compute the same bits faster."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from service.core.stream.distributions import Distribution, Draw
from service.core.stream.philox import Stream, Words
from service.core.stream.quantiles import (
    Words64,
    join,
    normal32,
    normal64,
    quantile_range,
    truncated32,
    truncated64,
    uniform32,
    uniform64,
)
from service.core.stream.rare_cuts import rare_cut
from service.core.stream.reflections import make_block, reflect
from service.core.stream.view import View

Floats = npt.NDArray[Any]
Positions = npt.NDArray[np.uint64]

_CHUNK = 1 << 16  # elements computed at once, so that their arrays stay in the processor's cache

__all__ = ["draws_in_order", "fill", "fill_at", "make_block", "name", "reflect", "round_into"]

name = "numpy"


def fill(out: Floats, values: Distribution, stream: Stream, view: View, start: int) -> None:
    """Fill `out` with the elements of `view` from `start` on, in its C order.

    `out` has shape [n] and the precision of the draw; or 16 bits, to which the values in float32 are rounded.
    """
    draws_in = np.dtype(np.float32) if out.itemsize == 2 else out.dtype
    for first in range(0, len(out), _CHUNK):
        part = out[first : first + _CHUNK]
        begin, end = start + first, start + first + len(part)
        if view.is_contiguous:
            part[...] = _values(values, stream, slice(view.offset + begin, view.offset + end), draws_in)
        else:
            part[...] = _values(values, stream, view.positions(begin, end), draws_in)


def fill_at(out: Floats, values: Distribution, stream: Stream, positions: Positions) -> None:
    """Fill `out` with the elements at canonical positions. Both have shape [n]."""
    out[...] = _values(values, stream, positions, out.dtype)


def round_into(out: npt.NDArray[Any], values: npt.NDArray[np.float32]) -> None:
    """Round `values` to float16 or bfloat16 into `out`, to nearest even. Both have shape [n]."""
    out[...] = values


def draws_in_order(view: View) -> bool:
    """Return whether `fill` computes the elements of a view in the stream's order, which takes less time than one by one."""
    return view.is_contiguous


def _values(values: Distribution, stream: Stream, where: slice | Positions, dtype: np.dtype[Any]) -> Floats:
    loc, scale = dtype.type(values.loc), dtype.type(values.scale)
    words = _words(stream, where)
    if dtype.itemsize == 4:
        return loc + scale * _draw32(words, values)
    return loc + scale * _draw64(join(words, _words(stream.second, where)), values)


def _words(stream: Stream, where: slice | Positions) -> Words:
    return stream.words(where.start, where.stop) if isinstance(where, slice) else stream.words_at(where)


def _draw32(words: Words, values: Distribution) -> npt.NDArray[np.float32]:
    if values.cut is not None:
        rare = rare_cut(*values.cut)
        return rare.draw32(words) if rare else truncated32(words, quantile_range(*values.cut))
    return uniform32(words) if values.draw is Draw.UNIFORM else normal32(words)


def _draw64(words: Words64, values: Distribution) -> npt.NDArray[np.float64]:
    if values.cut is not None:
        rare = rare_cut(*values.cut)
        return rare.draw64(words) if rare else truncated64(words, quantile_range(*values.cut))
    return uniform64(words) if values.draw is Draw.UNIFORM else normal64(words)
