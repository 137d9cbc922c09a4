"""Recommendations, and warnings about poor choices."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from service.core.activations import ACTIVATIONS, expressed
from service.core.advice.variance import alternatives_to
from service.core.advice.warnings import warnings_for
from service.core.errors import InvalidValue
from service.core.initializer import LayerSpecification, initialize
from service.core.layers.layouts import view_of
from service.core.recommendation import Circumstances
from service.core.schemes import find_scheme
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import TensorSpec, VirtualTensor
from tests.core.activate import activate

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
    "relu6": "he_normal",
    "celu": "he_normal",
    "gelu_tanh": "he_normal",
    "quick_gelu": "he_normal",
    "hardswish": "he_normal",
    "scaled_tanh": "lecun_normal",
    "hardtanh": "xavier_uniform",
    "softsign": "xavier_uniform",
    "hardsigmoid": "xavier_uniform",
} | dict.fromkeys(
    ["relu2", "tanhshrink", "softshrink", "hardshrink", "sin", "snake", "gaussian", "glu", "swiglu", "geglu", "reglu", "bilinear"],
    "variance_scaling",
)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_recommends_the_expected_scheme(activation: str) -> None:
    assert ACTIVATIONS[activation].recommendation.scheme == RECOMMENDED[activation]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_recommendation_has_a_reason_a_reference_and_valid_alternatives(activation: str) -> None:
    row = ACTIVATIONS[activation].recommendation
    assert len(row.reason) > 40
    assert re.search(r"\d{4}", str(row.reference))
    initializer = initialize(LayerSpecification(WIDE, activation=activate(activation)))
    alternatives = list(alternatives_to(initializer.recommended, initializer.weight))
    assert alternatives
    for alternative in alternatives:
        assert alternative.stddev is not None
        assert find_scheme(alternative.alternative.scheme)[0].name != row.scheme


def test_the_exact_alternative_has_the_forward_gain_of_the_activation() -> None:
    gelu = activate("gelu")
    assert gelu is not None
    assert gelu.gains is not None
    exact = next(row for row in gelu.row.recommendation.alternatives if row.scheme == "variance_scaling")
    assert exact.parameters(Circumstances(gelu)) == {"scale": gelu.gains.forward * gelu.gains.forward}


@pytest.mark.parametrize("activation", ["relu2", "swiglu", "gaussian"])
def test_recommended_variance_scaling_has_the_squared_forward_gain_as_scale(activation: str) -> None:
    chosen = activate(activation)
    assert chosen is not None
    assert chosen.gains is not None
    initializer = initialize(LayerSpecification(WIDE, activation=chosen))
    assert initializer.parameters["scale"] == chosen.gains.forward * chosen.gains.forward
    assert initializer.distribution.stddev == pytest.approx(chosen.gains.forward / 28)


@pytest.mark.parametrize("omega", [1.0, 30.0])
def test_recommendation_for_a_sine_has_the_bound_of_siren(omega: float) -> None:
    initializer = initialize(LayerSpecification(WIDE, activation=activate("sin", omega=omega)))
    assert initializer.distribution.bounds == pytest.approx((-math.sqrt(6 / 784) / omega, math.sqrt(6 / 784) / omega))


def test_recommendation_for_a_formula_has_its_exact_gain() -> None:
    formula = expressed("x*tanh(softplus(x))")
    initializer = initialize(LayerSpecification(WIDE, activation=formula))
    assert initializer.scheme.name == "variance_scaling"
    assert initializer.distribution.stddev == pytest.approx(1.486847581 / 28)
    assert warnings_for(initializer) == []
    small = initialize(LayerSpecification(WIDE, scheme="normal", parameters={"stddev": 0.001}, activation=formula))
    assert "too small for the expression" in warnings_for(small)[0]
    assert "use variance_scaling with scale 2.211" in warnings_for(small)[0]


NAMED_GAINS: list[tuple[str, dict[str, Any], str, dict[str, Any], float]] = [
    ("he_normal", {"gain": "forward"}, "gelu", {}, 1.533530441),
    ("he_normal", {"gain": "backward"}, "gelu", {}, 1.481114413),
    ("he_normal", {"gain": "torch"}, "tanh", {}, 5 / 3),
    ("he_normal", {"gain": "torch"}, "leaky_relu", {"negative_slope": 0.2}, math.sqrt(2 / 1.04)),
    ("torch.kaiming_normal_", {"gain": "forward"}, "silu", {}, 1.67653247),
    ("he_uniform", {"gain": "forward"}, "mish", {}, 1.486847581),
    ("he_normal", {"gain": "forward", "distribution": "truncated_normal"}, "gelu", {}, 1.533530441),
    ("variance_scaling", {"gain": "forward", "scale": 4.0}, "gelu", {}, 2 * 1.533530441),
    ("auto", {"gain": "forward"}, "gelu", {}, 1.533530441),
    ("auto", {"gain": "forward"}, "tanh", {}, 1.59253742),
    ("auto", {"gain": "forward"}, "swiglu", {}, 1.67653247),
]


@pytest.mark.parametrize(
    ("scheme", "parameters", "activation", "activation_parameters", "gain"), NAMED_GAINS, ids=lambda value: str(value)[:40]
)
def test_a_named_gain_is_that_of_the_activation(
    scheme: str, parameters: dict[str, Any], activation: str, activation_parameters: dict[str, Any], gain: float
) -> None:
    initializer = initialize(
        LayerSpecification(WIDE, scheme=scheme, parameters=parameters, activation=activate(activation, **activation_parameters))
    )
    assert initializer.distribution.stddev == pytest.approx(gain / 28, rel=1e-12)
    assert initializer.parameters["gain"] == parameters["gain"]
    assert initializer.parameters.get("negative_slope") is None


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu", "softplus", "swiglu"])
def test_does_not_warn_about_the_forward_gain(activation: str) -> None:
    initializer = initialize(LayerSpecification(WIDE, scheme="he_normal", parameters={"gain": "forward"}, activation=activate(activation)))
    assert warnings_for(initializer) == []


@pytest.mark.parametrize(
    ("parameters", "activation", "message"),
    [
        ({"gain": "forward"}, None, "gain: expected an activation to take the forward gain from"),
        ({"gain": "forward"}, "softmax", r"a gain of softmax \(it has none\)"),
        ({"gain": "torch"}, "gelu", r"a gain of gelu \(forward, backward\)"),
        ({"gain": "backward"}, "swiglu", r"a gain of swiglu \(forward\)"),
        ({"gain": "sideways"}, "relu", "a finite number, at least 0, or one of forward, backward, torch for he_normal"),
        ({"gain": -1.0}, "relu", "at least 0, or one of"),
        ({"gain": "forward", "negative_slope": 0.2}, "relu", "no slope other than the activation's"),
    ],
)
def test_rejects_a_gain_that_does_not_exist(parameters: dict[str, Any], activation: str | None, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        initialize(LayerSpecification(WIDE, scheme="he_normal", parameters=parameters, activation=activate(activation)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [SQUARE, WIDE, (1000, 100), (64, 3, 7, 7)])
def test_does_not_warn_about_the_recommended_scheme(activation: str, shape: tuple[int, ...]) -> None:
    assert warnings_for(initialize(LayerSpecification(shape, activation=activate(activation)))) == []


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
def test_warns_about_a_poor_choice(scheme: str, parameters: dict[str, Any], activation: str | None, message: str) -> None:
    initializer = initialize(LayerSpecification(WIDE, scheme=scheme, parameters=parameters, activation=activate(activation)))
    assert any(re.search(message, warning) for warning in warnings_for(initializer)), warnings_for(initializer)


def test_warning_about_xavier_under_relu_says_that_it_halves_the_second_moment() -> None:
    warning = warnings_for(initialize(LayerSpecification(SQUARE, scheme="xavier_normal", activation=activate("relu"))))
    assert "by 0.5, 10 layers by 0.00098" in warning[0]


@pytest.mark.parametrize(
    ("scheme", "activation", "claimed"), [("xavier_normal", "relu", 0.5), ("he_normal", "relu", 1.0), ("torch_default", "relu", 1 / 6)]
)
def test_measured_factor_on_the_second_moment_is_the_claimed_one(scheme: str, activation: str, claimed: float) -> None:
    """Measures E[y²]/E[x²] of a square layer of 512 whose inputs are outputs of ReLU."""
    shape = (512, 512)
    initializer = initialize(LayerSpecification(shape, scheme=scheme, activation=activate(activation)))
    weights = VirtualTensor(TensorSpec(initializer.distribution, DTYPES["float64"], view_of(shape), seed=1)).read().reshape(shape)
    x = np.maximum(np.random.default_rng(0).standard_normal((512, 2000)), 0)
    y = np.maximum(weights @ x, 0)
    # 512² weights: the relative standard error of their mean square is √(2/512²) = 0.3%, that of the inputs less
    assert np.mean(y**2) / np.mean(x**2) == pytest.approx(claimed, rel=0.05)


@pytest.mark.parametrize("activation", ["relu", None])
def test_does_not_warn_about_he_over_fan_out_which_keeps_the_gradient(activation: str | None) -> None:
    shape = (64, 3, 7, 7)  # fan_in 147, fan_out 3136
    he = initialize(LayerSpecification(shape, scheme="he_normal", parameters={"mode": "fan_out"}, activation=activate(activation)))
    assert warnings_for(he) == []


def test_warning_about_too_small_a_scale_over_fan_out_names_the_gradient() -> None:
    shape = (64, 3, 7, 7)
    small = initialize(
        LayerSpecification(shape, scheme="variance_scaling", parameters={"mode": "fan_out", "scale": 0.1}, activation=activate("relu"))
    )
    assert "the gradient's second moment by 0.05" in warnings_for(small)[0]


@pytest.mark.parametrize("scheme", ["zeros", "ones", "normal"])
def test_does_not_warn_about_a_bias(scheme: str) -> None:
    assert warnings_for(initialize(LayerSpecification((256,), scheme=scheme, activation=activate("relu")))) == []


@pytest.mark.parametrize("scheme", ["he_normal", "xavier_uniform", "lecun_normal", "torch_default"])
def test_does_not_warn_about_a_common_scheme_without_an_activation(scheme: str) -> None:
    assert warnings_for(initialize(LayerSpecification(WIDE, scheme=scheme))) == []


@pytest.mark.parametrize(("activation", "variance"), [("relu", 2 / 784), ("tanh", 2 / 1040)])
def test_recommended_stddev_depends_on_the_fans(activation: str, variance: float) -> None:
    recommended = initialize(LayerSpecification(WIDE, scheme="zeros", activation=activate(activation))).recommended
    assert recommended.rule is not None
    assert recommended.rule.stddev == pytest.approx(variance**0.5)
