"""Wholes: orthogonal and sparse matrices, computed all at once, shared between readers and kept in a bounded cache."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from service.concurrency.single_flight import SingleFlight
from service.core.stream import engines
from service.core.stream.distributions import FARTHEST_NORMAL_DRAW, Distribution, Draw
from service.core.stream.philox import Stream
from service.core.stream.view import Shape, View
from service.core.tensors.rules import Whole

Floats = npt.NDArray[Any]
Float64s = npt.NDArray[np.float64]

_OPERATIONS_PER_ELEMENT = 200  # to draw, sort and copy one element, measured relative to the time of a QR


def orthogonal(shape: Shape, gain: float) -> Whole:
    """Return gain times a matrix [out, in·K] with orthonormal rows or columns, whichever are fewer.

    It is Q of the QR decomposition of a normal matrix. Each column is multiplied by the sign of R's diagonal, so that the result is
    uniform over all such matrices (Mezzadri 2007, arXiv:math-ph/0609050, section 5). It is computed in float64, then rounded.
    """
    rows, columns = shape[0], math.prod(shape[1:])

    def compute(stream: Stream, dtype: np.dtype[Any]) -> Floats:
        return (gain * _orthonormal(stream, rows, columns)).astype(dtype)

    stddev = gain / math.sqrt(max(rows, columns))
    operations = _operations_of_qr(rows, columns)
    return Whole("orthogonal", shape, (-gain, gain), gain * 1.000001, stddev, False, compute, (("gain", gain),), operations=operations)


def delta_orthogonal(shape: Shape, gain: float) -> Whole:
    """Return a convolution [out, in, *kernel], in ≤ out: an orthogonal [out, in] at the centre tap (k - 1)//2, 0 elsewhere."""
    out, inside, *kernel = shape
    at_centre: tuple[slice | int, ...] = (slice(None), slice(None), *((length - 1) // 2 for length in kernel))

    def compute(stream: Stream, dtype: np.dtype[Any]) -> Floats:
        values = np.zeros(shape, dtype)
        values[at_centre] = gain * _orthonormal(stream, out, inside)
        return values

    stddev = gain / math.sqrt(out * math.prod(kernel))
    operations = _operations_of_qr(out, inside) + math.prod(shape)
    parameters = (("gain", gain),)
    return Whole("delta_orthogonal", shape, (-gain, gain), gain * 1.000001, stddev, False, compute, parameters, operations=operations)


def sparse(shape: Shape, sparsity: float, stddev: float) -> Whole:
    """Return N(0, stddev²) with ⌈sparsity·out⌉ zeros in each column, in the rows whose words of the second stream are smallest."""
    out, inside = shape
    zeros = math.ceil(sparsity * out)

    def compute(stream: Stream, dtype: np.dtype[Any]) -> Floats:
        values = _normal(stream, shape, dtype, stddev)
        order = np.argsort(stream.second.words(0, out * inside).reshape(shape), axis=0, kind="stable")
        np.put_along_axis(values, order[:zeros], dtype.type(0), axis=0)
        return values

    density = 1 - zeros / out
    parameters = (("sparsity", sparsity), ("stddev", stddev))
    operations = _OPERATIONS_PER_ELEMENT * math.prod(shape)
    largest, deviation = FARTHEST_NORMAL_DRAW * stddev, stddev * math.sqrt(density)
    return Whole("sparse", shape, None, largest, deviation, True, compute, parameters, operations=operations)


def _operations_of_qr(rows: int, columns: int) -> int:
    """Estimate the operations of a QR decomposition and of its elements.

    The QR uses Householder reflections (Golub & Van Loan, Matrix Computations, section 5.2).
    """
    longer, shorter = max(rows, columns), min(rows, columns)
    return 4 * longer * shorter**2 - 4 * shorter**3 // 3 + _OPERATIONS_PER_ELEMENT * longer * shorter


def _orthonormal(stream: Stream, rows: int, columns: int) -> Float64s:
    normal = _normal(stream, (rows, columns), np.dtype(np.float64), 1.0)
    q, r = np.linalg.qr(normal if rows >= columns else normal.T)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return q if rows >= columns else q.T


def _normal(stream: Stream, shape: Shape, dtype: np.dtype[Any], stddev: float) -> Floats:
    values = np.empty(math.prod(shape), dtype)
    engines.current().fill(values, Distribution(Draw.NORMAL, 0.0, stddev), stream, View((len(values),), (1,)), 0)
    return values.reshape(shape)


class SharedWholes:
    """A cache of at most `max_bytes` of the most recently used wholes. Threads that need the same whole at once compute it once."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[Any, ...], Floats] = OrderedDict()
        self._computing: SingleFlight[Floats] = SingleFlight()
        self._hits = self._misses = 0

    def get(self, whole: Whole, stream: Stream, dtype: np.dtype[Any]) -> Floats:
        """Return the whole tensor as a flat, read-only array."""
        key = (whole, stream, dtype.str)
        cached = self._cached(key)
        if cached is not None:
            return cached
        own: Future[Floats] = Future()
        future = self._computing.join(key, lambda: own)
        if future is own:
            self._compute(key, own, whole, stream, dtype)
        else:
            self._count(hit=True)
        return future.result()

    def lookups(self) -> tuple[int, int]:
        """Return the number of cache hits and misses. A whole in progress is a hit. Each block of a response looks its whole up once."""
        return self._hits, self._misses

    def _count(self, *, hit: bool) -> None:
        with self._lock:
            self._hits += hit
            self._misses += not hit

    def _cached(self, key: tuple[Any, ...]) -> Floats | None:
        with self._lock:
            values = self._cache.get(key)
            if values is not None:
                self._cache.move_to_end(key)
                self._hits += 1
            return values

    def _compute(self, key: tuple[Any, ...], result: Future[Floats], whole: Whole, stream: Stream, dtype: np.dtype[Any]) -> None:
        try:
            values = self._cached(key)  # another thread may have computed it since the first lookup
            if values is None:
                self._count(hit=False)
                values = whole.compute(stream, dtype).reshape(-1)
                values.flags.writeable = False
                self._store(key, values)
        except BaseException as error:
            result.set_exception(error)
        else:
            result.set_result(values)

    def _store(self, key: tuple[Any, ...], values: Floats) -> None:
        with self._lock:
            self._cache[key] = values
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Drop the least recently used wholes until the rest fits.

        The last one stays, however large, because its response reads it again with each block.
        """
        excess = sum(values.nbytes for values in self._cache.values()) - self._max_bytes
        for key, values in list(self._cache.items())[:-1]:
            if excess <= 0:
                return
            del self._cache[key]
            excess -= values.nbytes


WHOLES = SharedWholes(max_bytes=256 << 20)
