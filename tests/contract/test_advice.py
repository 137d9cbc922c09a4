"""Recommendations for the role of a weight in the network, with ranked alternatives and their numbers."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from service.contract.advice import recommendation_of
from service.contract.reading import read_text
from service.contract.request import RecommendRequest
from service.core.errors import InitError, InvalidValue, UnknownName
from service.core.initializer import LayerSpecification, initialize
from service.core.layers.roles import ROLES, find_role
from service.core.recommendation import Circumstances
from service.core.schemes import SCHEMES, find_scheme

KNOWN = {"fan_in": "768", "fan_out": "768", "num_layers": "12"}

# layer, further fields, the recommended scheme, its standard deviation
RECOMMENDED: list[tuple[str, dict[str, str], str, float | None]] = [
    ("dense", {"activation": "relu"}, "he_normal", math.sqrt(2 / 768)),
    ("conv", {"activation": "tanh"}, "xavier_uniform", math.sqrt(1 / 768)),
    ("attention_input", {}, "xavier_uniform", math.sqrt(1 / 768)),
    ("attention_output", {}, "gpt2_residual", 0.02 / math.sqrt(24)),
    ("residual_output", {}, "gpt2_residual", 0.00408248),
    ("glu_down", {"activation": "swiglu"}, "variance_scaling", 1.67653247 / math.sqrt(768)),
    ("embedding", {}, "normal", 0.02),
    ("softmax_head", {}, "xavier_uniform", math.sqrt(1 / 768)),
    ("sigmoid_head", {}, "normal", 0.01),
    ("recurrent", {}, "orthogonal", math.sqrt(1 / 768)),
    ("normalization_scale", {}, "ones", 0.0),
    ("bias", {}, "zeros", 0.0),
]


def advice(**query: str) -> Any:
    return recommendation_of(read_text(RecommendRequest, query.items()))


@pytest.mark.parametrize(("layer", "query", "scheme", "stddev"), RECOMMENDED, ids=[row[0] for row in RECOMMENDED])
def test_recommends_a_scheme_for_each_layer(layer: str, query: dict[str, str], scheme: str, stddev: float) -> None:
    recommendation = advice(layer=layer, **KNOWN, **query)
    assert (recommendation["layer"], recommendation["scheme"]) == (layer, scheme)
    assert recommendation["stddev"] == pytest.approx(stddev, rel=1e-6)


def test_every_role_has_a_test_case_a_reason_a_reference_and_existing_alternatives() -> None:
    assert set(ROLES) - {"conv_transpose", "depthwise"} == {layer for layer, *_ in RECOMMENDED}
    for role in ROLES.values():
        row = role.recommendation
        if row is None:
            continue
        assert row.scheme in SCHEMES
        assert len(row.reason) > 40
        assert re.search(r"\d{4}", str(row.reference))
        assert row.alternatives
        for alternative in row.alternatives:
            scheme, _ = find_scheme(alternative.scheme)
            assert set(alternative.parameters(Circumstances(num_layers=12))) <= set(scheme.parameter_names)


def test_alternatives_have_a_variance_per_layer() -> None:
    recommendation = advice(layer="dense", activation="relu", **KNOWN)
    assert recommendation["variance_per_layer"] == pytest.approx(1)
    small = next(row for row in advice(layer="attention_input", **KNOWN)["alternatives"] if row["scheme"] == "normal")
    assert small["variance_per_layer"] == pytest.approx(768 * 0.02**2)


@pytest.mark.parametrize("activation", ["relu", "tanh", "selu"])
@pytest.mark.parametrize("distribution", ["uniform", "normal", "truncated_normal"])
def test_the_bound_of_a_normal_is_that_of_the_uniform_with_the_same_variance(activation: str, distribution: str) -> None:
    recommendation = advice(activation=activation, distribution=distribution, fan_in="5", fan_out="3")
    factor = 2 / 0.879625661 if distribution == "truncated_normal" else math.sqrt(3)
    assert recommendation["bound"] == pytest.approx(factor * recommendation["stddev"])


def test_a_layer_that_sums_no_inputs_has_no_variance_per_layer() -> None:
    for layer in ("embedding", "bias", "normalization_scale"):
        recommendation = advice(layer=layer, **KNOWN)
        assert recommendation["variance_per_layer"] is None
        assert all(row["variance_per_layer"] is None for row in recommendation["alternatives"])


def test_a_sigmoid_head_starts_at_the_class_prior() -> None:
    recommendation = advice(layer="sigmoid_head", class_prior="0.01")
    assert (recommendation["bias"], recommendation["bias_value"]) == ("constant", pytest.approx(-math.log(99)))
    assert 1 / (1 + math.exp(-recommendation["bias_value"])) == pytest.approx(0.01)
    assert advice(layer="sigmoid_head")["bias_value"] is None


def test_a_request_with_the_recommended_parameters_gives_the_recommended_stddev() -> None:
    recommendation = advice(layer="glu_down", activation="geglu", **KNOWN)
    rule = initialize(LayerSpecification((768, 768), scheme=recommendation["scheme"], parameters=recommendation["parameters"])).distribution
    assert rule.stddev == recommendation["stddev"]


@pytest.mark.parametrize(
    ("name", "role"), [("qkv", "attention_input"), ("Softmax-Head", "softmax_head"), ("hidden", "dense"), ("head", "softmax_head")]
)
def test_finds_a_role_by_its_common_names(name: str, role: str) -> None:
    assert find_role(name).name == role


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ({"layer": "attention_outptu"}, UnknownName, "Did you mean 'attention_output'"),
        ({"layer": "residual_output"}, InvalidValue, "Give num_layers"),
        ({"layer": "residual_output", "num_layers": "0"}, InvalidValue, "num_layers: expected an integer of at least 1"),
        ({"layer": "glu_down"}, InvalidValue, "the activation of the gate"),
        ({"layer": "sigmoid_head", "class_prior": "1"}, InvalidValue, "above 0 and below 1"),
        ({"layer": "bias", "negative_slope": "1"}, InvalidValue, "a parameter of the layer bias"),
        ({}, InvalidValue, "Give activation, or layer, or both"),
    ],
)
def test_rejects_an_invalid_or_incomplete_request_for_advice(query: dict[str, str], error: type[InitError], message: str) -> None:
    with pytest.raises(error, match=message):
        advice(**query)
