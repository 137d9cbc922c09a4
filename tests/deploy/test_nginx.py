"""A real nginx with deploy/nginx.conf: its cache returns what the service would return."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.console import blocks

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")  # often not in a user's path
QUERY = "/init?shape=2000,1500&activation=relu&seed=7&name=encoder.0"  # 12 MB: a dozen slices

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def configured(folder: Path, url: str) -> str:
    """Return the configuration with its files in a folder, `url` as the service, and a socket, as nginx cannot choose a free port."""
    replacements = {"listen 8080;": f"listen unix:{folder}/socket;", "server weight-init:8000;": f"server {url.removeprefix('http://')};"}
    text = CONFIGURATION
    for old, new in replacements.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    text = re.sub(r"(?<=\s)/(tmp|var/cache/nginx|dev)/", f"{folder}/", text)
    return ("user root;\n" if os.geteuid() == 0 else "") + text


@pytest.fixture(scope="module")
def nginx(server_url: str) -> Iterator[httpx.Client]:
    """A client of nginx. Its folder is not pytest's, whose path can be too long for a socket."""
    with tempfile.TemporaryDirectory() as prefix:
        folder = Path(prefix)
        (folder / "nginx.conf").write_text(configured(folder, server_url), "utf-8")
        command = [NGINX or "", "-p", prefix, "-c", "nginx.conf", "-e", f"{prefix}/stderr", "-g", "daemon off;"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                while not (folder / "nginx.pid").exists():  # nginx listens before it writes this file
                    assert process.poll() is None, (folder / "stderr").read_text("utf-8")
                    time.sleep(0.01)
                with httpx.Client(base_url="http://x", transport=httpx.HTTPTransport(uds=f"{prefix}/socket"), timeout=60) as client:
                    yield client
            finally:
                process.terminate()


@needs_nginx
def test_a_repeated_range_comes_from_the_cache_unchanged(nginx: httpx.Client, http: httpx.Client) -> None:
    content = http.get(QUERY).content
    first, repeated, within, elsewhere = (
        nginx.get(QUERY, headers={"Range": f"bytes={start}-{stop}"})
        for start, stop in [(1_500_000, 3_499_999), (1_500_000, 3_499_999), (2_000_000, 2_000_099), (9_000_000, 9_000_099)]
    )
    assert [response.headers["X-Cache-Status"] for response in (first, repeated, within, elsewhere)] == ["MISS", "HIT", "HIT", "MISS"]
    assert first.status_code == repeated.status_code == 206
    assert first.content == repeated.content == content[1_500_000:3_500_000]
    assert within.content == content[2_000_000:2_000_100]
    assert elsewhere.content == content[9_000_000:9_000_100]


@needs_nginx
def test_a_whole_file_is_assembled_from_cached_slices(nginx: httpx.Client, http: httpx.Client) -> None:
    query = f"{QUERY}&format=raw"
    nginx.get(query, headers={"Range": "bytes=0-99"})
    whole = nginx.get(query)
    assert (whole.status_code, whole.headers["X-Cache-Status"]) == (200, "HIT")
    assert whole.content == http.get(query).content
    assert whole.headers["ETag"] == http.head(query).headers["ETag"]


@needs_nginx
def test_a_post_request_is_passed_to_the_service(nginx: httpx.Client, http: httpx.Client) -> None:
    request = {"shape": [1100, 1000], "activation": "relu", "seed": 7}
    response = nginx.post("/init", json=request)
    assert response.status_code == 200
    assert response.content == http.post("/init", json=request).content


@needs_nginx
def test_a_part_of_a_file_of_the_hub_comes_from_the_cache(nginx: httpx.Client, http: httpx.Client) -> None:
    url, part = "/weight-init/lenet5/resolve/seed%3D7%2Cnum_classes%3D9000/model.safetensors", {"Range": "bytes=1500000-2499999"}
    first, second, own = nginx.get(url, headers=part), nginx.get(url, headers=part), http.get(url, headers=part)
    assert (first.status_code, second.headers["X-Cache-Status"]) == (206, "HIT")
    assert first.content == second.content == own.content
    assert second.headers["X-Repo-Commit"] == own.headers["X-Repo-Commit"]


def test_a_part_of_a_checkpoint_comes_from_the_cache(nginx: httpx.Client, http: httpx.Client) -> None:
    url, part = "/checkpoint/mlp/model.safetensors?layer_sizes=1000,1000", {"Range": "bytes=1500000-2499999"}
    first, repeated = (nginx.get(url, headers=part) for _ in range(2))
    assert [response.headers["X-Cache-Status"] for response in (first, repeated)] == ["MISS", "HIT"]
    assert first.status_code == repeated.status_code == 206
    assert first.content == repeated.content == http.get(url).content[1_500_000:2_500_000]


@needs_nginx
def test_a_long_manifest_is_passed_to_the_service(nginx: httpx.Client, http: httpx.Client) -> None:
    tensors = [{"name": f"h.{number}", "shape": [4], "scheme": "he_normal", "fan_in": 4} for number in range(3000)]
    response = nginx.post("/checkpoint", json={"tensors": tensors})
    assert response.status_code == 200
    assert response.content == http.post("/checkpoint", json={"tensors": tensors}).content


@needs_nginx
def test_a_response_without_a_seed_is_never_cached(nginx: httpx.Client) -> None:
    first, second = (nginx.get("/init?shape=100,100&activation=relu") for _ in range(2))
    assert first.content != second.content


@needs_nginx
def test_a_request_with_a_key_bypasses_the_cache(nginx: httpx.Client) -> None:
    query = f"{QUERY}&slice=:10"
    responses = [nginx.get(query, headers={"Authorization": "Bearer key"}) for _ in range(2)]
    assert [response.headers["X-Cache-Status"] for response in responses] == ["BYPASS", "BYPASS"]
    assert nginx.get(query).headers["X-Cache-Status"] == "MISS", "nor is the response cached for clients without a key"


@needs_nginx
def test_other_routes_are_passed_to_the_service_except_the_metrics(nginx: httpx.Client) -> None:
    assert nginx.get("/recommend?activation=relu").json()["scheme"] == "he_normal"
    assert nginx.get("/metrics").status_code == 404


def test_the_operations_page_shows_a_part_of_the_configuration() -> None:
    (shown,) = blocks((ROOT / "docs" / "operations.md").read_text("utf-8"), "nginx")
    assert _directives(shown.replace("127.0.0.1:8000", "weight-init")) <= _directives(CONFIGURATION)


def _directives(text: str) -> set[str]:
    return {" ".join(line.split()) for line in text.splitlines()}
