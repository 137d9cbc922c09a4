"""Recommendations, and the warnings that go with poor choices."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from service.core.activations import ACTIVATIONS
from service.core.assess import warnings_for
from service.core.dtypes import DTYPES
from service.core.fans import fans_of
from service.core.initializer import activate, initialize, recommended
from service.core.recommend import alternatives_for, recommendation_for
from service.core.schemes import find_scheme
from service.core.tensor import TensorSpec, VirtualTensor
from service.core.views import view_of

WIDE = (256, 784)
SQUARE = (256, 256)

RECOMMENDED = {
    "linear": "lecun_normal",
    "relu": "he_normal",
    "leaky_relu": "he_normal",
    "prelu": "he_normal",
    "elu": "he_normal",
    "selu": "lecun_normal",
    "gelu": "he_normal",
    "silu": "he_normal",
    "mish": "he_normal",
    "tanh": "xavier_uniform",
    "sigmoid": "xavier_uniform",
    "softmax": "xavier_uniform",
    "softplus": "he_normal",
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_is_recommended(activation: str) -> None:
    assert recommendation_for(activation).scheme == RECOMMENDED[activation]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_recommendation_has_a_reason_a_reference_and_alternatives_that_exist(activation: str) -> None:
    row = recommendation_for(activation)
    assert len(row.reason) > 40
    assert re.search(r"\d{4}", str(row.reference))
    chosen = activate(activation)
    assert chosen is not None
    for alternative in alternatives_for(chosen):
        assert initialize(WIDE, scheme=alternative.scheme, parameters=alternative.parameters).distribution.stddev >= 0
        assert find_scheme(alternative.scheme)[0].name != row.scheme


def test_the_exact_alternative_has_the_activations_own_gain() -> None:
    gelu = activate("gelu")
    assert gelu is not None
    assert gelu.gains is not None
    exact = next(row for row in alternatives_for(gelu) if row.scheme == "variance_scaling")
    assert exact.parameters == {"scale": gelu.gains.forward**2}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [SQUARE, WIDE, (1000, 100), (64, 3, 7, 7)])
def test_the_recommended_scheme_draws_no_warning(activation: str, shape: tuple[int, ...]) -> None:
    assert warnings_for(initialize(shape, activation=activate(activation)), shape) == []


POOR: list[tuple[str, dict[str, Any], str | None, str]] = [
    ("zeros", {}, "relu", "every unit of this layer computes the same.*nothing breaks the symmetry.*use he_normal"),
    ("ones", {}, None, "a constant: every unit.*use auto"),
    ("constant", {"value": 0.1}, "tanh", "a constant: every unit.*use xavier_uniform"),
    ("normal", {}, "relu", "too large for relu: each layer multiplies the signal's second moment by 392.*explodes"),
    ("normal", {}, "tanh", "too large for tanh: the units' inputs start with standard deviation 28 .*saturates"),
    ("normal", {}, None, "too large for any activation"),
    ("normal", {"stddev": 0.001}, "relu", "too small for relu.*vanishes with depth"),
    ("normal", {"stddev": 0.001}, "tanh", "too small for tanh.*vanishes with depth"),
    ("normal", {"stddev": 0.001}, None, "too small for any activation.*vanishes"),
    ("xavier_uniform", {}, "relu", "xavier_uniform under relu does not make up for the half.*use he_normal"),
    ("lecun_normal", {}, "leaky_relu", "lecun_normal under leaky_relu does not make up"),
    ("he_normal", {}, "tanh", "he_normal under tanh makes up for a loss that tanh does not have.*1.41.*use xavier_uniform"),
    ("he_uniform", {}, "sigmoid", "he_uniform under sigmoid makes up"),
    ("he_normal", {}, "selu", "too large for selu"),
    ("torch_default", {}, "relu", "too small for relu"),
    ("uniform", {}, "relu", "not centred: the mean is 0.5"),
    ("normal", {"stddev": 1e300}, "relu", "too large"),
]


@pytest.mark.parametrize(("scheme", "parameters", "activation", "message"), POOR)
def test_a_poor_choice_is_said_to_be_one(scheme: str, parameters: dict[str, Any], activation: str | None, message: str) -> None:
    initializer = initialize(WIDE, scheme=scheme, parameters=parameters, activation=activate(activation))
    assert any(re.search(message, warning) for warning in warnings_for(initializer, WIDE)), warnings_for(initializer, WIDE)


def test_xavier_under_relu_halves_the_second_moment_of_a_square_layer() -> None:
    warning = warnings_for(initialize(SQUARE, scheme="xavier_normal", activation=activate("relu")), SQUARE)
    assert "by 0.5, 10 layers by 0.00098" in warning[0]


@pytest.mark.parametrize(
    ("scheme", "activation", "claimed"), [("xavier_normal", "relu", 0.5), ("he_normal", "relu", 1.0), ("torch_default", "relu", 1 / 6)]
)
def test_what_is_claimed_of_the_second_moment_is_what_happens(scheme: str, activation: str, claimed: float) -> None:
    """A square layer of 512, its inputs the outputs of ReLU: E[y²] over E[x²]."""
    shape = (512, 512)
    initializer = initialize(shape, scheme=scheme, activation=activate(activation))
    weights = VirtualTensor(TensorSpec(initializer.distribution, DTYPES["float64"], view_of(shape), seed=1)).read().reshape(shape)
    x = np.maximum(np.random.default_rng(0).standard_normal((512, 2000)), 0)
    y = np.maximum(weights @ x, 0)
    # 512² weights: the relative standard error of their mean square is √(2/512²) = 0.3%, that of the inputs less
    assert np.mean(y**2) / np.mean(x**2) == pytest.approx(claimed, rel=0.05)


@pytest.mark.parametrize("activation", ["relu", None])
def test_he_over_fan_out_is_judged_by_the_gradient_that_it_keeps(activation: str | None) -> None:
    shape = (64, 3, 7, 7)  # fan_in 147, fan_out 3136
    he = initialize(shape, scheme="he_normal", parameters={"mode": "fan_out"}, activation=activate(activation))
    assert warnings_for(he, shape) == []


def test_too_small_over_fan_out_is_said_of_the_gradient() -> None:
    shape = (64, 3, 7, 7)
    small = initialize(shape, scheme="variance_scaling", parameters={"mode": "fan_out", "scale": 0.1}, activation=activate("relu"))
    assert "the gradient's second moment by 0.05" in warnings_for(small, shape)[0]


@pytest.mark.parametrize("scheme", ["zeros", "ones", "normal"])
def test_a_bias_may_be_anything(scheme: str) -> None:
    assert warnings_for(initialize((256,), scheme=scheme, activation=activate("relu")), (256,)) == []


@pytest.mark.parametrize("scheme", ["he_normal", "xavier_uniform", "lecun_normal", "torch_default"])
def test_a_sound_scheme_draws_no_warning_where_nobody_named_the_activation(scheme: str) -> None:
    assert warnings_for(initialize(WIDE, scheme=scheme), WIDE) == []


def test_a_recommendation_has_the_numbers_of_the_fans() -> None:
    assert recommended(activate("relu"), fans_of(WIDE)).distribution.stddev == pytest.approx((2 / 784) ** 0.5)
    assert recommended(activate("tanh"), fans_of(WIDE)).distribution.stddev == pytest.approx((2 / 1040) ** 0.5)
