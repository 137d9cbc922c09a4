"""The compiled engine: the same bits as numpy_engine.py, several times faster. Only this folder imports Numba.

compiling   compiles the kernels for a level of processors
cache       keeps the compiled kernels on disk
answers     checks that they give the known answers
words       computes the words of the stream
draws32     turns words into float32 values
draws64     turns words into float64 values
elements    fills arrays by rows, by columns, or element by element at given positions
rounding    rounds float32 to float16 and bfloat16
reflections applies Householder reflections
"""

from __future__ import annotations

import logging
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.core.stream import numpy_engine
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.kernels import reflections as compiled_reflections
from service.core.stream.kernels.answers import wrong_answers
from service.core.stream.kernels.cache import KernelCache, files_in, private_copy
from service.core.stream.kernels.compiling import LEVEL, compile_all, compile_anew, keep_in, number_compiled, runs_here
from service.core.stream.kernels.draws32 import NORMAL, TRUNCATED, UNIFORM
from service.core.stream.kernels.elements import at32, at64, columns32, columns64, row16, rows32, rows64
from service.core.stream.kernels.elements import positions as compute_positions
from service.core.stream.kernels.rounding import to_bfloat16, to_float16
from service.core.stream.numpy_engine import Floats, Positions
from service.core.stream.philox import Stream
from service.core.stream.quantiles import quantile_range
from service.core.stream.rare_cuts import rare_cut
from service.core.stream.reflections import Float64s, Reflections
from service.core.stream.view import View

_CHUNK = 1 << 16  # elements computed at once if they need an array of positions
_MIN_ROW_LENGTH = 32  # shorter rows are computed element by element
_FLOAT32 = np.dtype(np.float32)
_CODES = {Draw.UNIFORM: UNIFORM, Draw.NORMAL: NORMAL, Draw.TRUNCATED_NORMAL: TRUNCATED}

_log = logging.getLogger("weight_init")

name = "numba"


