"""Reports of distributions: truncation far in a tail."""

from __future__ import annotations

import pytest
from scipy.stats import truncnorm

from tests.reports.report import Report, check, stddev

TAIL = "the mean and the standard deviation of a truncated normal, from scipy.stats.truncnorm"

REPORTS = [
    Report(
        "a normal cut to 5σ … 8σ is not uniform: it is densest at 5σ",
        {"shape": [200, 500], "scheme": "truncated_normal", "low_stddevs": 5, "high_stddevs": 8},
        lambda result: result.values.mean(), truncnorm(5, 8).mean(), TAIL, 5 * 0.18 / 100_000**0.5,
    ),
    Report(
        "its standard deviation is stated",
        {"shape": [20, 50], "scheme": "truncated_normal", "low_stddevs": 5, "high_stddevs": 8},
        stddev, truncnorm(5, 8).std(), TAIL, 1e-8,
    ),
    Report(
        "bounds given as values, as trunc_normal_(std=.02, a=.1, b=.2) does",
        {"shape": [200, 500], "scheme": "torch.nn.init.trunc_normal_", "stddev": 0.02, "low": 0.1, "high": 0.2},
        lambda result: result.values.mean(), 0.02 * truncnorm(5, 10).mean(), TAIL, 5 * 0.02 * 0.18 / 100_000**0.5,
    ),
    Report(
        "the values reach ±9σ in float64",
        {"shape": [200, 500], "scheme": "truncated_normal", "low_stddevs": -9, "high_stddevs": -8.5},
        lambda result: result.values.mean(), -8.608643997, TAIL, 5 * 0.1 / 100_000**0.5,
    ),
    Report(
        "and none lies outside the bounds in any dtype",
        {"shape": [100, 100], "scheme": "truncated_normal", "low_stddevs": 5, "high_stddevs": 5.5, "dtype": "bfloat16"},
        lambda result: result.values.min() >= result.metadata["bounds"][0] and result.values.max() <= result.metadata["bounds"][1],
        True, "the definition",
    ),
]  # fmt: skip


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.need)
def test_the_service_gives_the_right_answer(report: Report) -> None:
    check(report)
