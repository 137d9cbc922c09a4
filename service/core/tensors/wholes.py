"""Wholes: orthogonal and sparse matrices, computed at once, shared between readers and kept in a bounded cache."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from service.concurrency.interruption import Interrupted, stop_if_unwatched
from service.concurrency.memory import spare_memory_bytes
from service.concurrency.single_flight import SingleFlight
from service.core.errors import Busy
from service.core.stream import engines
from service.core.stream.distributions import FARTHEST_NORMAL_DRAW, Distribution, Draw
from service.core.stream.philox import Stream
from service.core.stream.view import Shape, View
from service.core.tensors.orthonormal import fill_orthonormal_columns, operations_of, working_bytes
from service.core.tensors.rules import Compute, Lines, Whole, Work

Floats = npt.NDArray[Any]

_FLOAT64 = np.dtype(np.float64)
_BLOCK = 1 << 18  # elements computed at once
_BLOCK_BYTES = 64 * _BLOCK  # at most, to draw and to sort them


def orthogonal(shape: Shape, gain: float) -> Whole:
    """Return gain times a matrix [out, in·K] with orthonormal rows or columns, whichever are fewer, uniform over all such matrices.

    It is computed in float64, then rounded (orthonormal.py). Unless it is square, it is the transpose of the matrix [in·K, out].
    """
    rows, columns = shape[0], math.prod(shape[1:])
    lines = _orthonormal_lines(rows, columns, gain)
    return Whole(
        "orthogonal",
        shape,
        (-gain, gain),
        gain * 1.000001,
        gain / math.sqrt(max(rows, columns, 1)),
        _all_of(lines),
        (("gain", gain),),
        work=lines.work(range(lines.number)),
        working_bytes=lines.working_bytes(range(lines.number)),
        lines=lines,
    )


def delta_orthogonal(shape: Shape, gain: float) -> Whole:
    """Return a convolution [out, in, *kernel], in ≤ out: an orthogonal [out, in] at the centre tap (k - 1)//2, 0 elsewhere."""
    out, inside, *kernel = shape
    at_centre: tuple[slice | int, ...] = (slice(None), slice(None), *((length - 1) // 2 for length in kernel))
    matrix = orthogonal((out, inside), gain)

    def compute(stream: Stream, dtype: np.dtype[Any], start: int) -> Floats:
        values = np.zeros(shape, dtype)
        values[at_centre] = matrix.compute(stream, dtype, start)
        return values

    return Whole(
        "delta_orthogonal",
        shape,
        (-gain, gain),
        matrix.largest,
        gain / math.sqrt(max(1, out * math.prod(kernel))),
        compute,
        matrix.parameters,
        work=matrix.work,
        working_bytes=matrix.peak_bytes(_FLOAT64.itemsize),
    )


def sparse(shape: Shape, sparsity: float, stddev: float) -> Whole:
    """Return N(0, stddev²) with ⌈sparsity·out⌉ zeros in each column, in the rows whose words of the second stream are smallest."""
    out, inside = shape
    zeros = math.ceil(sparsity * out)

    def compute(columns: range, stream: Stream, dtype: np.dtype[Any], start: int) -> Floats:
        view = View((out, len(columns)), (inside, columns.step), start + columns.start)
        values = np.empty(view.size, dtype)
        engines.current().fill(values, Distribution(Draw.NORMAL, 0.0, stddev), stream, view, 0)
        values = values.reshape(view.shape)
        words = _words(stream.second, view)
        width = max(1, _BLOCK // max(1, out))  # columns whose order is in memory at once
        for first in range(0, len(columns), width):
            stop_if_unwatched()
            order = np.argsort(words[:, first : first + width], axis=0, kind="stable")
            np.put_along_axis(values[:, first : first + width], order[:zeros], dtype.type(0), axis=0)
        return values

    lines = Lines(
        are_rows=False,
        number=inside,
        length=out,
        compute=compute,
        work=lambda columns: Work(starts=1, sorts=out * len(columns)),
        working_bytes=lambda columns: 4 * out * len(columns) + _BLOCK_BYTES,
    )
    return Whole(
        "sparse",
        shape,
        None,
        FARTHEST_NORMAL_DRAW * stddev,
        stddev * math.sqrt(1 - zeros / max(1, out)),
        _all_of(lines),
        (("sparsity", sparsity), ("stddev", stddev)),
        work=lines.work(range(inside)),
        working_bytes=lines.working_bytes(range(inside)),
        lines=lines,
    )


def _all_of(lines: Lines) -> Compute:
    return lambda stream, dtype, start: lines.compute(range(lines.number), stream, dtype, start)


def _orthonormal_lines(rows: int, columns: int, gain: float) -> Lines:
    """Return the lines of an orthogonal matrix: its rows if they are no more than the columns, else its columns."""
    are_rows = rows <= columns
    number, length = (rows, columns) if are_rows else (columns, rows)

    def compute(lines: range, stream: Stream, dtype: np.dtype[Any], start: int) -> Floats:
        values = np.empty((len(lines), length) if are_rows else (length, len(lines)), dtype)
        if values.size:
            fill_orthonormal_columns(values.T if are_rows else values, lines, gain, stream, start)
        return values

    def work(lines: range) -> Work:
        vectors = lines[-1] + 1 if lines else 0
        return Work(starts=1 + vectors // 16, draws=length * vectors, operations=operations_of(length, lines))

    return Lines(are_rows, number, length, compute, work, partial(working_bytes, length))


def _words(stream: Stream, view: View) -> npt.NDArray[np.uint32]:
    """Return the word of each element of a view. Blocks of them are computed, which takes several times the memory of the words."""
    words = np.empty(view.size, np.uint32)
    block = _BLOCK if view.is_contiguous else _BLOCK // 4  # positions take more memory
    for first in range(0, len(words), block):
        stop = min(len(words), first + block)
        if view.is_contiguous:
            words[first:stop] = stream.words(view.offset + first, view.offset + stop)
        else:
            words[first:stop] = stream.words_at(view.positions(first, stop))
    return words.reshape(view.shape)


class SharedWholes:
    """A cache of the most recently used wholes. Threads that need the same whole at once compute it once.

    A reader holds its whole until it has read everything, so that it is never computed again for the same reader. Cached wholes take at
    most `max_cached_bytes`, and all that are cached, held by readers or being computed `max_bytes`.
    """

    def __init__(self, max_cached_bytes: int, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._max_cached_bytes = max_cached_bytes
        self._computing_bytes = 0
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[Any, ...], Floats] = OrderedDict()
        self._held: WeakValueDictionary[tuple[Any, ...], Floats] = WeakValueDictionary()  # those in the cache or with a reader
        self._computing: SingleFlight[Floats] = SingleFlight()
        self._hits = self._misses = 0

    def get(self, whole: Whole, stream: Stream, dtype: np.dtype[Any]) -> Floats:
        """Return the whole tensor as a flat, read-only array. Raise Busy if others take too much memory. Raises Interrupted."""
        key = (whole, stream, dtype.str)
        while (values := self._cached(key)) is None:
            own: Future[Floats] = Future()
            future = self._computing.join(key, lambda own=own: own)  # type: ignore[misc]
            if future is own:
                self._compute(key, own, whole, stream, dtype)
            else:
                self._count(hit=True)
            try:
                return future.result()
            except Interrupted:  # the reader who began it has left; this one goes on, unless it has left too
                stop_if_unwatched()
        return values

    def lookups(self) -> tuple[int, int]:
        """Return the number of cache hits and misses. A whole in progress is a hit. Each reader looks its whole up once."""
        return self._hits, self._misses

    def _count(self, *, hit: bool) -> None:
        with self._lock:
            self._hits += hit
            self._misses += not hit

    def _cached(self, key: tuple[Any, ...]) -> Floats | None:
        with self._lock:
            values = self._held.get(key)
            if values is not None:
                self._keep(key, values)
                self._hits += 1
            return values

    def _compute(self, key: tuple[Any, ...], result: Future[Floats], whole: Whole, stream: Stream, dtype: np.dtype[Any]) -> None:
        try:
            values = self._cached(key)  # another thread may have computed it since the first lookup
            if values is None:
                self._count(hit=False)
                with self._room_for(whole.peak_bytes(dtype.itemsize)):
                    values = whole.compute(stream, dtype, 0).reshape(-1)
                values.flags.writeable = False
                with self._lock:
                    self._keep(key, values)
        except BaseException as error:
            result.set_exception(error)
        else:
            result.set_result(values)

    def _keep(self, key: tuple[Any, ...], values: Floats) -> None:
        """Put a whole into the cache as the most recently used one."""
        self._held[key] = self._cache[key] = values
        self._cache.move_to_end(key)
        # The last one stays, however large, because a download in ranges asks for it again.
        while len(self._cache) > 1 and sum(cached.nbytes for cached in self._cache.values()) > self._max_cached_bytes:
            self._cache.popitem(last=False)

    @contextmanager
    def _room_for(self, nbytes: int) -> Iterator[None]:
        """Drop cached wholes until there is room to compute another. Raise Busy if there is not, unless it is the only one."""
        with self._lock:
            while self._used_bytes() + nbytes > self.max_bytes and self._cache:
                self._cache.popitem(last=False)
            used_bytes = self._used_bytes()
            if used_bytes and used_bytes + nbytes > self.max_bytes:
                raise Busy(
                    f"wholes: expected at most {self.max_bytes} bytes of orthogonal and sparse tensors at once; received a request for"
                    f" {nbytes}, beside {used_bytes} in use. Try again when other responses have ended."
                )
            self._computing_bytes += nbytes
        try:
            yield
        finally:
            with self._lock:
                self._computing_bytes -= nbytes

    def _used_bytes(self) -> int:
        return self._computing_bytes + sum(values.nbytes for values in self._held.values())


_SHARE_BYTES = spare_memory_bytes() // 2
WHOLES = SharedWholes(max_cached_bytes=min(256 << 20, _SHARE_BYTES // 2), max_bytes=min(2 << 30, _SHARE_BYTES))