def fill(out: Floats, values: Distribution, stream: Stream, view: View, start: int) -> None:
    """Do the same as `numpy_engine.fill`, and let it compute rare cuts, which nobody needs many of.

    Rows along the canonical order, and groups of four rows across it, need no array of positions.
    """
    if _is_rare(values):
        numpy_engine.fill(out, values, stream, view, start)
        return
    if out.itemsize == 2:
        _fill_rounded(out, values, stream, view, start)
        return
    view, stop = view.merged, start + len(out)
    begin, end = _whole_rows(view, start, stop)
    if start < begin:
        _fill_some(out[: begin - start], values, stream, view, start)
    if begin < end:
        rows = out[begin - start : end - start].reshape(-1, view.shape[-1])
        fill_rows = _fill_rows if view.strides[-1] == 1 else _fill_columns
        fill_rows(rows, values, stream, view, begin // view.shape[-1])
    if end < stop:
        _fill_some(out[end - start :], values, stream, view, end)


def _fill_rounded(out: Floats, values: Distribution, stream: Stream, view: View, start: int) -> None:
    if _is_in_one_row(view.merged, start, start + len(out)):
        row16(out.view(np.uint16), out.dtype != np.float16, view.position(start), _ids(stream), *_draw(values, _FLOAT32))
        return
    drawn = np.empty(min(len(out), _CHUNK), _FLOAT32)
    for first in range(0, len(out), _CHUNK):
        part = out[first : first + _CHUNK]
        fill(drawn[: len(part)], values, stream, view, start + first)
        round_into(part, drawn[: len(part)])


def fill_at(out: Floats, values: Distribution, stream: Stream, positions: Positions) -> None:
    """Do the same as `numpy_engine.fill_at`."""
    if _is_rare(values):
        numpy_engine.fill_at(out, values, stream, positions)
        return
    fill_positions = at32 if out.itemsize == 4 else at64
    fill_positions(out, positions, _ids(stream), *_draw(values, out.dtype))


def round_into(out: npt.NDArray[Any], values: Floats) -> None:
    """Do the same as `numpy_engine.round_into`."""
    round_values = to_float16 if out.dtype == np.float16 else to_bfloat16
    round_values(values, out.view(np.uint16))


def make_block(vectors: Float64s, factors: Float64s, products: Float64s, signs: Float64s, normals: Float64s, skip: int) -> None:
    """Do the same as `reflections.make_block`."""
    compiled_reflections.make_block(vectors, factors, products, signs, normals, skip)


def reflect(columns: Float64s, reflections: Reflections) -> None:
    """Do the same as `reflections.reflect`."""
    compiled_reflections.reflect(columns, *reflections)


def draws_in_order(view: View) -> bool:
    """Do the same as `numpy_engine.draws_in_order`."""
    view = view.merged
    is_one_row = len(view.shape) == 1 or view.shape[-1] >= _MIN_ROW_LENGTH
    return (view.strides[-1] == 1 and is_one_row) or _is_transposed(view)


def load(folder: Path | None) -> None:
    """Load the kernels for this processor from a folder, or compile them and keep them there. Loading takes a second, compiling many.

    Raises WrongKernels if they do not give the known answers, even after they were compiled anew.
    """
    cache, start = KernelCache(folder, LEVEL) if folder else None, time.monotonic()
    files = cache.read() if cache else {}
    if not files:
        where = f"they are kept in {folder} for the next start" if folder else "set WEIGHT_INIT_KERNEL_CACHE to a folder to keep them"
        _log.info("compiling the kernels for %s; %s", LEVEL, where)
    with private_copy(files) as copy:
        if copy is not None:
            keep_in(copy)
        _compile_correctly()
        if cache and copy and number_compiled():
            cache.replace(files, files_in(copy))
    _log.log(logging.INFO if number_compiled() else logging.DEBUG, "kernels for %s ready after %.1f s", LEVEL, time.monotonic() - start)


class WrongKernels(Exception):
    """Compiled kernels that compute something else than the NumPy engine."""


def _compile_correctly() -> None:
    try:
        compile_all()
        _check_answers()
    except Exception as error:  # Numba unpickles what it loads, which can raise anything
        _log.warning("the compiled kernels cannot be used and are compiled anew: %s: %s", type(error).__name__, error)
        compile_anew()
        _check_answers()


def _check_answers() -> None:
    if not runs_here(LEVEL):  # they are for other machines
        return
    if wrong := wrong_answers(sys.modules[__name__]):
        raise WrongKernels(
            f"expected the answers of the NumPy engine; received others for {'; '.join(wrong)}. Use WEIGHT_INIT_ENGINE=numpy."
        )


def _is_rare(values: Distribution) -> bool:
    return values.cut is not None and rare_cut(*values.cut) is not None


def _whole_rows(view: View, start: int, stop: int) -> tuple[int, int]:
    """Return the range within [start, stop) of whole rows that can be filled without positions; (stop, stop) if there are none."""
    if _is_in_one_row(view, start, stop):
        return stop, stop
    length = view.shape[-1]
    first, last = -(-start // length), stop // length
    if _is_transposed(view):
        first += -(first + view.offset) % 4
        last = first + (last - first) // 4 * 4
    elif view.strides[-1] != 1 or length < _MIN_ROW_LENGTH:
        last = first
    return (first * length, last * length) if first < last else (stop, stop)


def _is_in_one_row(view: View, start: int, stop: int) -> bool:
    """Return whether the elements are consecutive in the canonical order and in one row. Then the first position is enough."""
    return view.strides[-1] == 1 and start // view.shape[-1] == (stop - 1) // view.shape[-1]


def _is_transposed(view: View) -> bool:
    """Return whether the view is a transposed matrix in which four rows hold the four words of a block in each column."""
    return len(view.shape) == 2 and view.strides[0] == 1 and view.strides[1] % 4 == 0 and view.strides[1] > 0


def _fill_some(out: Floats, values: Distribution, stream: Stream, view: View, start: int) -> None:
    """Fill any elements: part of one row in the canonical order at once, others each at its position."""
    if _is_in_one_row(view, start, start + len(out)):
        _fill_consecutive(out.reshape(1, -1), _positions_of(view, start, 1), values, stream)
        return
    for first in range(0, len(out), _CHUNK):
        part = out[first : first + _CHUNK]
        fill_at(part, values, stream, _positions_of(view, start + first, len(part)))


def _fill_rows(out: Floats, values: Distribution, stream: Stream, view: View, row: int) -> None:
    starts = View(view.shape[:-1], view.strides[:-1], view.offset)
    _fill_consecutive(out, _positions_of(starts, row, len(out)), values, stream)


def _fill_consecutive(out: Floats, positions: Positions, values: Distribution, stream: Stream) -> None:
    rows = rows32 if out.itemsize == 4 else rows64
    rows(out, positions, _ids(stream), *_draw(values, out.dtype))


def _fill_columns(out: Floats, values: Distribution, stream: Stream, view: View, row: int) -> None:
    columns = columns32 if out.itemsize == 4 else columns64
    columns(out, view.offset + row, view.strides[1], _ids(stream), *_draw(values, out.dtype))


def _positions_of(view: View, start: int, count: int) -> Positions:
    if count == 1:
        return np.array([view.position(start)], np.uint64)
    positions = np.empty(count, np.uint64)
    compute_positions(positions, start, np.array(view.shape or (1,), np.int64), np.array(view.strides or (1,), np.int64), view.offset)
    return positions


# Arguments are arrays, because Numba takes tens of microseconds to unpack a tuple.


def _ids(stream: Stream) -> npt.NDArray[np.uint64]:
    return np.array([stream.seed, stream.id, stream.second.id], np.uint64)


@lru_cache(maxsize=1024)
def _draw(values: Distribution, dtype: np.dtype[Any]) -> tuple[npt.NDArray[np.uint64], Floats]:
    cut = None if values.cut is None else quantile_range(*values.cut)
    first, count, low, high = (0, 0, -np.inf, np.inf) if cut is None else (cut.first, cut.count, cut.low, cut.high)
    return np.array([_CODES[values.draw], first, count], np.uint64), np.array([values.loc, values.scale, low, high], dtype)
