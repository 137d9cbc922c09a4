"""Checkpoints over HTTP: plain files at plain URLs, and the same for a manifest in a body."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jsonschema_rs
import pytest
from safetensors.numpy import load

from service.settings import Settings
from tests.processes import until
from tests.serving import serving

LENET = "/checkpoint/lenet5"
FILE = f"{LENET}/model.safetensors"
MANIFEST: dict[str, Any] = {
    "seed": 7,
    "tensors": [{"name": f"h.{number}.weight", "shape": [64, 64]} for number in range(100)],
    "rules": [{"match": "*.weight", "scheme": "he_normal"}],
}


def fail(response: httpx.Response, status: int, text: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert text in response.json()["detail"]


def test_a_file_has_a_length_an_etag_and_lasts(http: httpx.Client) -> None:
    response = http.get(f"{FILE}?seed=3")
    assert response.status_code == 200
    assert response.headers["Content-Length"] == str(len(response.content))
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="model.safetensors"')
    assert sum(values.size for values in load(response.content).values()) == 61_706
    facts = json.loads(response.headers["Weight-Init"])
    assert (facts["model"], facts["seed"], facts["parameters"]) == ("lenet5", 3, 61_706)
    assert http.get(f"{FILE}?seed=3", headers={"If-None-Match": response.headers["ETag"]}).status_code == 304


def test_the_same_url_gives_the_same_bytes_and_another_seed_others(http: httpx.Client) -> None:
    assert http.get(f"{FILE}?seed=3").content == http.get(f"{FILE}?seed=3").content
    assert http.get(FILE).content == http.get(f"{FILE}?seed=0").content
    assert http.get(FILE).headers["ETag"] != http.get(f"{FILE}?seed=1").headers["ETag"]


def test_a_head_has_the_headers_of_the_get(http: httpx.Client) -> None:
    names = ("Content-Length", "ETag", "Weight-Init", "Accept-Ranges", "Cache-Control", "Content-Type")
    head, get = http.head(FILE), http.get(FILE)
    assert head.content == b""
    assert [head.headers[name] for name in names] == [get.headers[name] for name in names]


@pytest.mark.parametrize("header", ["bytes=0-7", "bytes=1000-250000", "bytes=-1000", "bytes=3-3"])
def test_a_range_is_a_part_of_the_file(http: httpx.Client, header: str) -> None:
    whole = http.get(FILE).content
    part = http.get(FILE, headers={"Range": header})
    assert part.status_code == 206
    span, _, total = part.headers["Content-Range"].removeprefix("bytes ").partition("/")
    start, stop = map(int, span.split("-"))
    assert part.content == whole[start : stop + 1]
    assert int(total) == len(whole)


def test_several_ranges_and_a_condition(http: httpx.Client) -> None:
    assert http.get(FILE, headers={"Range": "bytes=0-9,20-29"}).headers["Content-Type"].startswith("multipart/byteranges")
    assert http.get(FILE, headers={"Range": "bytes=0-9", "If-Range": '"other"'}).status_code == 200
    fail(http.get(FILE, headers={"Range": "bytes=9999999-"}), 416, "Range")
    fail(http.get(FILE, headers={"If-Match": '"other"'}), 412, "If-Match")


def test_a_digest_of_the_file_on_request(http: httpx.Client) -> None:
    import base64
    import hashlib

    response = http.get(FILE, headers={"Want-Repr-Digest": "sha-256=10"})
    digest = base64.b64encode(hashlib.sha256(response.content).digest()).decode()
    assert response.headers["Repr-Digest"] == f"sha-256=:{digest}:"


def test_one_tensor_is_the_one_of_init_and_of_the_file(http: httpx.Client) -> None:
    manifest = http.get(f"{LENET}/manifest.json?seed=3&dtype=float16").json()
    tensors = load(http.get(f"{FILE}?seed=3&dtype=float16").content)
    for row in manifest["tensors"]:
        one = http.get(LENET, params={"seed": 3, "dtype": "float16", "tensor": row["name"], "format": "raw"})
        facts = json.loads(one.headers["Weight-Init"])
        assert facts["name"] == row["name"]
        assert one.content == tensors[row["name"]].tobytes()
    part = http.get(LENET, params={"seed": 3, "tensor": manifest["tensors"][0]["name"], "slice": ":1", "format": "json"})
    assert part.json()["shape"][0] == 1


def test_the_manifest_of_a_preset_gives_the_same_tensors(http: httpx.Client) -> None:
    manifest = http.get(f"{LENET}/manifest.json?seed=3").json()
    assert http.post("/checkpoint", json=manifest).content == http.get(f"{FILE}?seed=3").content


def test_a_manifest_fits_the_published_schema(http: httpx.Client) -> None:
    schema = http.get("/checkpoint/schema").json()
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.validator_for(schema)
    for name in ("lenet5", "gpt2", "resnet18"):
        assert validator.is_valid(http.get(f"/checkpoint/{name}/manifest.json").json()), name
    assert validator.is_valid(MANIFEST)
    assert not validator.is_valid({**MANIFEST, "rules": [{"scheme": "zeros"}]})
    assert not validator.is_valid({**MANIFEST, "tensors": [{"name": "a", "shape": [2], "values": [1], "scheme": "zeros"}]})


def test_shards_have_an_index_and_fit_together(http: httpx.Client) -> None:
    query = "?shard_size=1MB&dtype=float64&layer_sizes=[300,400,100]"
    index = http.get(f"/checkpoint/mlp/model.safetensors.index.json{query}").json()
    whole = load(http.get(f"/checkpoint/mlp/model.safetensors{query}").content)
    files = sorted(set(index["weight_map"].values()))
    assert len(files) > 1
    parts = {name: values for file in files for name, values in load(http.get(f"/checkpoint/mlp/{file}{query}").content).items()}
    assert parts.keys() == whole.keys() == index["weight_map"].keys()
    assert all((parts[name] == whole[name]).all() for name in whole)
    fail(http.get(f"/checkpoint/mlp/model-00001-of-00077.safetensors{query}"), 404, "model-00001-of-00077.safetensors")


def test_a_manifest_in_the_body(http: httpx.Client) -> None:
    response = http.post("/checkpoint", json=MANIFEST)
    assert len(load(response.content)) == 100
    part = http.post("/checkpoint", json=MANIFEST, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, response.content[100:200])
    one = http.post("/checkpoint?tensor=h.7.weight&format=raw", json=MANIFEST)
    assert one.content == http.get("/init?shape=64,64&scheme=he_normal&seed=7&name=h.7.weight&format=raw").content


@pytest.mark.parametrize(
    "body", [{"preset": "lenet5", "seed": 3}, {"preset": "lenet5", "seed": "3"}, {"config": {"model_type": "lenet5"}, "seed": 3}]
)
def test_a_preset_or_a_config_in_the_body(http: httpx.Client, body: dict[str, Any]) -> None:
    assert load(http.post("/checkpoint", json=body).content).keys() == load(http.get(f"{FILE}?seed=3").content).keys()
    one = http.post("/checkpoint?tensor=fc1.weight&format=raw", json=body)
    assert one.content == http.get(f"{LENET}?tensor=fc1.weight&format=raw&seed=3").content


def test_a_config_json_is_the_request(http: httpx.Client) -> None:
    config = http.get("/checkpoint/gpt2/config.json?n_layer=2&dtype=bfloat16").json()
    assert (config["model_type"], config["n_layer"], config["dtype"]) == ("gpt2", 2, "bfloat16")
    posted = http.post("/checkpoint?file=manifest.json", json=config).json()
    assert posted["tensors"] == http.get("/checkpoint/gpt2/manifest.json?n_layer=2").json()["tensors"]
    assert posted["dtype"] == "bfloat16"


def test_a_structured_tensor_in_a_checkpoint(http: httpx.Client) -> None:
    tensors = [{"name": f"w{number}", "shape": [300, 300]} for number in range(3)]
    manifest = {"seed": 1, "tensors": tensors, "defaults": {"scheme": "orthogonal"}}
    response = http.post("/checkpoint", json=manifest)
    assert response.status_code == 200
    assert load(response.content)["w1"].tobytes() == http.get("/init?shape=300,300&scheme=orthogonal&seed=1&name=w1&format=raw").content


def test_the_summary_lists_rules_and_files(http: httpx.Client) -> None:
    summary = http.get("/checkpoint/gpt2").json()
    assert summary["parameters"] == 124_439_808
    assert summary["tied"] == {"lm_head.weight": "transformer.wte.weight"}
    assert sum(rule["tensors"] for rule in summary["rules"]) == summary["tensors"]
    assert summary["files"] == ["model.safetensors"]


def test_the_list_of_presets_has_sizes(http: httpx.Client) -> None:
    presets = {row["name"]: row for row in http.get("/checkpoints").json()["presets"]}
    assert presets["gpt2"]["parameters"] == 124_439_808
    assert presets["llama-3-405b"]["bytes"]["bfloat16"] > 800e9


def test_the_largest_model_answers_at_once_and_at_any_place(http: httpx.Client) -> None:
    url = "/checkpoint/llama-3-405b/model.safetensors?dtype=bfloat16"
    http.head(url)
    start = time.perf_counter()
    nbytes = int(http.head(url).headers["Content-Length"])
    assert time.perf_counter() - start < 1  # 5 ms on a quiet machine
    assert nbytes > 800e9
    last = http.get(url, headers={"Range": f"bytes={nbytes - 16}-"})
    assert (last.status_code, len(last.content)) == (206, 16)
    index = http.get("/checkpoint/llama-3-405b/model.safetensors.index.json?dtype=bfloat16").json()
    assert len(set(index["weight_map"].values())) > 150


def test_the_first_part_of_a_stream_is_computed_and_no_more(http: httpx.Client) -> None:
    with http.stream("GET", "/checkpoint/llama-3-405b/model.safetensors") as response:
        first = next(response.iter_bytes(1 << 20))
    assert len(first) == 1 << 20


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/checkpoint/gpt3", 404, "Did you mean 'gpt2'"),
        (f"{LENET}/model.bin", 404, "model.safetensors"),
        (f"{LENET}/model-00001-of-00002.safetensors", 404, "model-00001-of-00002.safetensors"),
        ("/checkpoint/gpt2?n_layers=2", 422, "n_layer"),
        ("/checkpoint/gpt2?n_head=7", 422, "n_embd"),
        ("/checkpoint/gpt2?n_layer=-1", 422, "n_layer"),
        ("/checkpoint/gpt2?n_layer=two", 422, "n_layer"),
        ("/checkpoint/gpt2?n_layer=1000000", 413, "WEIGHT_INIT_MAX_CHECKPOINT_TENSORS"),
        ("/checkpoint/gpt2?n_layer=1&n_layer=2", 422, "each field once"),
        ("/checkpoint/gpt2?vocab_size=99999999999999", 422, "vocab_size"),
        ("/checkpoint/gpt2?seed=x", 422, "seed"),
        ("/checkpoint/gpt2?seed=18446744073709551616", 422, "seed"),
        ("/checkpoint/gpt2?dtype=int8", 422, "dtype"),
        ("/checkpoint/gpt2?variant=mine", 422, "variant"),
        ("/checkpoint/gpt2?shard_size=3", 422, "shard_size"),
        ("/checkpoint/gpt2?tensor=wte", 422, "tensor"),
        ("/checkpoint/gpt2?format=npy", 422, "Add tensor=NAME"),
    ],
)
def test_a_wrong_url_is_refused(http: httpx.Client, path: str, status: int, text: str) -> None:
    fail(http.get(path), status, text)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({}, 422, "a manifest with `tensors`"),
        ({"preset": "gpt2", "config": {}}, 422, "a manifest with `tensors`"),
        ({"preset": 3}, 422, "preset: expected the name"),
        ({"config": []}, 422, "config: expected the object"),
        ({"preset": "gpt2", "n_layer": 1.5}, 422, "n_layer"),
        ({"preset": "gtp2"}, 422, "gpt2"),
        ({"model_type": "mamba3"}, 422, "weight-init manifest --from-transformers"),
        ({"config": {"hidden_size": 3}}, 422, "model_type"),
        ({"tensors": [{"name": "a", "shape": [2]}]}, 422, "none for a"),
    ],
)
def test_a_wrong_body_is_refused(http: httpx.Client, body: Any, status: int, text: str) -> None:
    fail(http.post("/checkpoint", json=body), status, text)


def test_a_body_that_is_no_json_is_refused(http: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    fail(http.post("/checkpoint", content=b"{", headers=headers), 400, "valid JSON")
    fail(http.post("/checkpoint", content=b'{"a":' + b"[" * 100_000, headers=headers), 400, "nested too deeply")
    fail(http.post("/checkpoint?seed=3", json=MANIFEST), 422, "all else in the body")
    fail(http.post("/checkpoint", content=b"{}", headers={"Content-Type": "text/plain"}), 415, "application/json")
    fail(http.post("/checkpoint?file=config.json", json=MANIFEST), 422, "a manifest, which has no config.json")


@pytest.fixture(scope="module")
def small() -> Iterator[httpx.Client]:
    """A client of a service with small limits."""
    settings = Settings(max_manifest_bytes=10_000, max_checkpoint_tensors=50, max_checkpoint_bytes=1_000_000)
    with serving(settings) as url, httpx.Client(base_url=url) as client:
        yield client


def test_every_limit_is_a_setting(small: httpx.Client) -> None:
    fail(small.post("/checkpoint", json={**MANIFEST, "metadata": {"a": "b" * 10_000}}), 413, "WEIGHT_INIT_MAX_MANIFEST_BYTES")
    fail(small.post("/checkpoint", json=MANIFEST), 413, "WEIGHT_INIT_MAX_CHECKPOINT_TENSORS")
    fail(small.get("/checkpoint/gpt2"), 413, "WEIGHT_INIT_MAX_CHECKPOINT_TENSORS")
    fail(small.get("/checkpoint/gpt2?n_layer=1"), 413, "WEIGHT_INIT_MAX_CHECKPOINT_BYTES")
    assert small.get(LENET).status_code == 200


def test_only_so_many_long_manifests_are_read_at_once() -> None:
    body = json.dumps(MANIFEST | {"metadata": {"a": "b" * 100_000}}).encode()
    headers = {"Content-Type": "application/json"}
    go_on = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield body[:90_000]
        assert go_on.wait(30)
        yield body[90_000:]

    with serving(Settings(max_manifests=1)) as url, httpx.Client(base_url=url) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, f"{url}/checkpoint", content=slowly(), headers=headers)
        until(lambda: client.post("/checkpoint", content=body, headers=headers).status_code == 503)
        assert client.post("/checkpoint", json=MANIFEST).status_code == 200  # a short one needs no permit
        go_on.set()
        assert first.result().status_code == 200
        assert client.post("/checkpoint", content=body, headers=headers).status_code == 200


@pytest.mark.slow
def test_ten_million_tensors_are_too_many(http: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    fail(http.post("/checkpoint", content=b'{"tensors":[' + b",".join([b"{}"] * 10_000_000) + b"]}", headers=headers), 413, "_TENSORS")
    named = b'{"name":"h.0.weight","shape":[8]}'
    fail(http.post("/checkpoint", content=b"[" + b",".join([named] * 1_100_000) + b"]", headers=headers), 413, "MAX_MANIFEST_BYTES")


@pytest.mark.slow
def test_a_hundred_thousand_tensors_are_cached(http: httpx.Client) -> None:
    tensors = [{"name": f"h.{number}.weight", "shape": [8]} for number in range(100_000)]
    body = json.dumps({"tensors": tensors, "defaults": {"scheme": "zeros"}}).encode()
    headers = {"Content-Type": "application/json", "Range": "bytes=0-99"}
    times = []
    for _ in range(3):
        start = time.perf_counter()
        assert http.post("/checkpoint", content=body, headers=headers).status_code == 206
        times.append(time.perf_counter() - start)
    assert min(times[1:]) < times[0] / 2
