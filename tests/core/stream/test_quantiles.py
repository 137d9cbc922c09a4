"""Accuracy, symmetry and bounds of the draws."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from service.core.stream.philox import Stream
from service.core.stream.quantiles import (
    join,
    normal32,
    normal64,
    quantile_range,
    truncated32,
    truncated64,
    uniform32,
    uniform64,
)

LAST = 2**32 - 1
HALF = 2**31
TAIL = 2**23

words32 = st.integers(0, LAST)
cuts = st.tuples(st.floats(-6, 3), st.floats(0.1, 6)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def _words(*values: int) -> npt.NDArray[np.uint32]:
    return np.array(values, np.uint32)


def _exact(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """Return Φ⁻¹((word + ½)·2⁻³²), computed from the nearer end to keep all digits."""
    lower = np.minimum(words, ~words).astype(np.float64)
    z = ndtri((lower + 0.5) * 2.0**-32)
    return np.where(words < HALF, z, -z)


def _error(z: npt.NDArray[np.floating], exact: npt.NDArray[np.float64]) -> float:
    return float(np.max(np.abs(z - exact) / np.maximum(1, np.abs(exact))))


REGIONS = {
    "the outermost 2^16 words": np.arange(0, 1 << 16, dtype=np.uint32),
    "the tail": np.arange(0, TAIL, 37, dtype=np.uint32),
    "the boundary of tail and centre": np.arange(TAIL - 5000, TAIL + 5000, dtype=np.uint32),
    "the centre": np.arange(TAIL, HALF, 4099, dtype=np.uint32),
    "around the median": np.arange(HALF - 5000, HALF + 5000, dtype=np.uint32),
}


@pytest.mark.parametrize("region", REGIONS)
def test_float32_normal_is_the_inverse_cdf(region: str) -> None:
    words = REGIONS[region]
    for side in (words, ~words):
        assert _error(normal32(side), _exact(side)) <= 1e-6


def test_float64_normal_is_the_inverse_cdf() -> None:
    for words in REGIONS.values():
        wide = join(words, ~words)[words < HALF]  # the low words are arbitrary
        exact = ndtri((wide.astype(np.float64) + 0.5) * 2.0**-64)
        assert _error(normal64(wide), exact) <= 1e-14


# Φ⁻¹ at (W + ½)·2⁻⁶⁴, computed with 40 digits (mpmath, Newton's method on erfc).
FAR_QUANTILES = [
    (0, -9.15529377268607255),
    (1, -9.03591884857193797),
    (2**20, -7.42393974886340228),
    (2**40, -5.29470408485451495),
    (2**62, -0.674489750196081743),
    (2**63 - 1, -6.79422955242130596e-20),
]


@pytest.mark.parametrize(("word", "exact"), FAR_QUANTILES)
def test_float64_normal_is_accurate_in_the_far_tail(word: int, exact: float) -> None:
    z = float(normal64(np.array([word], np.uint64))[0])
    assert abs(z - exact) <= 1e-14 * max(1, abs(exact))


@given(st.lists(words32, min_size=1, max_size=50))
def test_draws_are_antisymmetric(values: list[int]) -> None:
    words = _words(*values)
    assert np.array_equal(normal32(~words), -normal32(words))
    assert np.array_equal(uniform32(~words), -uniform32(words))
    wide = join(words, words)
    assert np.array_equal(normal64(~wide), -normal64(wide))
    assert np.array_equal(uniform64(~wide), -uniform64(wide))


@given(words32, words32)
def test_the_float64_draw_is_the_float32_draw_with_more_digits(word: int, low: int) -> None:
    words, wide = _words(word), join(_words(word), _words(low))
    assert abs(uniform64(wide)[0] - uniform32(words)[0]) <= 2**-24
    z = normal64(wide)
    # plus the error of the float32 draw; doubled, because a word widens in z towards its outer end
    assert np.all(np.abs(z - normal32(words)) <= 2 * _half_a_word(z) + 1e-6 * np.maximum(1, np.abs(z)))


def _half_a_word(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the width in z of half a 32-bit word of the quantile: 2⁻³³/φ(z)."""
    return 2.0**-33 * np.sqrt(2 * np.pi) * np.exp(z * z / 2)


def test_the_uniform_draw_is_exact_and_stays_within_1() -> None:
    ends = uniform32(_words(0, LAST))
    assert ends.tolist() == [-(1 - 2.0**-24), 1 - 2.0**-24]
    wide = uniform64(np.array([0, 2**64 - 1], np.uint64))
    assert wide.tolist() == [-(1 - 2.0**-53), 1 - 2.0**-53]
    assert uniform32(_words(HALF)).tolist() == [2.0**-24]


def test_the_largest_normal_draws() -> None:
    assert normal32(_words(0, LAST)).tolist() == [-6.337958335876465, 6.337958335876465]
    assert normal64(np.array([0], np.uint64))[0] == pytest.approx(-9.155293765)


@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (-1.0, 1.0), (0.0, 3.0), (-0.5, 4.0), (1.0, 1.5), (-100.0, 100.0)])
def test_the_quantile_range_fits_the_cut(low: float, high: float) -> None:
    cut = quantile_range(low, high)
    assert cut.first == pytest.approx(ndtr(low) * 2**32, abs=1.5)
    assert cut.first + cut.count == pytest.approx(ndtr(high) * 2**32, abs=1.5)


def test_a_cut_beyond_all_draws_keeps_every_word() -> None:
    cut = quantile_range(-100.0, 100.0)
    assert (cut.first, cut.count) == (0, 2**32)
    words = Stream.of(7).words(0, 1000)
    assert np.array_equal(truncated32(words, cut), normal32(words))


@given(cut=cuts, word=words32, low=words32)
def test_truncated_draws_never_leave_the_cut(cut: tuple[float, float], word: int, low: int) -> None:
    bounds = quantile_range(*cut)
    if not bounds.holds_enough:
        return
    words = _words(0, word, LAST)
    single, double = truncated32(words, bounds), truncated64(join(words, _words(0, low, LAST)), bounds)
    assert np.all((single >= np.float32(cut[0])) & (single <= np.float32(cut[1])))
    assert np.all((double >= cut[0]) & (double <= cut[1]))
    assert np.all(np.diff(double) >= 0)
    # as above, but here the 32-bit word may also fall into its neighbour in the range
    assert np.all(np.abs(single - double) <= 3 * _half_a_word(double) + 1e-6 * np.maximum(1, np.abs(double)))


def test_recognizes_a_cut_that_holds_too_few_words() -> None:
    assert not quantile_range(5.0, 6.0).holds_enough
    assert quantile_range(4.0, 9.0).holds_enough
