"""Layers: without a scheme, /init uses the scheme that /recommend advises for the layer."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from service.contract.advice import recommendation_of
from service.contract.answer import Answer, Limits, answer
from service.contract.reading import read_json, read_text
from service.contract.request import InitRequest, RecommendRequest
from service.core.errors import InvalidValue
from service.core.layers.roles import ROLES
from service.files.formats import FORMATS

SHAPE = [768, 3072]
SHAPES = {"conv": [8, 4, 3, 3], "conv_transpose": [4, 8, 3, 3], "depthwise": [8, 1, 3, 3], "recurrent": [64, 48], "bias": [768]}
ACTIVATIONS = ["relu", "tanh", "swiglu"]


def init(fields: dict[str, Any]) -> Answer:
    return answer(read_json(InitRequest, json.dumps({"seed": 7} | fields).encode()), FORMATS["npy"], Limits())


def metadata(**fields: Any) -> dict[str, Any]:
    return init(fields).metadata


def advice(**query: Any) -> Any:
    return recommendation_of(read_text(RecommendRequest, [(name, str(value)) for name, value in query.items()]))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layer", ROLES)
def test_init_uses_the_recommended_scheme_of_the_layer(layer: str, activation: str) -> None:
    groups = {"groups": 8} if layer == "depthwise" else {}  # the channels, which its fan_out depends on
    drawn = metadata(shape=SHAPES.get(layer, SHAPE), layer=layer, activation=activation, num_layers=12, **groups)
    fans = {name: drawn[name] for name in ("fan_in", "fan_out") if drawn[name] is not None}
    advised = advice(layer=layer, activation=activation, num_layers=12, **fans)
    assert drawn["scheme"] == advised["scheme"] == drawn["recommended"]["scheme"]
    assert advised["parameters"].items() <= drawn["parameters"].items()
    if layer != "recurrent":  # /recommend does not know the shape of the matrix
        assert drawn["stddev"] == advised["stddev"]
    assert drawn["layer"] == layer
    assert drawn["warnings"] == []


def test_the_last_weight_of_a_residual_branch_depends_on_the_depth() -> None:
    drawn = init({"shape": SHAPE, "layer": "residual_output", "num_layers": 12})
    named = init({"shape": SHAPE, "scheme": "gpt2_residual", "num_layers": 12})
    assert drawn.metadata["stddev"] == pytest.approx(0.02 / np.sqrt(24))
    assert drawn.tensor.read(0, 1000).tobytes() == named.tensor.read(0, 1000).tobytes()


@pytest.mark.parametrize(("alias", "layer"), [(alias, row.name) for row in ROLES.values() for alias in row.aliases])
def test_an_alias_means_the_same_layer(alias: str, layer: str) -> None:
    by_alias, by_name = (metadata(shape=[96, 64], layer=name) for name in (alias, layer))
    assert by_alias == by_name
    assert by_alias["layer"] == layer


@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "uniform"])
def test_init_and_recommend_apply_the_same_distribution(distribution: str) -> None:
    drawn = metadata(shape=[96, 64], layer="attention_input", distribution=distribution)
    advised = advice(layer="attention_input", distribution=distribution, fan_in=64, fan_out=96)
    assert (drawn["scheme"], drawn["stddev"], drawn["draw"]) == (advised["scheme"], advised["stddev"], distribution)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layer": "residual_output"}, "num_layers: expected the number of layers.*Give num_layers"),
        ({"layer": "residual_output", "num_layers": 0}, "num_layers: expected an integer, at least 1"),
        ({"layer": "glu_down"}, "activation: expected the activation of the gate"),
        (
            {"num_layers": 12},
            "layer: expected a layer whose scale depends on num_layers, such as.*Give layer",
        ),
        ({"layer": "residual_output", "num_layers": 12, "shape": [768]}, "shape: expected a weight of rank 2 or more.*layer=bias"),
        (
            {"layer": "embedding", "distribution": "uniform"},
            "distribution: expected no distribution, because",
        ),
        ({"layer": "recurrent", "gain": "forward", "activation": "tanh"}, "gain: expected a finite number"),
    ],
    ids=str,
)
def test_an_error_says_what_the_layer_needs(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        init({"shape": SHAPE} | fields)


def test_recommend_rejects_a_distribution_that_the_scheme_does_not_support() -> None:
    with pytest.raises(InvalidValue, match="distribution: expected no distribution, because the recommended orthogonal has its own"):
        advice(layer="recurrent", distribution="uniform")


# layer, scheme and parameters, the expected warning or None
WARNINGS: list[tuple[str, dict[str, Any], str | None]] = [
    ("embedding", {"scheme": "normal", "stddev": 0.02}, None),
    ("embedding", {"scheme": "normal", "stddev": 1.0}, None),  # torch.nn.Embedding's, an alternative
    ("embedding", {"scheme": "normal", "stddev": 5.0}, "normal is too large for embedding: its standard deviation is 5"),
    ("embedding", {"scheme": "normal", "stddev": 0.001}, "normal is too small for embedding.*that of normal 0.02; use normal"),
    ("residual_output", {"scheme": "zeros"}, None),  # an alternative: the branch starts at zero
    ("softmax_head", {"scheme": "zeros"}, None),
    ("attention_input", {"scheme": "zeros"}, "nothing breaks the symmetry.*use xavier_uniform"),
    ("recurrent", {"scheme": "normal"}, "normal is too large for recurrent"),
]


@pytest.mark.parametrize(("layer", "fields", "warning"), WARNINGS, ids=str)
def test_warns_if_a_scheme_does_not_fit_the_layer(layer: str, fields: dict[str, Any], warning: str | None) -> None:
    warnings = metadata(shape=[96, 64], layer=layer, **fields)["warnings"]
    if warning is None:
        assert warnings == []
    else:
        assert len(warnings) == 1
        assert re.search(warning, warnings[0])


def test_a_named_scheme_does_not_need_the_depth_of_the_layer() -> None:
    recommended = metadata(shape=[96, 64], layer="residual_output", scheme="normal", stddev=0.02)["recommended"]
    assert (recommended["scheme"], recommended["parameters"], recommended["stddev"]) == ("gpt2_residual", {}, None)
