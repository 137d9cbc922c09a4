"""Slices: a part of a tensor, with its own header and shape, equal to that part of the whole but computed without it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy

WEIGHT = {"shape": [60, 50], "activation": "relu", "seed": 7}
TRANSPOSED = WEIGHT | {"layout": "keras"}
KERNEL = {"shape": [8, 6, 5, 4], "scheme": "truncated_normal", "seed": 7, "name": "conv"}
HUGE = {"shape": [1_048_576, 262_144], "scheme": "normal", "seed": 7}  # a tebibyte


def fetch(http: httpx.Client, spec: dict[str, Any], **more: Any) -> npt.NDArray[Any]:
    return np.load(io.BytesIO(http.post("/init", json=spec | more).raise_for_status().content))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(
    ("spec", "text", "index"),
    [
        (WEIGHT, "16:32, :", np.s_[16:32, :]),
        (WEIGHT, "16:32", np.s_[16:32]),
        (WEIGHT, ":, 10:20", np.s_[:, 10:20]),
        (WEIGHT, "..., 10:20", np.s_[..., 10:20]),
        (WEIGHT, "::3, ::7", np.s_[::3, ::7]),
        (WEIGHT, "::-1, ::-2", np.s_[::-1, ::-2]),
        (WEIGHT, "50:10:-5, -3:", np.s_[50:10:-5, -3:]),
        (WEIGHT, "-1", np.s_[-1]),
        (WEIGHT, ":, 5", np.s_[:, 5]),
        (WEIGHT, "59, 49", np.s_[59, 49]),
        (WEIGHT, "[4:8, 2]", np.s_[4:8, 2]),
        (WEIGHT, "...", np.s_[...]),
        (WEIGHT, "0:60, 0:50", np.s_[0:60, 0:50]),
        (WEIGHT, "50:70, -99:2", np.s_[50:70, -99:2]),
        (WEIGHT, "60:80", np.s_[60:80]),
        (WEIGHT, "5:5, ::-1", np.s_[5:5, ::-1]),
        (TRANSPOSED, "9:3", np.s_[9:3]),
        (WEIGHT | {"scheme": "orthogonal"}, "5:5", np.s_[5:5]),
        (TRANSPOSED, "16:32, :", np.s_[16:32, :]),
        (TRANSPOSED, ":, 10:20", np.s_[:, 10:20]),
        (TRANSPOSED, "::-3, 5", np.s_[::-3, 5]),
        (KERNEL, "2:4", np.s_[2:4]),
        (KERNEL, ":, 1::2, 0", np.s_[:, 1::2, 0]),
        (KERNEL, "1, ..., 2", np.s_[1, ..., 2]),
        (KERNEL, "..., ::-1", np.s_[..., ::-1]),
        (WEIGHT | {"scheme": "orthogonal"}, ":, 10:20", np.s_[:, 10:20]),
        (WEIGHT | {"scheme": "zeros"}, ":, 10:20", np.s_[:, 10:20]),
    ],
)
def test_a_slice_equals_that_slice_of_the_whole(http: httpx.Client, spec: dict[str, Any], text: str, index: Any, dtype: str) -> None:
    expected = fetch(http, spec, dtype=dtype)[index]
    actual = fetch(http, spec, dtype=dtype, slice=text)
    assert actual.shape == expected.shape
    assert actual.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_get_accepts_a_slice(http: httpx.Client) -> None:
    by_get = http.get("/init?shape=60,50&activation=relu&seed=7&slice=16:32,::-1")
    assert by_get.content == http.post("/init", json=WEIGHT | {"slice": "16:32,::-1"}).content


def test_slices_of_a_tensor_parallel_job_make_up_the_whole(http: httpx.Client) -> None:
    whole = fetch(http, WEIGHT)
    columns = [fetch(http, WEIGHT, slice=f":, {start}:{start + 10}") for start in range(0, 50, 10)]
    rows = [fetch(http, WEIGHT, slice=f"{start}:{start + 15}") for start in range(0, 60, 15)]
    assert np.array_equal(np.concatenate(columns, axis=1), whole)
    assert np.array_equal(np.concatenate(rows), whole)


@pytest.mark.parametrize("name", ["npy", "json", "safetensors", "npz", "raw"])
def test_a_slice_is_a_complete_file_in_every_format(http: httpx.Client, name: str) -> None:
    response = http.post("/init", json=WEIGHT | {"slice": "1:3, ::10", "format": name})
    expected = fetch(http, WEIGHT)[1:3, ::10]
    read: dict[str, Callable[[bytes], npt.NDArray[Any]]] = {
        "npy": lambda content: np.load(io.BytesIO(content)),
        "json": lambda content: np.array(json.loads(content)["data"], np.float32),
        "safetensors": lambda content: safetensors.numpy.load(content)["weight"],
        "npz": lambda content: np.load(io.BytesIO(content))["weight"],
        "raw": lambda content: np.frombuffer(content, "<f4").reshape(2, 5),
    }
    assert np.array_equal(read[name](response.content), expected)
    assert json.loads(response.headers["Weight-Init"])["shape"] == [2, 5]


EMPTY: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    (WEIGHT | {"slice": "60:80"}, (0, 50)),
    ({"shape": [3, 0, 2], "scheme": "normal", "seed": 7}, (3, 0, 2)),
    ({"shape": [0], "scheme": "zeros"}, (0,)),
]


@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
@pytest.mark.parametrize(("spec", "shape"), EMPTY, ids=str)
@pytest.mark.parametrize("name", ["npy", "json", "safetensors", "npz", "raw"])
def test_a_tensor_without_elements_is_a_complete_file_in_every_format(
    http: httpx.Client, name: str, spec: dict[str, Any], shape: tuple[int, ...], method: str
) -> None:
    query = {field: ",".join(map(str, value)) if isinstance(value, list) else value for field, value in spec.items()}
    sent: dict[str, Any] = {"json": spec | {"format": name}} if method == "POST" else {"params": query | {"format": name}}
    response = http.request(method, "/init", headers={"Want-Repr-Digest": "sha-256"}, **sent).raise_for_status()
    assert json.loads(response.headers["Weight-Init"])["shape"] == list(shape)
    if method == "HEAD":
        return
    read: dict[str, Callable[[bytes], tuple[int, ...]]] = {
        "npy": lambda content: np.load(io.BytesIO(content)).shape,
        "json": lambda content: np.array(json.loads(content)["data"]).reshape(json.loads(content)["shape"]).shape,
        "safetensors": lambda content: safetensors.numpy.load(content)["weight"].shape,
        "npz": lambda content: np.load(io.BytesIO(content))["weight"].shape,
        "raw": lambda content: np.frombuffer(content, "<f4").reshape(shape).shape,
    }
    assert read[name](response.content) == shape


def test_the_metadata_describes_the_slice(http: httpx.Client) -> None:
    metadata = json.loads(http.post("/init", json=WEIGHT | {"slice": "1:3, ::10"}).headers["Weight-Init"])
    whole = json.loads(http.post("/init", json=WEIGHT).headers["Weight-Init"])
    assert metadata["slice"] == {"of": [60, 50], "is": "1:3, ::10"}
    assert whole["slice"] is None
    for fact in ("scheme", "fan_in", "fan_out", "stddev"):  # a slice has the fans and the scale of the whole
        assert metadata[fact] == whole[fact]


def test_a_slice_has_its_own_etag_ranges_and_digest(http: httpx.Client) -> None:
    part = http.post("/init", json=WEIGHT | {"slice": "16:32"})
    assert part.headers["ETag"] != http.post("/init", json=WEIGHT).headers["ETag"]
    ranged = http.post("/init", json=WEIGHT | {"slice": "16:32"}, headers={"Range": "bytes=-100", "Want-Repr-Digest": "sha-256"})
    assert ranged.content == part.content[-100:]
    assert ranged.headers["Content-Range"].endswith(f"/{len(part.content)}")
    assert ranged.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(hashlib.sha256(part.content).digest()).decode()}:"


@pytest.mark.parametrize(
    ("text", "shape"),
    [("-4:, :8", (4, 8)), (":8, -4:", (8, 4)), ("::-131072, ::65536", (8, 4)), ("1048575, 262143", ())],
)
def test_computes_a_slice_of_a_tebibyte_without_the_rest(http: httpx.Client, text: str, shape: tuple[int, ...]) -> None:
    assert fetch(http, HUGE, slice=text).shape == shape


def test_limits_apply_to_the_slice(http: httpx.Client) -> None:
    larger = HUGE | {"shape": [1_048_577, 262_144]}
    assert http.post("/init", json=larger).status_code == 413
    assert http.post("/init", json=larger | {"slice": "-1"}).status_code == 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60", "an index within axis 0 of length 60"),
        ("-61", "an index within axis 0 of length 60"),
        (":, 50", "an index within axis 1 of length 50"),
        ("::0", "a step other than 0"),
        (":, :, :", "at most 2 indices"),
        ("a:b", "integers and start:stop:step"),
        ("1:2:3:4", "integers and start:stop:step"),
        ("1.5", "integers and start:stop:step"),
        ("", "integers and start:stop:step"),
        ("..., ...", "integers and start:stop:step"),
    ],
)
def test_refuses_an_invalid_slice_and_names_the_shape(http: httpx.Client, text: str, expected: str) -> None:
    for response in (http.post("/init", json=WEIGHT | {"slice": text}), http.get("/init", params={"shape": "60,50", "slice": text})):
        assert response.status_code == 422
        error = response.json()["errors"][0]
        assert error["field"] == "slice"
        assert expected in error["expected"]
        assert "the shape [60, 50]" in error["expected"]
        assert error["received"] == repr(text)


@pytest.mark.parametrize("scheme", ["identity", "orthogonal", "icnr&upscale=1", "normal", "sparse&sparsity=0.5"])
@pytest.mark.parametrize("step", ["9999999999999999999", "-9999999999999999999", "2147483648", "-5"])
def test_a_step_beyond_the_axis_selects_one_element(http: httpx.Client, scheme: str, step: str) -> None:
    query = f"/init?shape=4,4{',1' if scheme.startswith('icnr') else ''}&scheme={scheme}&seed=7&format=raw"
    one = "-1" if step.startswith("-") else "0"
    part = http.get(f"{query}&slice=::{step}")
    assert part.status_code == 200
    assert part.content == http.get(f"{query}&slice={one}").content
