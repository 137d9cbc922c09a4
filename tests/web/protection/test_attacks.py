"""Hostile requests over a real socket. Each gets a refusal or an ordinary response, and other clients are served."""

from __future__ import annotations

import gzip
import importlib
import json
import pkgutil
import re
import time
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import httpx
import pytest

import service
from tests.sockets import connected, receive_all
from tests.tracing import NEED_TORCH

JSON = {"Content-Type": "application/json"}
POST = b"POST /init HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
TIMEOUT_S = 30


def is_refused(response: httpx.Response, *statuses: int) -> bool:
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "Traceback" not in response.text
    return response.status_code in statuses


# ---- names, which responses repeat in headers


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x00", "\u2028", "\x85", "\u202e"])
def test_a_name_cannot_inject_a_header(http: httpx.Client, end: str) -> None:
    response = http.post("/init", json={"shape": [2], "scheme": "normal", "seed": 1, "name": f"a{end}Set-Cookie: b=c"})
    assert is_refused(response, 422)
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    "name", ['a"; filename="b.exe', "a\\", "a;b", "a%0d%0ab", "Gewicht ä", "重み", "𝕎", "'", "a,b", "..", ".", "~", "*"]
)
def test_quotes_any_printable_name(http: httpx.Client, name: str) -> None:
    response = http.post("/init", json={"shape": [2], "scheme": "normal", "seed": 1, "name": name})
    assert response.status_code == 200
    disposition = response.headers["Content-Disposition"]
    assert re.fullmatch(r"attachment; filename=\"[A-Za-z0-9_-][A-Za-z0-9._-]*\"; filename\*=UTF-8''[A-Za-z0-9._~%-]+", disposition)
    assert disposition.endswith(f"{quote(name, safe='')}.npy")
    assert json.loads(response.headers["Weight-Init"])["name"] == name
    assert response.headers["Weight-Init"].isascii()


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\boot.ini", "a/../../b", "....//"])
def test_a_name_never_becomes_a_path(http: httpx.Client, name: str) -> None:
    disposition = http.post("/init", json={"shape": [2], "scheme": "normal", "seed": 1, "name": name}).headers["Content-Disposition"]
    assert not re.search(r"[/\\]|%2f|filename=\"\.", disposition, re.IGNORECASE)


@pytest.mark.parametrize(
    "path",
    [
        "/static-offline-docs/../../../../etc/passwd",
        "/static-offline-docs/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/docs/..;/x",
        "/%00",
    ],
)
def test_a_path_cannot_leave_the_service(http: httpx.Client, path: str) -> None:
    with connected(str(http.base_url).rstrip("/")) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = receive_all(connection)
    assert received.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 "))
    assert b"root:" not in received


# ---- bodies


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip"])
def test_refuses_a_compressed_body_without_decompressing_it(http: httpx.Client, coding: str) -> None:
    bomb = gzip.compress(b"[" * 10_000_000)
    response = http.post("/init", content=bomb, headers={**JSON, "Content-Encoding": coding})
    assert is_refused(response, 415)
    assert response.headers["Accept-Encoding"] == "identity"


def test_accepts_the_encoding_identity(http: httpx.Client) -> None:
    assert http.post("/init", content=b'{"shape": [3, 5]}', headers={**JSON, "Content-Encoding": "identity"}).status_code == 200


HUGE = ["1e400", "-1e400", "1" + "0" * 5000, "-1" + "0" * 5000, "0." + "1" * 5000, "1e-5000", "NaN", "Infinity", "1e99999999999"]


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize("field", ["seed", "shape", "gain", "groups", "packed", "fan_in"])
def test_a_huge_number_is_a_problem(http: httpx.Client, field: str, number: str) -> None:
    value = f"[{number}]" if field == "shape" else number
    shape = "" if field == "shape" else '"shape": [4, 4], '
    response = http.post("/init", content=f'{{{shape}"scheme": "he_normal", "{field}": {value}}}'.encode(), headers=JSON)
    # 1e-5000 is read as 0, which is a seed, and 0.1111… is an ordinary gain
    may_be_valid = field == "gain" or (field, number) == ("seed", "1e-5000")
    assert is_refused(response, 400, 413, 422) if response.status_code != 200 else may_be_valid
    response = http.get(f"/init?{'' if field == 'shape' else 'shape=4,4&'}scheme=he_normal&{field}={number}")
    assert is_refused(response, 413, 422) if response.status_code != 200 else may_be_valid


@pytest.mark.parametrize("part", ["1" + "0" * 500, f"0:1{'0' * 500}", f"::-1{'0' * 500}", "9" * 1000, "1e400", "," * 1000, "[" * 1000])
def test_a_huge_slice_is_a_problem(http: httpx.Client, part: str) -> None:
    response = http.post("/init", json={"shape": [4, 4], "scheme": "normal", "slice": part})
    assert response.status_code == 200 or is_refused(response, 422)


