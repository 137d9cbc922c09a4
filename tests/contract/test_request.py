"""The fields of a request, from JSON and from text, and the errors for invalid ones."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.advice import recommendation_of
from service.contract.answer import Answer, Limits, answer
from service.contract.errors import InvalidRequest
from service.contract.reading import read_json, read_text
from service.contract.request import InitRequest, RecommendRequest
from service.core.errors import InitError, TooLarge
from service.files.formats import FORMATS

SHAPE: dict[str, Any] = {"shape": [3, 5]}


def answer_to(fields: dict[str, Any], format_name: str = "npy", limits: Limits | None = None) -> Answer:
    return answer(read_json(InitRequest, json.dumps(fields).encode()), FORMATS[format_name], limits or Limits())


def answer_to_query(query: dict[str, str]) -> Answer:
    return answer(read_text(InitRequest, query.items()), FORMATS["npy"], Limits())


# a query and the body with the same meaning
EQUIVALENT: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"shape": "3,5"}, {"shape": [3, 5]}),
    ({"shape": "3x5"}, {"shape": [3, 5]}),
    ({"shape": " (3, 5) "}, {"shape": [3, 5]}),
    ({"shape": "[3,5,]"}, {"shape": [3, 5]}),
    ({"shape": "7", "scheme": "normal"}, {"shape": [7], "scheme": "normal"}),
    ({"shape": "()", "scheme": "normal"}, {"shape": [], "scheme": "normal"}),
    ({"shape": "3,5", "scheme": "normal", "stddev": "0.02"}, {"shape": [3, 5], "scheme": {"name": "normal", "stddev": 0.02}}),
    ({"shape": "3,5", "scheme": '{"name": "normal", "stddev": 1e-2}'}, {"shape": [3, 5], "scheme": "normal", "stddev": 0.01}),
    (
        {"shape": "3,5", "scheme": "truncated_normal", "corrected": "true"},
        {"shape": [3, 5], "scheme": "truncated_normal", "corrected": True},
    ),
    (
        {"shape": "3,5", "activation": "leaky_relu", "negative_slope": "0.2"},
        {"shape": [3, 5], "activation": {"name": "leaky_relu", "negative_slope": 0.2}},
    ),
    (
        {"shape": "3,5", "activation": '{"expression": "x*sigmoid(x)"}'},
        {"shape": [3, 5], "activation": {"expression": "x*sigmoid(x)"}},
    ),
    (
        {"shape": "3,5", "scheme": "he_normal", "gain": "forward", "activation": "sin", "omega": "30"},
        {"shape": [3, 5], "scheme": {"name": "he_normal", "gain": "forward"}, "activation": {"name": "sin", "omega": 30.0}},
    ),
    ({"shape": "3,5", "name": "123"}, {"shape": [3, 5], "name": "123"}),
    ({"shape": "5,3", "layout": "flax", "slice": "1:, 0"}, {"shape": [5, 3], "layout": "jax", "slice": "1:, 0"}),
]


@pytest.mark.parametrize(("query", "fields"), EQUIVALENT, ids=lambda value: str(value)[:60])
def test_a_query_and_a_body_mean_the_same(query: dict[str, str], fields: dict[str, Any]) -> None:
    from_query, from_body = answer_to_query(query | {"seed": "7"}), answer_to(fields | {"seed": 7})
    assert from_query.tensor.read().tobytes() == from_body.tensor.read().tobytes()
    assert from_query.etag == from_body.etag


def test_a_seed_is_a_number_or_a_string_and_is_reported_exactly() -> None:
    assert answer_to(SHAPE | {"seed": "7"}).metadata["seed"] == 7
    assert answer_to(SHAPE | {"seed": 2**53}).metadata["seed"] == 2**53
    assert answer_to(SHAPE | {"seed": 2**64 - 1}).metadata["seed"] == str(2**64 - 1)
    assert answer_to(SHAPE | {"seed": 7}).tensor.read().tobytes() == answer_to(SHAPE | {"seed": "7"}).tensor.read().tobytes()


def test_each_answer_without_a_seed_differs_and_its_reported_seed_repeats_it() -> None:
    first, second = answer_to(SHAPE), answer_to(SHAPE)
    assert first.tensor.read().tobytes() != second.tensor.read().tobytes()
    assert not first.repeatable
    repeated = answer_to(SHAPE | {"seed": first.metadata["seed"]})
    assert repeated.tensor.read().tobytes() == first.tensor.read().tobytes()
    assert repeated.repeatable


def test_metadata_says_how_the_tensor_was_made() -> None:
    facts = answer_to({"shape": [256, 784], "activation": "relu", "seed": 7, "name": "fc1.weight"}).metadata
    expected = {
        "shape": [256, 784],
        "dtype": "float32",
        "layout": "torch",
        "seed": 7,
        "name": "fc1.weight",
        "stream": 1,
        "scheme": "he_normal",
        "requested": "auto",
        "draw": "normal",
        "fan_in": 784,
        "fan_out": 256,
        "activation": {"name": "relu"},
        "reproducible": "bitwise",
        "warnings": [],
    }
    assert {name: facts[name] for name in expected} == expected
    assert facts["stddev"] == pytest.approx((2 / 784) ** 0.5)
    assert facts["recommended"]["scheme"] == "he_normal"
    assert facts["recommended"]["gain"] == {"forward": 1.414213562, "backward": 1.414213562, "variance": 1.71285855, "torch": 2**0.5}
    assert "half of the second moment" in facts["recommended"]["reason"]
    assert "arXiv:1502.01852" in facts["recommended"]["reference"]


def test_metadata_has_the_gain_and_the_formula_of_the_request() -> None:
    facts = answer_to({"shape": [256, 784], "scheme": "he_normal", "gain": "forward", "activation": "gelu"}).metadata
    assert facts["parameters"] == {"mode": "fan_in", "distribution": "normal", "gain": "forward"}
    assert facts["stddev"] == pytest.approx(1.533530441 / 28)
    facts = answer_to({"shape": [256, 784], "activation": {"expression": "x*tanh(softplus(x))"}}).metadata
    assert facts["activation"] == {"expression": "x*tanh(softplus(x))"}
    assert facts["recommended"]["gain"] == {"forward": 1.486847581, "backward": 1.444755233, "variance": 1.592025381, "torch": None}


def test_advice_for_a_formula_uses_its_exact_gain() -> None:
    advice = recommendation_of(read_text(RecommendRequest, [("activation", '{"expression": "relu(x)^2"}'), ("fan_in", "100")]))
    assert advice["activation"] == {"expression": "relu(x)^2"}
    assert advice["scheme"] == "variance_scaling"
    assert advice["parameters"]["scale"] == pytest.approx(2 / 3)
    assert advice["stddev"] == pytest.approx((2 / 300) ** 0.5)
    assert "exact" in advice["reason"]


def test_metadata_warns_of_a_poor_choice() -> None:
    facts = answer_to({"shape": [256, 784], "scheme": "zeros", "activation": "relu"}).metadata
    assert "breaks the symmetry" in facts["warnings"][0]
    assert facts["recommended"]["scheme"] == "he_normal"


def test_without_an_activation_the_recommendation_says_what_it_assumed() -> None:
    assert answer_to(SHAPE).metadata["recommended"]["activation"] == {"name": "linear", "assumed": True}


def test_provenance_has_what_determines_the_bytes_and_no_advice() -> None:
    provenance = answer_to(SHAPE | {"activation": "relu", "seed": 7}).provenance
    assert provenance == {
        "stream": 1,
        "seed": 7,
        "shape": [3, 5],
        "layout": "torch",
        "dtype": "float32",
        "scheme": "he_normal",
        "draw": "normal",
        "loc": 0.0,
        "scale": 0.6324555320336759,
    }


def test_etags_differ_exactly_when_the_files_differ() -> None:
    base = SHAPE | {"seed": 7, "activation": "relu"}
    others: list[dict[str, Any]] = [
        {"seed": 8},
        {"dtype": "float64"},
        {"shape": [5, 3]},
        {"name": "a"},
        {"gain": 2.0},
        {"slice": "0"},
        {"layout": "keras"},
    ]
    tags = [
        answer_to(base).etag,
        *(answer_to(base | other).etag for other in others),
        answer_to(base, "raw").etag,
        answer_to(base, "json").etag,
    ]
    assert len(set(tags)) == len(tags)
    assert answer_to(base).etag == answer_to(SHAPE | {"seed": "7", "scheme": "torch.kaiming_normal_"}).etag


def test_a_bias_uses_the_fan_in_of_its_weight() -> None:
    bias = answer_to({"shape": [256], "scheme": "torch.nn.Linear", "fan_in": 784})
    assert bias.metadata["bounds"] == pytest.approx([-1 / 28, 1 / 28])


# body, the field of the error, part of its message
INVALID: list[tuple[str, str, str]] = [
    ("{", "body", "valid JSON"),
    ('{"shape": [3, 5], "seed": NaN}', "seed", "an integer from 0 to 2"),
    ("[1]", "body", "a JSON object"),
    ("{}", "shape", "It has no default"),
    ('{"shape": "3,5"}', "shape", "the lengths of the dimensions"),
    ('{"shape": [3.5, 5]}', "shape", "each an integer"),
    ('{"shape": [true, 5]}', "shape", "received True"),
    ('{"shape": [3, null]}', "shape", "received None"),
    ('{"shape": [-3, 5]}', "shape", "at least 0; received [-3, 5]"),
    ('{"shape": [0, 4611686018427387904, 2]}', "shape", "at most 2^62 elements"),
    ('{"shape": [4611686018427387904, 4611686018427387904]}', "shape", "at most 2^62 elements"),
    ('{"shape": [1' + "0" * 5000 + "]}", "body", "number out of range"),
    ('{"shape": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}', "shape", "lengths of the dimensions"),
    ('{"shape": [3, 5], "sede": 7}', "sede", "Did you mean 'seed'"),
    ('{"shape": [3, 5], "nonlinearity": "relu"}', "nonlinearity", "Known: shape, scheme, activation, layer"),
    ('{"shape": [3, 5], "scheme": "he_norml"}', "scheme", "Did you mean 'he_normal'"),
    ('{"shape": [3, 5], "scheme": 7}', "scheme", "the name of a scheme"),
    ('{"shape": [3, 5], "scheme": {"stddev": 1}}', "scheme", "the name of a scheme"),
    ('{"shape": [3, 5], "scheme": {"name": "normal", "std": 1}}', "std", "Did you mean 'stddev'"),
    ('{"shape": [3, 5], "scheme": "normal", "value": 1}', "value", "normal takes gain, mean, stddev"),
    ('{"shape": [3, 5], "scheme": {"name": "normal", "stddev": 1}, "stddev": 2}', "stddev", "Give it in one place only"),
    ('{"shape": [3, 5], "scheme": "normal", "stddev": -1}', "stddev", "at least 0 for normal; received -1"),
    ('{"shape": [3, 5], "scheme": "normal", "stddev": Infinity}', "stddev", "received inf"),
    ('{"shape": [3, 5], "scheme": "normal", "stddev": [1]}', "stddev", "received [1]"),
    ('{"shape": [3, 5], "scheme": "uniform", "low": 2}', "low", "Swap low and high"),
    ('{"shape": [3], "activation": "relu"}', "fan_in", "Give fan_in"),
    ('{"shape": [3, 5], "activation": "rulu"}', "activation", "Did you mean"),
    ('{"shape": [3, 5], "activation": "relu", "negative_slope": 0.1}', "negative_slope", "auto takes"),
    ('{"shape": [3, 5], "activation": {"expression": "x*"}}', "activation.expression", "at position 3; received 'the end'"),
    ('{"shape": [3, 5], "activation": {"expression": "log(x)"}}', "activation.expression", "is not a finite number at x = -"),
    ('{"shape": [3, 5], "activation": {"expression": 7}}', "activation", "an expression in x"),
    ('{"shape": [3, 5], "activation": {"expression": "x", "alpha": 1}}', "activation", "an expression in x"),
    ('{"shape": [3, 5], "activation": {"name": "relu", "expression": "x"}}', "expression", "relu takes no parameters"),
    ('{"shape": [3, 5], "scheme": "he_normal", "gain": "forward"}', "gain", "Give activation"),
    ('{"shape": [3, 5], "dtype": "float8"}', "dtype", "Known: bfloat16, float16, float32, float64"),
    ('{"shape": [3, 5], "dtype": "bfloat16"}', "dtype", "Ask for format safetensors or raw"),
    ('{"shape": [3, 5], "layout": "mlx"}', "layout", "Known: flax, jax, keras, torch"),
    ('{"shape": [3, 5], "seed": 1.5}', "seed", "an integer from 0 to 2^64 - 1"),
    ('{"shape": [3, 5], "seed": -1}', "seed", "from 0 to 2^64 - 1; received -1"),
    ('{"shape": [3, 5], "seed": 18446744073709551616}', "seed", "from 0 to 2^64 - 1"),
    ('{"shape": [3, 5], "seed": "18446744073709551616"}', "seed", "from 0 to 2^64 - 1"),
    ('{"shape": [3, 5], "seed": "seven"}', "seed", "decimal string (default: a fresh one"),
    ('{"shape": [3, 5], "seed": true}', "seed", "received True"),
    ('{"shape": [3, 5], "name": ""}', "name", "1 to 256 printable characters"),
    ('{"shape": [3, 5], "name": "a\\r\\nb"}', "name", "printable"),
    ('{"shape": [3, 5], "slice": "9"}', "slice", "for the shape [3, 5]"),
    ('{"shape": [3, 5], "axes": "oib"}', "axes", "a letter for each of the 2 axes"),
    ('{"shape": [3, 5], "axes": "xy"}', "axes", "b (stacked weights), o (outputs), i (inputs) or k (kernel)"),
    ('{"shape": [3, 5], "axes": "oi", "layout": "torch"}', "axes", "axes or layout"),
    ('{"shape": [3, 5], "packed": [1, 1]}', "packed", "parts that add up to the 3 outputs; received [1, 1]"),
    ('{"shape": [3, 5], "packed": [3, 0]}', "packed", "an integer of at least 1; received 0"),
    ('{"shape": [3, 5], "packed": []}', "packed", "a list of the outputs of each"),
    ('{"shape": [4, 6, 3], "layer": "conv_transpose", "packed": [4, 2]}', "packed", "equal parts for conv_transpose"),
    ('{"shape": [3, 5], "fan_in": 0}', "fan_in", "from 1 to 2^63 - 1"),
    ('{"shape": [3, 5], "fan_in": 1.5}', "fan_in", "an integer of at least 1"),
]


@pytest.mark.parametrize(("body", "field", "message"), INVALID, ids=[body[:70] for body, *_ in INVALID])
def test_an_error_names_the_field_and_what_was_expected(body: str, field: str, message: str) -> None:
    with pytest.raises((InitError, InvalidRequest)) as raised:
        answer(read_json(InitRequest, body.encode()), FORMATS["npy"], Limits())
    error = raised.value
    assert isinstance(error, InitError | InvalidRequest)
    fields = [row["field"] for row in error.errors] if isinstance(error, InvalidRequest) else [error.field]
    assert fields == [field]
    assert message in str(error)
    assert "received" in str(error)


def test_rejects_a_field_that_appears_twice_in_a_query() -> None:
    with pytest.raises(InitError, match="seed: expected each field once"):
        read_text(InitRequest, [("shape", "3,5"), ("seed", "1"), ("seed", "2")])


@given(st.dictionaries(st.sampled_from([*InitRequest.model_fields, "stddev", "gain", "mode", "corrected", "x"]), st.text(max_size=20)))
def test_reads_or_rejects_any_text_in_a_query(query: dict[str, str]) -> None:
    with suppress(InitError, InvalidRequest):
        answer_to_query({"shape": "3,5"} | query)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner),
        max_leaves=9,
    ),
    st.sampled_from([*InitRequest.model_fields, "stddev", "gain", "mode", "corrected"]),
)
def test_reads_or_rejects_any_value_in_a_body(value: Any, field: str) -> None:
    with suppress(InitError, InvalidRequest):
        answer_to({"shape": [3, 5], "scheme": "truncated_normal"} | {field: value})


def test_checks_the_limits_before_anything_is_computed() -> None:
    with pytest.raises(TooLarge, match=r"shape: expected at most 1000 bytes \(WEIGHT_INIT_MAX_TENSOR_BYTES\); received 1200"):
        answer_to({"shape": [3, 100]}, limits=Limits(max_tensor_bytes=1000))
    with pytest.raises(TooLarge, match="at most 10 elements in JSON"):
        answer_to({"shape": [3, 5]}, "json", Limits(max_json_elements=10))
    assert answer_to({"shape": [2**40, 3], "slice": "5"}, limits=Limits(max_tensor_bytes=1000)).tensor.nbytes == 12


def test_a_recommendation_with_fans_has_numbers() -> None:
    advice = recommendation_of(read_text(RecommendRequest, [("activation", "relu"), ("fan_in", "100")]))
    assert advice["stddev"] == pytest.approx(0.14142136)
    assert advice["bound"] == pytest.approx(0.24494897)
    assert (advice["scheme"], advice["distribution"], advice["bias"]) == ("he_normal", "normal", "zeros")
    assert {row["scheme"] for row in advice["alternatives"]} == {"he_uniform"}


def test_a_recommendation_without_a_needed_fan_has_no_numbers() -> None:
    advice = recommendation_of(read_text(RecommendRequest, [("activation", "tanh"), ("fan_in", "100")]))
    assert (advice["scheme"], advice["stddev"], advice["bound"]) == ("xavier_uniform", None, None)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "activation: expected the name of an activation"),
        ({"activation": "rulu"}, "Did you mean"),
        ({"activation": "relu", "negative_slope": "1"}, "negative_slope"),
        ({"activation": "relu", "stddev": "1"}, "stddev"),
        ({"activation": "relu", "fan_in": "x"}, "fan_in"),
        ({"activation": "relu", "distribution": "cauchy"}, "one of normal, truncated_normal, uniform"),
    ],
)
def test_rejects_an_invalid_request_for_advice(query: dict[str, str], message: str) -> None:
    with pytest.raises((InitError, InvalidRequest), match=message):
        recommendation_of(read_text(RecommendRequest, query.items()))


# ---- integers, which JSON Schema, R and PHP do not tell from floats without a fraction


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"shape": [3.0, 5]}, {"shape": [3, 5]}),
        ({"shape": [1e1, 5]}, {"shape": [10, 5]}),
        ({"shape": [4, 5], "seed": 1e5}, {"shape": [4, 5], "seed": 100_000}),
        ({"shape": [6, 5], "packed": 3.0}, {"shape": [6, 5], "packed": 3}),
        ({"shape": [6, 5], "packed": [4.0, 2.0]}, {"shape": [6, 5], "packed": [4, 2]}),
        ({"shape": [6, 5, 3], "groups": 2.0}, {"shape": [6, 5, 3], "groups": 2}),
        ({"shape": [6], "scheme": "torch_default", "fan_in": 7.0}, {"shape": [6], "scheme": "torch_default", "fan_in": 7}),
        ({"shape": [6, 5], "scheme": "gpt2_residual", "num_layers": 12.0}, {"shape": [6, 5], "scheme": "gpt2_residual", "num_layers": 12}),
    ],
)
def test_a_float_without_a_fraction_is_an_integer(fields: dict[str, Any], same: dict[str, Any]) -> None:
    floats, integers = answer_to({"seed": 7} | fields), answer_to({"seed": 7} | same)
    assert floats.tensor.read().tobytes() == integers.tensor.read().tobytes()
    assert floats.etag == integers.etag
    text = {name: str(value).strip("[]") for name, value in fields.items()}
    assert answer_to_query({"seed": "7"} | text).etag == integers.etag


@pytest.mark.parametrize(
    "text", ["1_000", "４", "٤", "0x10", "1e", "--5", "1.2.3", "4.5", "1e400", "nan", "inf", "9007199254740993.0", "1e-3", "true"]
)
def test_text_that_json_would_not_take_for_an_integer_is_refused(text: str) -> None:
    for query in ({"shape": f"{text},5"}, {"shape": "4,5", "seed": text}, {"shape": "4,5", "packed": text}):
        with pytest.raises((InvalidRequest, InitError)):
            answer_to_query(query)


def test_a_shape_in_several_fields_is_told_how_to_write_it() -> None:
    with pytest.raises(InitError, match=r"shape: expected all lengths in one field; received 'shape 3 times'\. Write shape=256,784,3\."):
        read_text(InitRequest, [("shape", "256"), ("shape", "784"), ("shape", "3")])
    with pytest.raises(InitError, match="seed: expected each field once"):
        read_text(InitRequest, [("shape", "256"), ("seed", "7"), ("seed", "8")])
