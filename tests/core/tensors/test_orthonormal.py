"""Orthonormal columns: equal to those of LAPACK, for matrices of one panel and of several, and interruptible."""

from __future__ import annotations

import numpy as np
import pytest

from service.concurrency.interruption import Interrupted, Interruption
from service.core.tensors import orthonormal
from service.core.tensors.orthonormal import orthonormal_columns


@pytest.mark.parametrize("panel", [1, 3, 256])
@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (7, 7), (40, 13), (64, 64)])
def test_equals_lapack_with_a_positive_diagonal(shape: tuple[int, int], panel: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orthonormal, "PANEL", panel)
    matrix = np.random.default_rng(7).normal(size=shape)
    before = matrix.copy()
    q, r = np.linalg.qr(matrix)
    expected = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    # LAPACK's own error bound is a small multiple of ε·rows; 100 ε·rows leaves room for the other order of the sums
    assert np.abs(orthonormal_columns(matrix) - expected).max() < 100 * shape[0] * np.finfo(float).eps
    assert np.array_equal(matrix, before)


def test_stops_between_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orthonormal, "PANEL", 4)
    interruption = Interruption()
    steps: list[int] = []
    reflections = orthonormal._reflections

    def interrupted_at_the_second(panel: orthonormal.Float64s) -> tuple[orthonormal.Float64s, orthonormal.Float64s, orthonormal.Float64s]:
        steps.append(1)
        if len(steps) == 2:
            interruption.request()
        return reflections(panel)

    monkeypatch.setattr(orthonormal, "_reflections", interrupted_at_the_second)
    with pytest.raises(Interrupted):
        interruption.run(lambda: orthonormal_columns(np.eye(64)))
    assert len(steps) == 2
