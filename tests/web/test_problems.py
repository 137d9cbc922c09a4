"""Every error has the same shape and says what was expected."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from service.contract import catalogue
from service.settings import Settings
from tests.serving import serving

JSON = {"Content-Type": "application/json"}


def problem_in(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    content: dict[str, Any] = response.json()
    assert content["status"] == status
    assert set(content) - {"errors"} == {"type", "title", "status", "detail"}
    assert "Traceback" not in response.text
    return content


def test_rejects_malformed_json(http: httpx.Client) -> None:
    content = problem_in(http.post("/init", content=b'{"shape": [3,', headers=JSON), 400)
    assert content["errors"][0]["field"] == "body"
    assert "EOF" in content["detail"]


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 100_000, b'{"shape":' + b"[" * 50_000])
def test_rejects_a_body_that_is_not_json(http: httpx.Client, body: bytes) -> None:
    assert http.post("/init", content=body, headers=JSON).status_code in (400, 413)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_rejects_a_body_that_is_not_declared_as_json(http: httpx.Client, content_type: str) -> None:
    content = problem_in(http.post("/init", content=b'{"shape": [3, 5]}', headers={"Content-Type": content_type}), 415)
    assert "Send the header Content-Type: application/json" in content["detail"]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"])
def test_accepts_every_media_type_of_json(http: httpx.Client, content_type: str) -> None:
    assert http.post("/init", content=b'{"shape": [3, 5]}', headers={"Content-Type": content_type}).status_code == 200


def test_rejects_a_body_that_is_too_long() -> None:
    with serving(Settings(max_body_bytes=1000)) as url:
        response = httpx.post(f"{url}/init", content=b'{"shape": [3, 5]' + b" " * 1000 + b"}", headers=JSON)
    assert "at most 1000 bytes (WEIGHT_INIT_MAX_BODY_BYTES)" in problem_in(response, 413)["detail"]


def test_names_the_wrong_field_and_what_was_expected(http: httpx.Client) -> None:
    content = problem_in(http.post("/init", json={"shape": [3, 5], "scheme": "normal", "stddev": -1}), 422)
    assert content["errors"] == [
        {
            "field": "stddev",
            "expected": "a finite number, at least 0 for normal",
            "received": "-1",
            "action": "stddev is the standard deviation of the normal.",
        }
    ]


def test_names_every_field_with_a_wrong_type(http: httpx.Client) -> None:
    content = problem_in(http.post("/init", json={"shape": "x", "seed": 1.5, "dtype": 3}), 422)
    assert [row["field"] for row in content["errors"]] == ["shape", "dtype", "seed"]


def test_checks_a_query_like_a_body(http: httpx.Client) -> None:
    assert "Did you mean 'seed'" in problem_in(http.get("/init?shape=3,5&sede=1"), 422)["detail"]
    assert "each field once" in problem_in(http.get("/init?shape=3,5&seed=1&seed=2"), 422)["detail"]
    assert "lengths of the dimensions" in problem_in(http.get("/init?shape="), 422)["detail"]
    assert "lengths of the dimensions" in problem_in(http.get("/init"), 422)["detail"]


def test_names_the_limit_that_a_tensor_exceeds(http: httpx.Client) -> None:
    assert "WEIGHT_INIT_MAX_TENSOR_BYTES" in problem_in(http.get("/init?shape=1048577,1048576"), 413)["detail"]
    assert "WEIGHT_INIT_MAX_JSON_ELEMENTS" in problem_in(http.get("/init?shape=1001,1000&format=json"), 413)["detail"]


def test_lists_the_routes_if_the_path_is_unknown(http: httpx.Client) -> None:
    assert "/recommend" in problem_in(http.get("/initialize"), 404)["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("PUT", "/init", "GET, HEAD, POST"), ("DELETE", "/schemes", "GET, HEAD"), ("POST", "/recommend", "GET, HEAD")],
)
def test_lists_the_allowed_methods_if_the_method_is_wrong(http: httpx.Client, method: str, path: str, allow: str) -> None:
    response = http.request(method, path)
    problem_in(response, 405)
    assert response.headers["Allow"] == allow


def test_logs_an_unexpected_exception_and_does_not_show_it(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(catalogue, "schemes", broken)
    with caplog.at_level(logging.ERROR, "weight_init.web"):
        content = problem_in(http.get("/schemes"), 500)
    assert "secret" not in str(content)
    assert "the secret inside" in caplog.text
