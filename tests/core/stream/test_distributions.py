"""Moments and bounds of distributions."""

from __future__ import annotations

import math

import pytest
from scipy.stats import truncnorm

from service.core.stream.distributions import Distribution, Draw, constant, truncated_mean, truncated_stddev, widened_stddev
from service.core.stream.portable import portable

CUTS = [(-1.0, 1.0), (-2.0, 2.0), (-3.0, 3.0), (-0.5, 3.0), (0.0, 100.0), (1.5, 2.5), (-100.0, 100.0)]


@pytest.mark.parametrize(("low", "high"), CUTS)
def test_truncated_moments_equal_those_of_scipy(low: float, high: float) -> None:
    exact = truncnorm(low, high)
    assert truncated_stddev(low, high) == pytest.approx(exact.std(), rel=2e-10)
    assert truncated_mean(low, high) == pytest.approx(exact.mean(), rel=2e-10, abs=1e-12)


@pytest.mark.parametrize(("cut", "stddev"), [(1, 0.5395600938), (2, 0.8796256610342398), (3, 0.9865783926)])
def test_truncated_stddev_equals_the_constants_of_keras_and_jax(cut: float, stddev: float) -> None:
    assert truncated_stddev(-cut, cut) == pytest.approx(stddev, rel=1e-9)


def test_a_narrow_cut_is_nearly_uniform() -> None:
    # the closed formula loses its digits here
    assert truncated_stddev(-1e-4, 1e-4) == pytest.approx(1e-4 / math.sqrt(3), rel=1e-8)


@pytest.mark.parametrize("stddev", [0.01, 0.3, 0.5, 0.57])
def test_a_widened_normal_has_the_stddev_after_the_cut(stddev: float) -> None:
    parent = widened_stddev(stddev, -1.0, 1.0)
    assert parent * truncated_stddev(-1 / parent, 1 / parent) == pytest.approx(stddev, rel=1e-8)


def test_portable_drops_the_digits_that_differ_between_machines() -> None:
    assert portable(0.1 + 1e-16) == portable(0.1) == 0.1
    assert portable(-1234567.8912345678) == -1234567.891


@pytest.mark.parametrize(
    ("values", "mean", "stddev", "bounds", "largest"),
    [
        (constant(-3.0), -3.0, 0.0, (-3.0, -3.0), 3.0),
        (Distribution(Draw.UNIFORM, 1.0, 3.0), 1.0, math.sqrt(3), (-2.0, 4.0), 4.0),
        (Distribution(Draw.NORMAL, 1.0, 2.0), 1.0, 2.0, None, 19.4),
        (Distribution(Draw.TRUNCATED_NORMAL, 0.0, 2.0, (-2.0, 2.0)), 0.0, 2 * 0.879625661, (-4.0, 4.0), 4.0),
    ],
)
def test_mean_stddev_bounds_and_largest_value(
    values: Distribution, mean: float, stddev: float, bounds: tuple[float, float] | None, largest: float
) -> None:
    assert values.mean == mean
    assert values.stddev == pytest.approx(stddev, rel=1e-12)
    assert values.bounds == bounds
    assert values.largest == pytest.approx(largest)
