"""The comparison itself: it fails if two samples differ."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.comparing import (
    FALSE_ALARM,
    IN_TORCH,
    assert_indistinguishable,
    described,
    named,
    p_value_of_same_distribution,
    sample,
)

NORMAL = ("normal", {"stddev": 0.02})
DIFFERENT: list[tuple[str, dict[str, Any]]] = [
    ("normal", {"stddev": 0.0215}),
    ("normal", {"mean": 0.001, "stddev": 0.02}),
    ("truncated_normal", {"stddev": 0.02, "corrected": True}),
    ("uniform", {"low": -0.0346, "high": 0.0346}),
    ("constant", {"value": 0.0}),
]


@pytest.mark.parametrize(("scheme", "parameters"), DIFFERENT, ids=described)
def test_tells_two_distributions_apart(scheme: str, parameters: dict[str, Any]) -> None:
    weight = named(IN_TORCH, "conv 2-D")
    samples = sample(weight, *NORMAL), sample(weight, scheme, parameters)
    assert p_value_of_same_distribution(*samples) < FALSE_ALARM
    with pytest.raises(AssertionError):
        assert_indistinguishable(*samples)
