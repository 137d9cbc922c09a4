"""Orthonormal columns: products of reflections, uniform, each computed alone with the same bytes, and interruptible."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.concurrency.ahead import computing_threads_limited_to
from service.concurrency.interruption import Interrupted, Interruption
from service.core.stream import engines, numpy_engine
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.philox import Stream
from service.core.stream.view import View
from service.core.tensors import orthonormal
from service.core.tensors.orthonormal import fill_orthonormal_columns, operations_of

Float64s = npt.NDArray[np.float64]

STREAM, START = Stream.of(7, "w"), 100


@pytest.fixture(autouse=True, params=["numpy", "numba"])
def _engine(request: pytest.FixtureRequest) -> Iterator[None]:
    engines.load_kernels() if request.param == "numba" else engines.use_numpy()
    yield
    engines.use_numpy()


def columns_of(rows: int, columns: range, *, stream: Stream = STREAM, gain: float = 1.0) -> Float64s:
    out = np.empty((rows, len(columns)))
    fill_orthonormal_columns(out, columns, gain, stream, START)
    return out


def normals(rows: int, number: int) -> Float64s:
    values = np.empty(rows * number)
    numpy_engine.fill(values, Distribution(Draw.NORMAL, 0.0, 1.0), STREAM, View((len(values),), (1,), START), 0)
    return values.reshape(number, rows)


@pytest.mark.parametrize(("rows", "number"), [(1, 1), (5, 1), (6, 6), (7, 7), (40, 13), (64, 64)])
def test_is_the_product_of_reflections_with_the_signs_of_r(rows: int, number: int) -> None:
    """Each reflection is the one that makes its vector a multiple of a unit vector, written as a matrix."""
    product, signs = np.eye(rows), []
    for k, x in enumerate(normals(rows, number)):
        x[:k] = 0
        to = np.zeros(rows)
        to[k] = -math.copysign(np.linalg.norm(x), x[k])
        v = (x - to) / np.linalg.norm(x - to)
        product = product @ (np.eye(rows) - 2 * np.outer(v, v))
        signs.append(np.sign(to[k]))
    # a product of k reflections has an error of at most a small multiple of k·ε·√rows
    assert np.abs(columns_of(rows, range(number)) - (product[:, :number] * signs)).max() < 100 * number * np.finfo(float).eps


@given(rows=st.integers(1, 120), data=st.data())
def test_any_columns_have_the_bytes_that_they_have_among_all(rows: int, data: st.DataObject) -> None:
    stop = data.draw(st.integers(1, rows))
    columns = range(data.draw(st.integers(0, stop - 1)), stop, data.draw(st.integers(1, 5)))
    assert columns_of(rows, columns).tobytes() == columns_of(rows, range(rows))[:, columns].tobytes()


@pytest.mark.parametrize("panel", [1, 5, 48])
@pytest.mark.parametrize("threads", [1, 3])
def test_neither_panels_nor_threads_change_a_byte(panel: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = columns_of(70, range(2, 63, 3))
    monkeypatch.setattr(orthonormal, "_PANEL", panel)
    monkeypatch.setattr(orthonormal, "_WORTH_A_THREAD", 0)
    with computing_threads_limited_to(threads):
        assert columns_of(70, range(2, 63, 3)).tobytes() == expected.tobytes()


def test_both_engines_give_the_same_bytes() -> None:
    for rows in (1, 2, 3, 64, 101):
        computed = columns_of(rows, range(rows))
        engines.use_numpy()
        assert columns_of(rows, range(rows)).tobytes() == computed.tobytes()


def test_is_uniform_over_all_orthogonal_matrices() -> None:
    """Then the sign of any row or column may change. So E[q_ii·q_jj] and E[q_ij·q_ji] are 0 unless i = j, and n squares of 1/n remain."""
    matrices = [columns_of(6, range(6), stream=Stream.of(seed)) for seed in range(2000)]
    squares = [float(np.trace(q)) ** 2 for q in matrices]
    # the trace is nearly normal, so its square has a standard deviation of √2, and the mean of 2000 a standard error of 0.032;
    # the trace of the square is a sum of as many terms of the same size
    assert np.mean(squares) == pytest.approx(1, abs=5 * math.sqrt(2 / 2000))
    assert np.mean([float(np.trace(q @ q)) for q in matrices]) == pytest.approx(1, abs=5 * math.sqrt(2 / 2000))
    determinants = [round(float(np.linalg.det(q))) for q in matrices]
    assert abs(sum(determinants)) < 5 * math.sqrt(2000)


def test_gain_is_a_factor() -> None:
    assert columns_of(6, range(3), gain=2.0).tobytes() == (2 * columns_of(6, range(3))).tobytes()


@pytest.mark.parametrize("columns", [range(0), range(7), range(5, 6), range(1, 20, 4)])
def test_the_operations_are_four_for_each_reflection_and_row(columns: range) -> None:
    assert operations_of(30, columns) == sum(4 * (30 - k) for j in columns for k in range(j + 1))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("function", ["_normal_rows", "_columns"])
def test_stops_if_nobody_waits(function: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    interruption, steps = Interruption(), list[int]()
    original = getattr(orthonormal, function)
    monkeypatch.setattr(orthonormal, "_PANEL", 2)
    monkeypatch.setattr(orthonormal, "_MOST_DRAWN", 2 * 4 * 64)
    monkeypatch.setattr(orthonormal, "_WORTH_A_THREAD", 0)

    def interrupted_at_the_second(*arguments: object) -> object:
        steps.append(1)
        if len(steps) == 2:
            interruption.request()
        return original(*arguments)

    monkeypatch.setattr(orthonormal, function, interrupted_at_the_second)
    with computing_threads_limited_to(threads), pytest.raises(Interrupted):
        interruption.run(lambda: columns_of(64, range(64)))
    assert 2 <= len(steps) < 20  # of 32 panels: two threads may be a few ahead
