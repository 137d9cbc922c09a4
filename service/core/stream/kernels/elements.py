"""Fills arrays with the elements of a tensor, compiled: by rows, by columns, or element by element at given positions.

Rows are computed in runs. A run ends where the high half of the block's counter could change, so that it is constant within a run.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint64

from service.core.stream.kernels.compiling import compiled, entry, inlined
from service.core.stream.kernels.draws32 import draw32, parameters_of, scratch_for
from service.core.stream.kernels.draws64 import draw64, scratch64_for
from service.core.stream.kernels.rounding import to_bfloat16, to_float16
from service.core.stream.kernels.words import BLOCKS, Key, words_at, words_of_blocks, words_of_columns

RUN = 4 * BLOCKS
COLUMNS = 2048  # of a run across four rows: each row is a run of its own

_STREAM_AND_DRAW_32 = "uint64[::1], uint64[::1], float32[::1]"  # the ids of the stream, the draw and its numbers
_STREAM_AND_DRAW_64 = "uint64[::1], uint64[::1], float64[::1]"


@inlined
def _first_key(stream):
    return Key(stream[0], stream[1])


@inlined
def _second_key(stream):
    return Key(stream[0], stream[2])


@inlined
def _end_of_run(start, stop):
    """Return the end of the run that contains `start`. All blocks of a run share the high half of their counter."""
    return min(stop, (start // RUN + 1) * RUN)


@compiled
def _draw_run32(out, start, pairs, scratch, key, parameters):
    """Fill `out` with the elements from `start` on, which are in one run."""
    block, stop = start // 4, start + out.shape[0]
    words_of_blocks(pairs, uint64(block), (stop + 3) // 4 - block, key)
    draw32(pairs.view(np.uint32)[start - 4 * block : stop - 4 * block], out, scratch, parameters)


@entry(f"void(float32[:, ::1], uint64[::1], {_STREAM_AND_DRAW_32})")
def rows32(out, positions, stream, draw, numbers):
    """Fill by rows: out[r, j] is the element at positions[r] + j."""
    key, parameters = _first_key(stream), parameters_of(draw, numbers)
    pairs, scratch = np.empty(2 * BLOCKS, np.uint64), scratch_for(RUN)
    for r in range(out.shape[0]):
        first, stop = int64(positions[r]), int64(positions[r]) + out.shape[1]
        start = first
        while start < stop:
            end = _end_of_run(start, stop)
            _draw_run32(out[r, start - first : end - first], start, pairs, scratch, key, parameters)
            start = end


@entry(f"void(uint16[::1], boolean, int64, {_STREAM_AND_DRAW_32})")
def row16(out, is_bfloat16, first, stream, draw, numbers):
    """Fill one row with values rounded to 16 bits: out[j] is the element at first + j. Each run is rounded while it is in the L1 cache."""
    key, parameters = _first_key(stream), parameters_of(draw, numbers)
    pairs, scratch, values = np.empty(2 * BLOCKS, np.uint64), scratch_for(RUN), np.empty(RUN, np.float32)
    start, stop = first, first + out.shape[0]
    while start < stop:
        end = _end_of_run(start, stop)
        run = values[: end - start]
        _draw_run32(run, start, pairs, scratch, key, parameters)
        if is_bfloat16:
            to_bfloat16(run, out[start - first : end - first])
        else:
            to_float16(run, out[start - first : end - first])
        start = end


@entry(f"void(float64[:, ::1], uint64[::1], {_STREAM_AND_DRAW_64})")
def rows64(out, positions, stream, draw, numbers):
    """Fill by rows, as rows32 does, in float64."""
    key, second, parameters = _first_key(stream), _second_key(stream), parameters_of(draw, numbers)
    high_pairs, low_pairs = np.empty(2 * BLOCKS, np.uint64), np.empty(2 * BLOCKS, np.uint64)
    high, low, scratch = high_pairs.view(np.uint32), low_pairs.view(np.uint32), scratch64_for(RUN)
    for r in range(out.shape[0]):
        first, stop = int64(positions[r]), int64(positions[r]) + out.shape[1]
        start = first
        while start < stop:
            end, block = _end_of_run(start, stop), start // 4
            count, skip = (end + 3) // 4 - block, start - 4 * block
            words_of_blocks(high_pairs, uint64(block), count, key)
            words_of_blocks(low_pairs, uint64(block), count, second)
            draw64(high[skip:], low[skip:], out[r, start - first : end - first], scratch, parameters)
            start = end


@entry(f"void(float32[:, ::1], int64, int64, {_STREAM_AND_DRAW_32})")
def columns32(out, position, step, stream, draw, numbers):
    """Fill by columns: out[r, j] is the element at position + r + j·step. Position, step and the number of rows are multiples of 4."""
    key, parameters = _first_key(stream), parameters_of(draw, numbers)
    words, scratch = np.empty((4, COLUMNS), np.uint32), scratch_for(COLUMNS)
    for r in range(0, out.shape[0], 4):
        for j in range(0, out.shape[1], COLUMNS):
            count = min(COLUMNS, out.shape[1] - j)
            words_of_columns(words, uint64(position + r + j * step), uint64(step), count, key)
            for lane in range(4):
                draw32(words[lane, :count], out[r + lane, j : j + count], scratch, parameters)


@entry(f"void(float64[:, ::1], int64, int64, {_STREAM_AND_DRAW_64})")
def columns64(out, position, step, stream, draw, numbers):
    """Fill by columns, as columns32 does, in float64."""
    key, second, parameters = _first_key(stream), _second_key(stream), parameters_of(draw, numbers)
    high, low, scratch = np.empty((4, BLOCKS), np.uint32), np.empty((4, BLOCKS), np.uint32), scratch64_for(BLOCKS)
    for r in range(0, out.shape[0], 4):
        for j in range(0, out.shape[1], BLOCKS):
            count = min(BLOCKS, out.shape[1] - j)
            first = uint64(position + r + j * step)
            words_of_columns(high, first, uint64(step), count, key)
            words_of_columns(low, first, uint64(step), count, second)
            for lane in range(4):
                draw64(high[lane], low[lane], out[r + lane, j : j + count], scratch, parameters)


@entry(f"void(float32[::1], uint64[::1], {_STREAM_AND_DRAW_32})")
def at32(out, positions, stream, draw, numbers):
    """Fill at positions: out[j] is the element at positions[j]."""
    key, parameters = _first_key(stream), parameters_of(draw, numbers)
    words, scratch = np.empty(RUN, np.uint32), scratch_for(RUN)
    for start in range(0, out.shape[0], RUN):
        stop = min(start + RUN, out.shape[0])
        words_at(words, positions[start:stop], key)
        draw32(words[: stop - start], out[start:stop], scratch, parameters)


@entry(f"void(float64[::1], uint64[::1], {_STREAM_AND_DRAW_64})")
def at64(out, positions, stream, draw, numbers):
    """Fill at positions, as at32 does, in float64."""
    key, second, parameters = _first_key(stream), _second_key(stream), parameters_of(draw, numbers)
    high, low, scratch = np.empty(RUN, np.uint32), np.empty(RUN, np.uint32), scratch64_for(RUN)
    for start in range(0, out.shape[0], RUN):
        stop = min(start + RUN, out.shape[0])
        words_at(high, positions[start:stop], key)
        words_at(low, positions[start:stop], second)
        draw64(high, low, out[start:stop], scratch, parameters)


@entry("void(uint64[::1], int64, int64[::1], int64[::1], int64)")
def positions(out, start, shape, strides, offset):
    """Compute the canonical positions of a strided view's elements from `start` on, in C order."""
    rank = shape.shape[0]
    index, position, rest = np.empty(rank, np.int64), offset, start
    for axis in range(rank - 1, -1, -1):
        index[axis] = rest % shape[axis]
        rest //= shape[axis]
        position += index[axis] * strides[axis]
    length, stride = shape[rank - 1], strides[rank - 1]
    done = 0
    while done < out.shape[0]:
        count = min(length - index[rank - 1], out.shape[0] - done)
        for j in range(count):
            out[done + j] = uint64(position + j * stride)
        done += count
        position += count * stride
        index[rank - 1] += count
        axis = rank - 1
        while axis > 0 and index[axis] == shape[axis]:
            position += strides[axis - 1] - shape[axis] * strides[axis]
            index[axis] = 0
            index[axis - 1] += 1
            axis -= 1
