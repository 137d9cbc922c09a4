"""POST, GET and HEAD /init over a socket."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy

from service.settings import Settings
from tests.serving import serving

SPEC: dict[str, Any] = {"shape": [256, 784], "activation": "relu", "seed": 7}
QUERY = "/init?shape=256,784&activation=relu&seed=7"


def metadata(response: httpx.Response) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(response.headers["Weight-Init"])
    return content


def test_post_returns_npy(http: httpx.Client) -> None:
    response = http.post("/init", json=SPEC)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/x-npy"
    weights = np.load(io.BytesIO(response.content))
    assert (weights.shape, weights.dtype) == ((256, 784), np.float32)
    # 200,704 values: five standard errors of a standard deviation are 5/√(2n) = 0.8%
    assert weights.std() == pytest.approx((2 / 784) ** 0.5, rel=0.008)
    assert metadata(response)["scheme"] == "he_normal"


def test_get_and_post_return_the_same_bytes(http: httpx.Client) -> None:
    by_get, by_post = http.get(QUERY), http.post("/init", json=SPEC)
    assert by_get.content == by_post.content
    assert by_get.headers["ETag"] == by_post.headers["ETag"]


def test_head_returns_only_headers(http: httpx.Client) -> None:
    head, get = http.head(QUERY), http.get(QUERY)
    assert head.content == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Weight-Init", "Cache-Control", "Accept-Ranges", "Content-Disposition"):
        assert head.headers[name] == get.headers[name]


def test_head_of_a_terabyte_is_quick(http: httpx.Client) -> None:
    head = http.head("/init?shape=262144,1048576&scheme=normal&seed=1&format=raw")
    assert head.headers["Content-Length"] == str(2**40)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/x-npy"),
        ("application/json", "application/json"),
        ("application/x-safetensors", "application/x-safetensors"),
        ("application/octet-stream", "application/octet-stream"),
        ("application/zip", "application/x-npz"),
        ("text/html, application/json;q=0.5", "application/json"),
        ("application/x-npy;q=0.1, application/json", "application/json"),
        ("application/*;q=0.5, application/x-npy;q=0", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/x-npy"),
        ("", "application/x-npy"),
    ],
)
def test_accept_selects_the_format(http: httpx.Client, accept: str, media_type: str) -> None:
    response = http.get("/init?shape=3,5&seed=7", headers={"Accept": accept})
    assert response.headers["Content-Type"] == media_type
    assert response.headers["Vary"] == "Accept"


@pytest.mark.parametrize("accept", ["text/html", "image/*", "*/*;q=0", "application/json;q=0", "nonsense", "*/*;q=x"])
def test_refuses_an_accept_header_that_allows_no_format(http: httpx.Client, accept: str) -> None:
    response = http.get("/init?shape=3,5", headers={"Accept": accept})
    assert response.status_code == 406
    assert "application/x-npy" in response.json()["detail"]


def test_the_field_format_overrides_accept(http: httpx.Client) -> None:
    response = http.get("/init?shape=3,5&format=json", headers={"Accept": "application/x-npy"})
    assert response.headers["Content-Type"] == "application/json"


def test_every_format_contains_the_same_values(http: httpx.Client) -> None:
    contents = {name: http.post("/init", json=SPEC | {"format": name}).content for name in ("npy", "json", "safetensors", "npz", "raw")}
    weights = np.load(io.BytesIO(contents["npy"]))
    assert np.array_equal(np.array(json.loads(contents["json"])["data"], np.float32), weights)
    assert np.array_equal(safetensors.numpy.load(contents["safetensors"])["weight"], weights)
    assert np.array_equal(np.load(io.BytesIO(contents["npz"]))["weight"], weights)
    assert np.array_equal(np.frombuffer(contents["raw"], "<f4").reshape(256, 784), weights)


def test_json_contains_the_metadata(http: httpx.Client) -> None:
    response = http.post("/init", json=SPEC | {"shape": [3, 5], "format": "json"})
    assert response.json()["metadata"] == metadata(response)
    assert response.json()["shape"] == [3, 5]


@pytest.mark.parametrize("name", ["npy", "npz"])
def test_refuses_bfloat16_in_numpy_formats_and_names_others(http: httpx.Client, name: str) -> None:
    response = http.post("/init", json=SPEC | {"dtype": "bfloat16", "format": name})
    assert response.status_code == 422
    assert "safetensors or raw" in response.json()["detail"]


def test_a_tensor_of_many_blocks_is_complete(http: httpx.Client) -> None:
    query = "/init?shape=1500,1000&scheme=normal&seed=7&format=raw"
    whole = http.get(query).content
    assert len(whole) == 6_000_000
    rows = b"".join(http.get(f"{query}&slice={start}:{start + 500}").content for start in (0, 500, 1000))
    assert whole == rows


def test_headers_are_ascii_for_any_name(http: httpx.Client) -> None:
    response = http.post("/init", json=SPEC | {"name": '層/é "w"; x=1'})
    assert response.headers["Weight-Init"].isascii()
    assert metadata(response)["name"] == '層/é "w"; x=1'
    assert response.headers["Content-Disposition"] == (
        "attachment; filename=\"_____w___x_1.npy\"; filename*=UTF-8''%E5%B1%A4_%C3%A9%20%22w%22%3B%20x%3D1.npy"
    )


def test_a_response_without_a_seed_is_not_cached(http: httpx.Client) -> None:
    response = http.get("/init?shape=3,5")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Accept-Ranges"] == "none"
    assert "ETag" not in response.headers
    assert isinstance(metadata(response)["seed"], int)
    assert http.get("/init?shape=3,5").content != response.content


def test_applies_the_limits_of_the_settings() -> None:
    with serving(Settings(max_tensor_bytes=1000, max_json_elements=100)) as url, httpx.Client(base_url=url) as small:
        too_large = small.get("/init?shape=1000,1000")
        too_long = small.get("/init?shape=11,11&dtype=float16&format=json")
        assert small.get("/init?shape=10,10&format=json&seed=7").status_code == 200
    assert (too_large.status_code, too_long.status_code) == (413, 413)
    assert "at most 1000 bytes (WEIGHT_INIT_MAX_TENSOR_BYTES); received 4000000" in too_large.json()["detail"]
    assert "at most 100 elements in JSON" in too_long.json()["detail"]


def test_draws_what_is_recommended_for_the_layer(http: httpx.Client) -> None:
    fields = {"shape": [768, 3072], "layer": "residual_output", "num_layers": 12, "seed": 7}
    posted = http.post("/init", json=fields)
    queried = http.get("/init?shape=768,3072&layer=residual_output&num_layers=12&seed=7")
    advised = http.get("/recommend?layer=residual_output&num_layers=12&fan_in=3072&fan_out=768").json()
    assert posted.content == queried.content
    drawn = metadata(posted)
    assert (drawn["scheme"], drawn["stddev"]) == (advised["scheme"], advised["stddev"]) == ("gpt2_residual", 0.02 / 24**0.5)
    # 2,359,296 values: five standard errors of a standard deviation are 5/√(2n) = 0.23%
    assert np.load(io.BytesIO(posted.content)).std() == pytest.approx(0.02 / 24**0.5, rel=0.0023)
