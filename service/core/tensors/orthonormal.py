"""Orthonormal columns, each computed alone as a product of reflections.

If the vectors x_k, of rows - k independent normals, are reduced to multiples of the first unit vector by reflections H_k, then the columns
H_0·H_1 … H_j e_j, with the signs of a QR decomposition whose R has a positive diagonal, are uniform over all such matrices (Stewart 1980,
"The efficient generation of random orthogonal matrices with an application to condition estimators", SIAM J. Numer. Anal. 17:403-409,
doi:10.1137/0717034, theorem 3.3). Column j needs the first j + 1 vectors and no other column. STREAM.md has the order of the operations.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt

from service.concurrency.ahead import computed_ahead, computing_threads
from service.concurrency.interruption import stop_if_unwatched
from service.core.stream import engines
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.philox import Stream
from service.core.stream.reflections import WIDTH, Float64s, Reflections
from service.core.stream.view import View

Floats = npt.NDArray[Any]

_PANEL = 48  # columns computed at once; more are not faster
_DRAWING_BYTES, _MOST_DRAWN = 96, 1 << 16  # of a normal, with NumPy, and how many are drawn at once, if they are several blocks
_WORTH_A_THREAD = 20_000_000  # operations, about a millisecond
_STANDARD_NORMAL = Distribution(Draw.NORMAL, 0.0, 1.0)


def fill_orthonormal_columns(out: Floats, columns: range, gain: float, stream: Stream, start: int) -> None:
    """Fill `out` [rows, len(columns)] with these columns of a matrix [rows, columns …], times gain. Raises Interrupted.

    Vector k is drawn from the words of the stream at start + k·rows + k and after it. Panels of columns are computed on several threads.
    """
    rows = len(out)
    reflections, signs = _draw_reflections(rows, columns[-1] + 1, stream, start)

    def fill_panel(first: int, stop: int) -> None:
        panel = columns[first:stop]
        out[:, first:stop] = _columns(rows, panel, reflections) * (signs[list(panel)] * gain)

    panels = [(first, min(first + _PANEL, len(columns))) for first in range(0, len(columns), _PANEL)]
    if computing_threads() == 1 or operations_of(rows, columns) < _WORTH_A_THREAD:
        for panel in panels:
            stop_if_unwatched()
            fill_panel(*panel)
        return
    with closing(computed_ahead(fill_panel, panels)) as filled:
        for _ in filled:
            stop_if_unwatched()


def operations_of(rows: int, columns: range) -> int:
    """Return the operations for these columns. Column j takes j + 1 reflections, and that of vector k takes four for each row from k on."""
    number, first, step = len(columns), columns.start, columns.step
    pairs = number * (number - 1) // 2
    sum_of_indices = number * first + step * pairs
    sum_of_squares = number * first**2 + 2 * first * step * pairs + step**2 * (pairs * (2 * number - 1) // 3)
    return 4 * (rows * (sum_of_indices + number) - (sum_of_squares + sum_of_indices) // 2)


def working_bytes(rows: int, columns: range) -> int:
    """Estimate the memory that these columns need beside the result: the vectors, a block's normals, and three arrays of each panel."""
    vectors = columns[-1] + WIDTH if columns else 0
    drawing = _DRAWING_BYTES * min(vectors * rows, max(WIDTH * rows, _MOST_DRAWN))
    return 8 * (rows + 1) * (vectors + 3 * min(len(columns), _PANEL * computing_threads())) + drawing


def _draw_reflections(rows: int, count: int, stream: Stream, start: int) -> tuple[Reflections, Float64s]:
    """Return the first `count` reflections, and the sign of each column."""
    blocks = -(-count // WIDTH)
    vectors, factors = np.zeros((blocks, rows + rows % 2, WIDTH)), np.zeros((blocks, WIDTH))
    products, signs = np.zeros((blocks, WIDTH, WIDTH)), np.empty(count)
    together = max(1, _MOST_DRAWN // (WIDTH * rows)) * WIDTH
    for begin in range(0, count, together):
        stop_if_unwatched()
        end = min(count, begin + together)
        normals = _normal_rows(end - begin, rows - begin, rows, stream, start + begin * rows + begin)
        for first in range(begin, end, WIDTH):
            last, block = min(end, first + WIDTH), first // WIDTH
            of_block = normals[first - begin : last - begin]
            parts = (vectors[block, first:], factors[block], products[block], signs[first:last])
            engines.current().make_block(*parts, of_block, first - begin)
    return Reflections(vectors, factors, products), signs


def _normal_rows(number: int, length: int, step: int, stream: Stream, start: int) -> Float64s:
    """Return rows of normals [number, length], `step` words apart."""
    values = np.empty(number * length)
    engines.current().fill(values, _STANDARD_NORMAL, stream, View((number, length), (step, 1), start), 0)
    return values.reshape(number, length)


def _columns(rows: int, panel: range, reflections: Reflections) -> Float64s:
    """Return the product of the reflections with these columns of the identity, [rows, len(panel)]."""
    columns = np.zeros((rows + rows % 2, len(panel)))
    columns[list(panel), np.arange(len(panel))] = 1.0
    blocks = panel[-1] // WIDTH + 1  # later vectors are zero in these rows
    engines.current().reflect(columns, Reflections(*(each[:blocks] for each in reflections)))
    return columns[:rows]
