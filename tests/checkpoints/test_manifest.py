"""Manifests: which rule covers a tensor, and what is refused, with the place of the mistake."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from service.checkpoints.checkpoint import Checkpoint, checkpoint_of
from service.checkpoints.manifest import read_object
from service.checkpoints.rules import Rules, merged
from service.contract.answer import Limits
from service.contract.errors import InvalidRequest
from service.core.errors import InitError, InvalidValue, TooLarge, UnknownName

LIMITS = Limits()
NORMAL = {"scheme": "normal", "stddev": 0.02}


def opened(tensors: list[dict[str, Any]], **fields: Any) -> Checkpoint:
    return checkpoint_of({"tensors": tensors, **fields}, LIMITS)


def refused(tensors: Any, **fields: Any) -> str:
    with pytest.raises((InitError, InvalidRequest)) as caught:
        opened(tensors, **fields)
    return str(caught.value)


def scheme_of(checkpoint: Checkpoint, name: str) -> Any:
    return checkpoint.request(name).scheme


def test_the_first_rule_that_matches_covers_a_tensor() -> None:
    rules = Rules([{"match": "*.c_proj.weight"}, {"match": "*.weight"}, {"match": "*"}])
    assert [rules.covering(name) for name in ("h.0.c_proj.weight", "h.0.c_fc.weight", "h.0.c_fc.bias")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("h.?.weight", "h.1.weight", "h.10.weight"),
        ("h.[01].*", "h.1.mlp.weight", "h.2.mlp.weight"),
        ("*.weight", "a.b.weight", "a.b.weight.c"),
        ("a.b", "a.b", "axb"),
        ("*é/*", "caf\u00e9/\u5c42", "cafe/"),
    ],
)
def test_a_glob_matches_whole_names(glob: str, matching: str, other: str) -> None:
    rules = Rules([{"match": glob}])
    assert rules.covering(matching) == 0
    assert rules.covering(other) is None


def test_a_glob_with_many_stars_takes_no_time() -> None:
    start = time.perf_counter()
    assert Rules([{"match": "*a" * 500 + "b"}]).covering("a" * 256) is None
    assert time.perf_counter() - start < 1


def test_a_tensor_overrides_its_rule_and_a_rule_overrides_the_defaults() -> None:
    checkpoint = opened(
        [{"name": "a", "shape": [2]}, {"name": "b", "shape": [2], "scheme": "ones"}, {"name": "c", "shape": [2]}],
        rules=[{"match": "[ab]", **NORMAL}],
        defaults={"scheme": "zeros"},
    )
    assert [scheme_of(checkpoint, name) for name in "abc"] == ["normal", "ones", "zeros"]


def test_a_scheme_drops_the_parameters_of_the_scheme_that_it_replaces() -> None:
    assert merged(NORMAL | {"dtype": "float64"}, {"scheme": "ones"}) == {"scheme": "ones", "dtype": "float64"}
    assert merged(NORMAL, {"stddev": 0.1}) == {"scheme": "normal", "stddev": 0.1}


def test_every_tensor_without_a_rule_is_named() -> None:
    text = refused([{"name": name, "shape": [2]} for name in ("a", "b", "c")], rules=[{"match": "b", **NORMAL}])
    assert "none for a, c" in text
    assert '{"match": "a"' in text


def test_of_many_tensors_without_a_rule_the_first_are_named() -> None:
    assert "a9, and 5 more" in refused([{"name": f"a{number}", "shape": [2]} for number in range(15)])


def test_a_rule_that_draws_nothing_is_a_warning() -> None:
    checkpoint = opened([{"name": "a", "shape": [2]}], rules=[{"match": "*", **NORMAL}, {"match": "a", **NORMAL}, {"match": "x", **NORMAL}])
    assert checkpoint.warnings == ("No tensor is drawn by these rules, because none matches or an earlier rule does: a, x.",)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        ({"name": "a"}, "tensors[0].shape: expected the lengths"),
        ({"name": "a", "shape": [2, -1]}, "tensors[0].shape: expected dimensions of at least 0"),
        ({"name": "a", "shape": ["x"]}, "tensors[0].shape: expected the lengths"),
        ({"name": "a", "shape": [2**62, 4]}, "tensors[0].shape: expected at most 2^62 elements"),
        ({"name": "a", "shape": [2**42]}, "tensors[0].shape: expected at most 1099511627776 bytes"),
        ({"name": "a", "shape": [2], "scheme": "he_norml"}, "Did you mean 'he_normal'?"),
        ({"name": "a", "shape": [2], "stdev": 1}, "tensors[0].stdev: expected the name of a field"),
        ({"name": "a", "shape": [2], "slice": ":1"}, "tensors[0].slice: expected no such field in a manifest"),
        ({"name": "a", "shape": [2], "format": "npy"}, "tensors[0].format: expected no such field"),
        ({"name": "a", "shape": [2], "seed": 10**25}, "tensors[0].seed"),
        ({"shape": [2]}, "tensors[0].name: expected the name of the tensor"),
        ({"name": 3, "shape": [2]}, "tensors[0].name: expected the name of the tensor"),
        ({"name": "", "shape": [2]}, "tensors[0].name: expected 1 to 256 printable characters"),
        ({"name": "n" * 10_000, "shape": [2]}, "tensors[0].name: expected 1 to 256 printable characters"),
        ({"name": "a\nb", "shape": [2]}, "tensors[0].name: expected 1 to 256 printable characters"),
        ({"name": "\ud800", "shape": [2]}, "tensors[0].name: expected 1 to 256 printable characters"),
        ({"name": "__metadata__", "shape": [2]}, "tensors[0].name: expected another name"),
        ({"name": "a", "shape": [2], "values": [1]}, "tensors[0].values: expected a flat list of 2 numbers"),
        ({"name": "a", "shape": [], "dtype": "int64", "values": [0.5]}, "tensors[0].values: expected values of int64"),
        ({"name": "a", "shape": [], "dtype": "uint8", "values": [256]}, "tensors[0].values: expected values of uint8"),
        ({"name": "a", "shape": [], "dtype": "float16", "values": [1e6]}, "tensors[0].values: expected values of float16"),
        ({"name": "a", "shape": [], "dtype": "int7", "values": [0]}, "tensors[0].dtype: expected the name of a dtype"),
        ({"name": "a", "shape": [1], "scheme": "zeros", "values": [0]}, "tensors[0].scheme: expected no other field beside values"),
    ],
)  # fmt: skip
def test_a_wrong_tensor_is_refused_with_its_place(tensor: dict[str, Any], message: str) -> None:
    assert message in refused([{"scheme": "ones", **tensor} if "values" not in tensor else tensor])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rules": [{"scheme": "zeros"}]}, "rules: expected a list"),
        ({"rules": [{"match": "*", "name": "a"}]}, "rules[0].name: expected fields that several tensors may share"),
        ({"rules": [{"match": "*", "shape": [2]}]}, "rules[0].shape"),
        ({"rules": [{"match": "*"}] * 1001}, "rules: expected a list of at most 1000 objects"),
        ({"defaults": {"values": [1]}}, "defaults.values"),
        ({"seed": -1}, "seed: expected an integer from 0"),
        ({"seed": 2**64}, "seed: expected an integer from 0"),
        ({"seed": 1.5}, "seed: expected an integer from 0"),
        ({"dtype": "float31"}, "dtype: expected the name of a dtype"),
        ({"tensor": []}, "tensor: expected the name of a field; received 'tensor'. Did you mean 'tensors'?"),
        ({"tied": {"b": "c"}}, "tied.b: expected the name of a tensor"),
        ({"tied": {"a": "a"}}, "tied: expected names that are not among tensors"),
        ({"metadata": {"a": 1}}, "metadata: expected an object of strings"),
    ],
)
def test_a_wrong_field_is_refused(fields: dict[str, Any], message: str) -> None:
    assert message in refused([{"name": "a", "shape": [2], "scheme": "ones"}], **fields)


def test_a_name_may_occur_once() -> None:
    assert "tensors[1].name: expected each name once" in refused([{"name": "a", "shape": [2], **NORMAL}] * 2)


def test_strange_names_are_names() -> None:
    names = ["a/b", "caf\u00e9.\u5c42\U0001f600", "a b", "../x", "%2e%2e", '"', "*"]
    assert list(opened([{"name": name, "shape": [2], **NORMAL} for name in names]).tensors) == names


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"{", b"\xff", b'{"tensors": NaN}', b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}", b'{"a": 1, "a": 2}']
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises((InvalidRequest, InvalidValue)):
        read_object(body, max_tensors=1000)


def test_an_object_with_a_repeated_key_is_refused_quickly_however_long() -> None:
    keys = ",".join(f'"{number}": 0' for number in range(200_000))
    start = time.perf_counter()
    with pytest.raises(InvalidValue, match="each field once"):
        read_object(f'{{"tied": {{{keys}, "7": 1}}}}'.encode(), max_tensors=10_000)
    assert time.perf_counter() - start < 5  # comparing each with each would take an hour


def test_deeply_nested_and_enormous_values_are_refused_like_others() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    assert "tensors[0].scheme" in refused([{"name": "a", "shape": [2], "scheme": deep}])
    body = b'{"tensors": [{"name": "a", "scheme": "ones", "shape": [' + b"9" * 5000 + b"]}]}"
    with pytest.raises(InvalidValue, match=r"at most 2\^62 elements"):
        checkpoint_of(read_object(body, max_tensors=10), LIMITS)


def test_more_tensors_than_the_limit_are_refused_before_they_are_read() -> None:
    with pytest.raises(TooLarge, match="WEIGHT_INIT_MAX_CHECKPOINT_TENSORS"):
        checkpoint_of({"tensors": [{"name": "a"}] * 4}, Limits(max_checkpoint_tensors=3))


@pytest.mark.parametrize("item", [b"{}", b"[]", b"[[[[[]]]]]", b"0"])
def test_a_body_with_far_more_values_than_tensors_is_refused_before_it_is_read(item: bytes) -> None:
    body = b'{"tensors":[' + b",".join([item] * 100_000) + b"]}"
    with pytest.raises(TooLarge, match="enough for the limit on tensors"):
        read_object(body, max_tensors=100)


def test_a_checkpoint_larger_than_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge, match="WEIGHT_INIT_MAX_CHECKPOINT_BYTES"):
        checkpoint_of({"tensors": [{"name": "a", "shape": [300], **NORMAL}]}, Limits(max_checkpoint_bytes=1000))


def test_too_many_ways_to_draw_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.checkpoints.checkpoint.MAX_DIFFERENT", 100)
    tensors = [{"name": str(number), "shape": [number]} for number in range(101)]
    assert "at most 100 tensors that differ in more than their names" in refused(tensors, defaults=NORMAL)


def test_an_unknown_tensor_is_refused_with_the_nearest_name() -> None:
    checkpoint = opened([{"name": f"h.{number}.weight", "shape": [2], **NORMAL} for number in range(2000)])
    with pytest.raises(UnknownName, match=r"Did you mean 'h\.0\.weight'"):
        checkpoint.source("h.5000.weights")


@pytest.mark.slow
def test_a_hundred_thousand_tensors_take_about_a_second() -> None:
    tensors = [{"name": f"h.{number // 10}.{number % 10}.weight", "shape": [64, 64]} for number in range(100_000)]
    body = json.dumps({"tensors": tensors, "rules": [{"match": f"*.{digit}.weight", **NORMAL} for digit in range(10)]}).encode()
    start = time.process_time()
    checkpoint = checkpoint_of(read_object(body, max_tensors=100_000), LIMITS)
    assert len(checkpoint.tensors) == 100_000
    assert time.process_time() - start < 4  # 0.6 s on a quiet machine
