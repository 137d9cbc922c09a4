"""Cuts that hold too few words: far in a tail, or narrow. Their draws have the distribution of a truncated normal."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_ndtr

from service.core.stream import engines
from service.core.stream.distributions import Distribution, Draw, truncated_mean, truncated_stddev
from service.core.stream.philox import Stream
from service.core.stream.quantiles import join
from service.core.stream.rare_cuts import rare_cut
from service.core.stream.view import View
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import TensorSpec, VirtualTensor

CUTS = [(5.0, 8.0), (-8.0, -5.0), (8.0, 9.0), (-9.0, -8.5), (5.0, math.inf), (-math.inf, -8.0), (20.0, 30.0), (36.0, 36.5), (-37.0, -36.0)]
NARROW = [(0.5, 0.50001), (-1e-5, 2e-5), (-1.00001, -0.99999), (0.99999, 1.00001), (5.0, 5.00001)]
N = 40_000
WORDS = Stream.of(20261127).words(0, N)
WORDS64 = join(WORDS, Stream.of(20261127).second.words(0, N))


def _quantile_of(z: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the share of the cut below z, from logarithms, because the masses themselves are as small as 1e-290."""
    if low > 0:
        return 1 - _quantile_of(-z, -high, -low)
    # Φ(z) - Φ(low) relative to Φ(high) - Φ(low)
    top = log_ndtr(high)
    below = np.exp(log_ndtr(low) - top) if math.isfinite(low) else 0.0
    return (np.exp(log_ndtr(z) - top) - below) / (1 - below)


@pytest.mark.parametrize(("low", "high"), CUTS)
def test_the_draws_have_the_distribution_of_the_cut(low: float, high: float) -> None:
    cut = rare_cut(low, high)
    assert cut is not None
    for draws in (cut.draw64(WORDS64), cut.draw32(WORDS).astype(np.float64)):
        quantiles = np.sort(_quantile_of(draws, low, high))
        # Kolmogorov's statistic exceeds 2.2/√n once in ten thousand
        assert np.abs(quantiles - (np.arange(N) + 0.5) / N).max() < 2.2 / math.sqrt(N)
        assert draws.mean() == pytest.approx(truncated_mean(low, high), abs=5 * truncated_stddev(low, high) / math.sqrt(N))
        assert draws.std() == pytest.approx(truncated_stddev(low, high), rel=0.05)


@pytest.mark.parametrize(("low", "high"), NARROW)
def test_the_draws_of_a_narrow_cut_are_nearly_uniform(low: float, high: float) -> None:
    cut = rare_cut(low, high)
    assert cut is not None
    quantiles = np.sort((cut.draw64(WORDS64) - low) / (high - low))
    assert np.abs(quantiles - (np.arange(N) + 0.5) / N).max() < 2.2 / math.sqrt(N)


@given(
    st.one_of(
        st.tuples(st.floats(4.5, 36), st.floats(1e-5, 9)).map(lambda row: (row[0], row[0] + row[1])),
        st.tuples(st.floats(-1.2, 1.2), st.floats(1e-6, 2e-5)).map(lambda row: (row[0], row[0] + row[1])),
    ),
    st.booleans(),
)
def test_the_draws_rise_with_the_word_and_never_leave_the_cut(bounds: tuple[float, float], mirror: bool) -> None:
    low, high = (-bounds[1], -bounds[0]) if mirror else bounds
    cut = rare_cut(low, high)
    if cut is None:
        return
    words = np.sort(np.concatenate([WORDS[:500], np.array([0, 2**32 - 1], np.uint32)]))
    double = cut.draw64(words.astype(np.uint64) << np.uint64(32) | np.uint64(1 << 31))
    single = cut.draw32(words)
    assert np.all(np.diff(double) >= -1e-14 * np.abs(double[1:]))
    assert low <= double.min()
    assert double.max() <= high
    assert np.float32(low) <= single.min()
    assert single.max() <= np.float32(high)
    # the float32 draw is that of the middle of its words, rounded
    assert np.all(np.abs(single - double) <= 1e-6 * np.maximum(1, np.abs(double)))


@pytest.mark.parametrize(("low", "high"), [(5.0, 8.0), (8.5, 9.0), (0.5, 0.50001)])
def test_a_cut_below_the_mean_mirrors_the_one_above(low: float, high: float) -> None:
    above, below = rare_cut(low, high), rare_cut(-high, -low)
    assert above is not None
    assert below is not None
    assert np.allclose(below.draw64(~WORDS64), -above.draw64(WORDS64), rtol=1e-14)


@pytest.mark.parametrize("cut", [(-2.0, 2.0), (4.0, 9.0), (-math.inf, 4.0)])
def test_other_cuts_are_not_rare(cut: tuple[float, float]) -> None:
    assert rare_cut(*cut) is None


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_engines_give_the_same_bytes(dtype: str) -> None:
    views = (View((64, 64), (64, 1)), View((64, 64), (1, 64)), View((3, 20), (640, 3), 7))
    for view in views:
        spec = TensorSpec(Distribution(Draw.TRUNCATED_NORMAL, 1.0, 0.1, (5.0, 8.0)), DTYPES[dtype], view, 7)
        engines.use_numpy()
        expected = VirtualTensor(spec).read().tobytes()
        engines.load_kernels()
        try:
            assert VirtualTensor(spec).read().tobytes() == expected
        finally:
            engines.use_numpy()


@pytest.mark.parametrize("cut", [*CUTS, *NARROW])
def test_no_draw_exceeds_the_stated_largest(cut: tuple[float, float]) -> None:
    made, distribution = rare_cut(*cut), Distribution(Draw.TRUNCATED_NORMAL, 0.0, 1.0, cut)
    assert made is not None
    ends32, ends64 = np.array([0, 2**32 - 1], np.uint32), np.array([0, 2**64 - 1], np.uint64)
    farthest = max(np.abs(made.draw64(ends64)).max(), np.abs(made.draw32(ends32)).max() * (1 - 1e-7))
    assert farthest <= distribution.largest <= 1.2 * farthest