@pytest.mark.parametrize("field", ["shape", "scheme", "activation", "gain", "name", "unknown"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [300, 10_000])
def test_deeply_nested_json_is_a_problem(http: httpx.Client, field: str, opening: str, closing: str, depth: int) -> None:
    nested = opening * depth + "1" + closing * depth
    assert is_refused(http.post("/init", content=f'{{"{field}": {nested}}}'.encode(), headers=JSON), 400, 413, 422)
    assert is_refused(http.get("/init", params={"shape": "3,5", field: nested[:5000]}), 422)


@pytest.mark.parametrize(
    "body",
    [
        '{"shape": [3, 5], "seed": 1, "seed": 2}',
        '{"shape": [3, 5], "seed": 1, "se\\u0065d": 2}',
        '{"shape": [3, 5], "scheme": {"name": "zeros", "name": "ones"}}',
    ],
)
def test_refuses_duplicate_keys_in_json(http: httpx.Client, body: str) -> None:
    response = http.post("/init", content=body.encode(), headers=JSON)
    assert is_refused(response, 422)
    assert "expected each field once" in response.json()["detail"]


def test_refuses_duplicate_keys_in_json_in_a_query(http: httpx.Client) -> None:
    response = http.get("/init", params={"shape": "3,5", "scheme": '{"name": "zeros", "name": "ones"}'})
    assert "expected each field once" in response.json()["detail"]


# ---- request smuggling


SPECIFICATION = b'{"shape": [2], "seed": 1, "scheme": "zeros"}'
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + SPECIFICATION + HIDDEN,
        POST + b"Content-Length: +5\r\n\r\n" + SPECIFICATION + HIDDEN,
        POST + b"Content-Length: -5\r\n\r\n" + SPECIFICATION + HIDDEN,
        POST + b"Content-Length: 0x5\r\n\r\n" + SPECIFICATION + HIDDEN,
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + SPECIFICATION + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + SPECIFICATION + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + SPECIFICATION + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff1\r\n" + SPECIFICATION + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"X: a\rContent-Length: 0\r\n\r\n" + HIDDEN,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n X: folded\r\n\r\n" + HIDDEN,
        b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n" + HIDDEN,
        b"\x16\x03\x01\x02\x00\x01\x00" + HIDDEN,
    ],
)  # fmt: skip
def test_a_request_of_ambiguous_length_ends_its_connection(server_url: str, request_: bytes) -> None:
    with connected(server_url) as connection:
        connection.sendall(request_)
        received = receive_all(connection)  # returns, because the server closes
    assert b"HTTP/1.1 200 " not in received
    assert received.count(b"HTTP/1.1 ") <= 1
    assert not received or received.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 422 "))


def test_answers_two_pipelined_requests(server_url: str) -> None:
    with connected(server_url) as connection:
        last = HIDDEN.replace(b"Host: x", b"Host: x\r\nConnection: close")
        connection.sendall(
            POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(SPECIFICATION) + SPECIFICATION + b"\r\n0\r\n\r\n" + last
        )
        assert receive_all(connection).count(b"HTTP/1.1 200 ") == 2


def test_unfinished_requests_do_not_delay_other_clients(http: httpx.Client, server_url: str) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connected(server_url)).sendall(b"GET /healthz HTTP/1.1\r\nX-a: ")
        assert http.get("/init?shape=1000,100&seed=1").status_code == 200


# ---- regular expressions


def _patterns() -> dict[str, re.Pattern[Any]]:
    """Return every compiled pattern in the modules of the service."""
    left_out = ("__main__", *(f".tracing.{name}" for name in NEED_TORCH))  # the latter have none
    modules = [row.name for row in pkgutil.walk_packages(service.__path__, "service.") if not row.name.endswith(left_out)]
    return {
        f"{name}.{attribute}": value
        for name in modules
        for attribute, value in vars(importlib.import_module(name)).items()
        if isinstance(value, re.Pattern)
    }


PATTERNS = _patterns()
SEEDS = [
    "1",
    "a",
    "A",
    " ",
    "\t",
    ",",
    ".",
    "-",
    "=",
    ":",
    ";",
    "x",
    "1x",
    "1 x ",
    "x 1",
    "a=",
    "1,",
    "1:",
    " ,",
    "-1",
    "e",
    "1e",
    "a.",
    "/",
    "é",
]
LENGTH = 100_000


def test_finds_the_patterns() -> None:
    assert {"service.web.responses.ranges._RANGE", "service.settings._KEY"} <= set(PATTERNS)


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_takes_linear_time(name: str) -> None:
    pattern = PATTERNS[name]
    for seed in SEEDS:
        for text in (seed * (LENGTH // len(seed)), seed * (LENGTH // len(seed)) + "!", "1" + seed * (LENGTH // len(seed)) + "\n!"):
            given = text.encode() if isinstance(pattern.pattern, bytes) else text
            start = time.thread_time()
            pattern.match(given)
            pattern.fullmatch(given)
            assert time.thread_time() - start < 1, f"{seed!r} takes more than linear time"
