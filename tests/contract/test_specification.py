"""What a specification comes to is worked out once, remembered within bounds, and shared by answers that cannot change it."""

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

POOR: dict[str, Any] = {"shape": [8, 6], "scheme": "xavier_normal", "activation": "relu"}  # draws a warning, which names a better one


def request(fields: dict[str, Any]) -> InitRequest:
    return read_json(InitRequest, json.dumps(fields).encode())


def made(fields: dict[str, Any], format_name: str = "npy") -> Answer:
    return answer(request(fields), FORMATS[format_name], Limits())


@pytest.fixture
def choices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A name for each time that a scheme is chosen for an activation."""
    seen: list[str] = []

    def counted(*args: Any) -> Any:
        seen.append(args[0].scheme)
        return choice_of(*args)

    monkeypatch.setattr("service.core.initializer.choice_of", counted)
    return seen


def test_a_recommendation_is_worked_out_once_for_all_answers_of_a_specification(choices: list[str]) -> None:
    new = POOR | {"gain": 1.015625}
    made(new | {"seed": 1, "name": "a"})
    assert choices == ["he_normal"]
    made(new | {"seed": 2, "name": "b", "dtype": "float64", "slice": "0", "format": "raw"})
    assert choices == ["he_normal"]


def containers(value: object) -> Iterator[int]:
    """The identity of each dict and list in a document."""
    if isinstance(value, dict | list):
        yield id(value)
        for inner in value.values() if isinstance(value, dict) else value:
            yield from containers(inner)


@pytest.mark.parametrize(
    "fields",
    [POOR, {"shape": [8, 6], "scheme": "truncated_normal"}, {"shape": [12], "scheme": "chrono", "t_max": 9.0}],
    ids=lambda fields: fields["scheme"],
)
def test_answers_of_one_specification_share_nothing_that_can_be_changed(fields: dict[str, Any]) -> None:
    one, other = made(fields | {"seed": 1}), made(fields | {"seed": 1})
    held = [one.metadata, one.provenance, other.metadata, other.provenance]
    assert held[0] == held[2]
    places = [place for document in held for place in containers(document)]
    assert len(set(places)) == len(places)


def test_only_the_seed_the_name_the_slice_the_dtype_and_the_format_leave_the_specification_as_it_is() -> None:
    others: dict[str, Any] = {"seed": 1, "name": "a", "slice": "0", "dtype": "float64", "format": "raw"}
    initializer = initializer_of(specification_of(request(POOR)))
    assert all(initializer_of(specification_of(request(POOR | {name: value}))) is initializer for name, value in others.items())
    rest = {
        "shape": [6, 8],
        "scheme": "zeros",
        "activation": "tanh",
        "layer": "dense",
        "groups": 1,
        "packed": 2,
        "fan_convention": "keras",
        "layout": "keras",
        "fan_in": 9,
        "fan_out": 9,
        "gain": 2.0,
    }
    assert set(InitRequest.model_fields) | {"gain"} == set(others) | set(rest)
    assert len({specification_of(request(POOR | {name: value})) for name, value in rest.items()}) == len(rest)


# equal to Python, but not the same to ask for
NEARLY_THE_SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"scheme": "normal", "stddev": 1}, {"scheme": "normal", "stddev": True}),
    ({"scheme": {"name": "normal", "stddev": 1}}, {"scheme": {"name": "normal", "stddev": True}}),
    ({"scheme": {"name": "normal", "stddev": 1, "mean": 2}}, {"scheme": {"name": "normal", "stddev=1, mean": 2}}),
    ({"scheme": "gpt2_residual", "num_layers": 12}, {"scheme": "gpt2_residual", "num_layers": 12.0}),
]


@pytest.mark.parametrize(("good", "bad"), NEARLY_THE_SAME, ids=str)
def test_what_is_wrong_stays_wrong_beside_what_is_nearly_the_same(good: dict[str, Any], bad: dict[str, Any]) -> None:
    made({"shape": [8, 6]} | good)
    for _ in range(2):
        with pytest.raises(InitError):
            made({"shape": [8, 6]} | bad)


def test_the_sign_of_a_zero_is_kept() -> None:
    means = [made({"shape": [8, 6], "scheme": "normal", "mean": mean}).metadata_text for mean in (0.0, -0.0)]
    assert '"mean":0.0,' in means[0]
    assert '"mean":-0.0,' in means[1]


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
def test_the_line_of_the_header_is_the_metadata(fields: dict[str, Any]) -> None:
    found = made({"seed": 7} | fields)
    assert found.metadata_text == json.dumps(found.metadata, separators=(",", ":"))
    assert found.metadata_text.isascii()
    assert json.loads(found.metadata_text) == found.metadata
    assert list(found.metadata)[:10] == ["name", "slice", "cut", "layer", "stream", "seed", "shape", "layout", "dtype", "scheme"]


def test_what_is_remembered_is_bounded() -> None:
    for number in range(CACHE_SIZE + 9):
        made({"shape": [1 + number, 6], "scheme": "zeros"})
    assert initializer_of.cache_info().currsize == initializer_text.cache_info().currsize == CACHE_SIZE
