"""Parsers: any text gives a value, or an error that says what was expected."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.contract.errors import InvalidRequest
from service.contract.reading import read_json, read_text
from service.contract.request import InitRequest, RecommendRequest
from service.core.activations import expressed
from service.core.activations.expressions import parse
from service.core.errors import InitError
from service.core.layers.layouts import view_of
from service.web.problems import HttpProblem
from service.web.responses.digests import ALGORITHMS, wanted_algorithm
from service.web.responses.negotiation import accepted_format
from service.web.responses.ranges import requested_ranges


def text_of(alphabet: str) -> st.SearchStrategy[str]:
    """Generate text that looks like the expected input, and arbitrary text."""
    return st.text(alphabet, max_size=60) | st.text(max_size=60)


SHAPE = (6, 5, 4)


@given(text_of("0123456789:,-. []()None"))
@example("9" * 5000)
@example("::0")
@example("...,...")
def test_parses_or_rejects_any_slice(text: str) -> None:
    with suppress(InitError):
        part = view_of(SHAPE).slice(text)
        assert all(length >= 0 for length in part.shape)
        assert part.size <= 6 * 5 * 4


@given(text_of("bytes=0123456789-, \t"), st.integers(1, 2**70))
@example("bytes=" + "9" * 5000 + "-", 10)
@example("bytes=-0", 10)
@example("bytes=٣-", 10)
def test_parses_or_rejects_any_range_header(text: str, nbytes: int) -> None:
    with suppress(HttpProblem):
        ranges = requested_ranges(text, nbytes)
        assert all(0 <= start < stop <= nbytes for start, stop in ranges)


@given(text_of("x0123456789.e+-*/^(), tanhsigmoidreluexplogmaxmin"))
@example("(" * 500 + "x" + ")" * 500)
@example("-" * 500 + "x")
@example("x" + "^2" * 300)
@example("9" * 900)
@example("1e999999")
def test_parses_or_rejects_any_expression(text: str) -> None:
    with suppress(InitError):
        parse(text)


@given(
    st.text("x019.e+-*/^()", max_size=8) | st.sampled_from(["1/0*x", "x^x^x^9", "exp(exp(exp(x)))", "log(-1)*x", "x*1e308*1e308", "0^x"])
)
def test_computes_or_rejects_the_gains_of_any_expression(text: str) -> None:
    with suppress(InitError):
        assert expressed(text).gains is not None


@given(text_of("application/jsontextnumpyoctetstream*;q=.,019 "))
@example("*/*;q=nan")
@example("*/*;q=1e999999")
@example("*/*;q=٣")
def test_parses_or_rejects_any_accept_header(text: str) -> None:
    with suppress(HttpProblem):
        assert accepted_format(text).media_type


@given(text_of("sha-256512=0123456789, ;"))
@example("sha-256=" + "9" * 5000)
def test_parses_any_want_repr_digest_header(text: str) -> None:
    assert wanted_algorithm(text) in (None, *ALGORITHMS)


fields = st.sampled_from([*InitRequest.model_fields, "gain", "stddev", "negative_slope", "unknown"])


@pytest.mark.parametrize("model", [InitRequest, RecommendRequest])
@given(pairs=st.lists(st.tuples(fields | st.text(max_size=5), text_of('0123456789x,.[]{}"name:e-')), max_size=4))
@example(pairs=[("shape", "1" + "0" * 5000)])
@example(pairs=[("seed", "1" + "0" * 5000)])
@example(pairs=[("gain", "1e400")])
@example(pairs=[("scheme", "{" * 5000)])
@example(pairs=[("scheme", '{"name": ' * 5000)])
@example(pairs=[("scheme", '{"name": "x", "a": ' + "9" * 5000 + "}")])
def test_reads_or_rejects_any_query(model: type[InitRequest | RecommendRequest], pairs: list[tuple[str, str]]) -> None:
    with suppress(InitError, InvalidRequest):
        read_text(model, pairs)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields | st.just("name"), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("model", [InitRequest, RecommendRequest])
@given(body=st.binary(max_size=60) | st.dictionaries(fields, values, max_size=4).map(json.dumps).map(str.encode))
@example(body=b'{"shape": [2], "gain": 1' + b"0" * 5000 + b"}")
@example(body=b'{"shape": [2], "gain": 1' + b"0" * 1000 + b"}")
@example(body=b'{"shape": [2], "name": "\\ud800"}')
@example(body=b'\xef\xbb\xbf{"shape": [2]}')
@example(body=b'{"shape": [2], "gain": ' + b"[" * 190 + b"]" * 190 + b"}")
def test_reads_or_rejects_any_body(model: type[InitRequest | RecommendRequest], body: bytes) -> None:
    with suppress(InitError, InvalidRequest):
        read_json(model, body)
