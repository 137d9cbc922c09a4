"""Each specification is worked out once. The result is cached, and answers that share it cannot change it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from service.contract.answer import Answer, Limits, answer
from service.contract.metadata import initializer_text
from service.contract.reading import read_json
from service.contract.request import InitRequest
from service.contract.specification import CACHE_SIZE, initializer_of, specification_of
from service.core.errors import InitError
from service.core.schemes.auto import choice_of
from service.files.formats import FORMATS

POOR: dict[str, Any] = {"shape": [8, 6], "scheme": "xavier_normal", "activation": "relu"}  # gives a warning that names a better scheme


def request(fields: dict[str, Any]) -> InitRequest:
    return read_json(InitRequest, json.dumps(fields).encode())


def answer_to(fields: dict[str, Any], format_name: str = "npy") -> Answer:
    return answer(request(fields), FORMATS[format_name], Limits())


@pytest.fixture
def choices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the name of the scheme whenever one is chosen for an activation."""
    names: list[str] = []

    def recording(*args: Any) -> Any:
        names.append(args[0].scheme)
        return choice_of(*args)

    monkeypatch.setattr("service.core.initializer.choice_of", recording)
    return names


def test_works_out_the_recommendation_once_per_specification(choices: list[str]) -> None:
    fields = POOR | {"gain": 1.015625}  # no other test uses this gain
    answer_to(fields | {"seed": 1, "name": "a"})
    assert choices == ["he_normal"]
    answer_to(fields | {"seed": 2, "name": "b", "dtype": "float64", "slice": "0", "format": "raw"})
    assert choices == ["he_normal"]


def containers(value: object) -> Iterator[int]:
    """Yield the identity of each dict and list in a document."""
    if isinstance(value, dict | list):
        yield id(value)
        for inner in value.values() if isinstance(value, dict) else value:
            yield from containers(inner)


@pytest.mark.parametrize(
    "fields",
    [POOR, {"shape": [8, 6], "scheme": "truncated_normal"}, {"shape": [12], "scheme": "chrono", "t_max": 9.0}],
    ids=lambda fields: fields["scheme"],
)
def test_answers_of_one_specification_share_no_mutable_objects(fields: dict[str, Any]) -> None:
    first, second = answer_to(fields | {"seed": 1}), answer_to(fields | {"seed": 1})
    documents = [first.metadata, first.provenance, second.metadata, second.provenance]
    assert documents[0] == documents[2]
    identities = [identity for document in documents for identity in containers(document)]
    assert len(set(identities)) == len(identities)


def test_seed_name_slice_dtype_and_format_are_not_part_of_the_specification() -> None:
    independent: dict[str, Any] = {"seed": 1, "name": "a", "slice": "0", "dtype": "float64", "format": "raw"}
    initializer = initializer_of(specification_of(request(POOR)))
    assert all(initializer_of(specification_of(request(POOR | {name: value}))) is initializer for name, value in independent.items())
    specifying = {
        "shape": [6, 8],
        "scheme": "zeros",
        "activation": "tanh",
        "layer": "dense",
        "groups": 1,
        "packed": [2, 6],
        "axes": "io",
        "fan_convention": "keras",
        "layout": "keras",
        "fan_in": 9,
        "fan_out": 9,
        "padding_idx": 0,
        "gain": 2.0,
    }
    assert set(InitRequest.model_fields) | {"gain"} == set(independent) | set(specifying)
    assert len({specification_of(request(POOR | {name: value})) for name, value in specifying.items()}) == len(specifying)


# a valid request, and an invalid one whose values Python considers equal or prints alike
LOOKALIKES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"scheme": "normal", "stddev": 1}, {"scheme": "normal", "stddev": True}),
    ({"scheme": {"name": "normal", "stddev": 1}}, {"scheme": {"name": "normal", "stddev": True}}),
    ({"scheme": {"name": "normal", "stddev": 1, "mean": 2}}, {"scheme": {"name": "normal", "stddev=1, mean": 2}}),
    ({"scheme": "gpt2_residual", "num_layers": 12}, {"scheme": "gpt2_residual", "num_layers": 12.5}),
]


@pytest.mark.parametrize(("good", "bad"), LOOKALIKES, ids=str)
def test_rejects_an_invalid_request_even_if_a_lookalike_is_cached(good: dict[str, Any], bad: dict[str, Any]) -> None:
    answer_to({"shape": [8, 6]} | good)
    for _ in range(2):
        with pytest.raises(InitError):
            answer_to({"shape": [8, 6]} | bad)


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"scheme": "normal"}, "mean"), ({"activation": "leaky_relu"}, "negative_slope"), ({"scheme": "he_normal"}, "negative_slope")],
    ids=str,
)
def test_keeps_the_sign_of_zero(fields: dict[str, Any], name: str) -> None:
    texts = [answer_to({"shape": [8, 6], **fields, name: zero}).metadata_text for zero in (0.0, -0.0, 0.0)]
    assert [f'"{name}":-0.0' in text for text in texts] == [False, True, False]


@pytest.mark.parametrize(
    "fields",
    [
        POOR | {"name": '層.é\U0001f600"\\', "seed": 2**64 - 1},
        {"shape": [3, 3, 8, 16], "layout": "keras", "layer": "conv", "activation": "gelu", "slice": " ...,\u20031:3 "},
        {"shape": [8, 6], "scheme": "truncated_normal", "high_stddevs": 1e17},
        {"shape": [8, 6], "scheme": "orthogonal", "gain": 1e-7},
        {"shape": [8, 2, 3, 3], "scheme": "icnr", "upscale": 2},
        {"shape": [12], "scheme": "chrono", "t_max": 9.0},
        {"shape": [8, 6], "scheme": "mup", "role": "hidden", "width": 1000, "base_width": 256, "stddev": 0.02},
    ],
    ids=lambda fields: str(fields)[:60],
)
def test_the_header_text_is_the_metadata(fields: dict[str, Any]) -> None:
    result = answer_to({"seed": 7} | fields)
    assert result.metadata_text == json.dumps(result.metadata, separators=(",", ":"))
    assert result.metadata_text.isascii()
    assert json.loads(result.metadata_text) == result.metadata
    assert list(result.metadata)[:10] == ["name", "slice", "cut", "layer", "stream", "seed", "shape", "layout", "axes", "dtype"]


def test_the_caches_are_bounded() -> None:
    for number in range(CACHE_SIZE + 9):
        answer_to({"shape": [1 + number, 6], "scheme": "zeros"})
    assert initializer_of.cache_info().currsize == initializer_text.cache_info().currsize == CACHE_SIZE
