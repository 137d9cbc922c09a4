"""Recommendations for what a weight is in the network, with ranked alternatives and their numbers."""

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

# layer, what else is asked, the scheme, its standard deviation
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
def test_what_is_recommended_for_a_layer(layer: str, query: dict[str, str], scheme: str, stddev: float) -> None:
    found = advice(layer=layer, **KNOWN, **query)
    assert (found["layer"], found["scheme"]) == (layer, scheme)
    assert found["stddev"] == pytest.approx(stddev, rel=1e-6)


def test_every_role_has_a_case_a_reason_a_reference_and_alternatives_that_exist() -> None:
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


def test_alternatives_say_what_they_do_to_the_variance_per_layer() -> None:
    found = advice(layer="dense", activation="relu", **KNOWN)
    assert found["variance_per_layer"] == pytest.approx(1)
    small = next(row for row in advice(layer="attention_input", **KNOWN)["alternatives"] if row["scheme"] == "normal")
    assert small["variance_per_layer"] == pytest.approx(768 * 0.02**2)


@pytest.mark.parametrize("activation", ["relu", "tanh", "selu"])
@pytest.mark.parametrize("distribution", ["uniform", "normal", "truncated_normal"])
def test_the_bound_is_that_of_the_values_or_of_the_uniform_of_the_same_variance(activation: str, distribution: str) -> None:
    found = advice(activation=activation, distribution=distribution, fan_in="5", fan_out="3")
    factor = 2 / 0.879625661 if distribution == "truncated_normal" else math.sqrt(3)
    assert found["bound"] == pytest.approx(factor * found["stddev"])


def test_what_sums_no_inputs_has_no_variance_per_layer() -> None:
    for layer in ("embedding", "bias", "normalization_scale"):
        found = advice(layer=layer, **KNOWN)
        assert found["variance_per_layer"] is None
        assert all(row["variance_per_layer"] is None for row in found["alternatives"])


def test_a_sigmoid_head_starts_at_the_class_prior() -> None:
    found = advice(layer="sigmoid_head", class_prior="0.01")
    assert (found["bias"], found["bias_value"]) == ("constant", pytest.approx(-math.log(99)))
    assert 1 / (1 + math.exp(-found["bias_value"])) == pytest.approx(0.01)
    assert advice(layer="sigmoid_head")["bias_value"] is None


def test_the_recommended_parameters_can_be_asked_for() -> None:
    found = advice(layer="glu_down", activation="geglu", **KNOWN)
    rule = initialize(LayerSpecification((768, 768), scheme=found["scheme"], parameters=found["parameters"])).distribution
    assert rule.stddev == found["stddev"]


@pytest.mark.parametrize(
    ("name", "role"), [("qkv", "attention_input"), ("Softmax-Head", "softmax_head"), ("hidden", "dense"), ("head", "softmax_head")]
)
def test_roles_answer_to_what_people_call_them(name: str, role: str) -> None:
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
def test_questions_that_lack_something_say_what(query: dict[str, str], error: type[InitError], message: str) -> None:
    with pytest.raises(error, match=message):
        advice(**query)
