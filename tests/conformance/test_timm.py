"""timm.layers.weight_init: functions on torch tensors, with torch's fans."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.comparing import (
    IN_TORCH,
    Weight,
    assert_indistinguishable,
    described,
    every_weight_in_torch,
    named,
    resolve,
    sample,
    sample_of,
)
from tests.conformance.libraries import MISSING, timm_weight_init

torch = pytest.importorskip("torch", reason=f"torch is {MISSING}")
timm = timm_weight_init()

Parameters = dict[str, Any]

# name, the service's parameters, timm's parameters
DRAWN: list[tuple[str, Parameters, Parameters]] = [
    ("trunc_normal_", {}, {}),  # absolute bounds
    ("trunc_normal_", {"stddev": 0.02}, {"std": 0.02}),
    ("trunc_normal_tf_", {}, {}),  # bounds in standard deviations
    ("trunc_normal_tf_", {"stddev": 0.02}, {"std": 0.02}),
    (
        "trunc_normal_tf_",
        {"mean": 0.1, "stddev": 0.02, "low_stddevs": -1.0, "high_stddevs": 3.0},
        {"mean": 0.1, "std": 0.02, "a": -1.0, "b": 3.0},
    ),
    ("lecun_normal_", {}, {}),
    ("variance_scaling_", {}, {}),
    *(
        ("variance_scaling_", given, given)
        for mode in ("fan_in", "fan_out", "fan_avg")
        for distribution in ("normal", "truncated_normal", "uniform")
        for given in ({"scale": 1.5, "mode": mode, "distribution": distribution},)
    ),
]
every_scheme = pytest.mark.parametrize(("name", "parameters", "theirs"), DRAWN, ids=described)


def initialized(weight: Weight, name: str, parameters: Parameters, *, dtype: str = "float32", seed: int = 0) -> Any:
    tensor = torch.empty(weight.shape, dtype=getattr(torch, dtype))
    with torch.random.fork_rng(devices=[]):  # timm's functions take no generator
        torch.manual_seed(seed)
        getattr(timm, name)(tensor, **parameters)
    return tensor.double()


@every_weight_in_torch
@every_scheme
def test_values_have_the_same_distribution_as_in_timm(weight: Weight, name: str, parameters: Parameters, theirs: Parameters) -> None:
    values = sample_of(weight, lambda seed: initialized(weight, name, theirs, seed=seed))
    assert_indistinguishable(sample(weight, f"timm.layers.{name}", parameters), values)
    # the standard deviation must agree within 5.5 standard errors, each at most σ/√(2N) for tails as light as these
    exact = resolve(weight, f"timm.layers.{name}", parameters).distribution.stddev
    assert values.std() == pytest.approx(exact, rel=5.5 / (2 * values.size) ** 0.5)


@every_scheme
def test_values_have_the_same_distribution_in_float64(name: str, parameters: Parameters, theirs: Parameters) -> None:
    weight = named(IN_TORCH, "conv 2-D")
    assert_indistinguishable(
        sample(weight, f"timm.layers.{name}", parameters, dtype="float64"),
        sample_of(weight, lambda seed: initialized(weight, name, theirs, dtype="float64", seed=seed)),
    )
