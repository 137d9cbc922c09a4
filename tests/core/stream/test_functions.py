"""exp, sin and cos of the stream, against those of NumPy."""

from __future__ import annotations

import numpy as np

from service.core.stream.functions import MAX_ANGLE, exp64, expm1_64, sin_and_cos64


def test_exp_matches_numpy() -> None:
    x = np.concatenate([np.linspace(-700, 700, 100_001), np.linspace(-1e-3, 1e-3, 1001)])
    assert np.max(np.abs(exp64(x) / np.exp(x) - 1)) < 1e-15


def test_expm1_matches_numpy() -> None:
    x = np.concatenate([np.geomspace(1e-300, 700, 100_001), [0.0, 0.5, np.nextafter(0.5, 0)]])
    assert np.max(np.abs(expm1_64(x) - np.expm1(x)) / np.maximum(np.expm1(x), 1e-300)) < 2e-15


def test_sin_and_cos_match_numpy() -> None:
    random = np.random.default_rng(7).uniform(-MAX_ANGLE, MAX_ANGLE, 100_000)
    x = np.concatenate([np.linspace(-10, 10, 100_001), random, np.array([-1.0, 1.0]) * MAX_ANGLE, np.arange(-8, 9) * np.pi / 4])
    sin, cos = sin_and_cos64(x)
    assert np.max(np.abs(sin - np.sin(x))) < 1e-15
    assert np.max(np.abs(cos - np.cos(x))) < 1e-15
