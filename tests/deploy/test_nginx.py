"""nginx itself, with deploy/nginx.conf: what it keeps is what the service would answer."""

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
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")  # which not everybody has in their path
QUERY = "/init?shape=2000,1500&activation=relu&seed=7&name=encoder.0"  # 12 MB: a dozen slices

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def configured(folder: Path, url: str) -> str:
    """The configuration, moved: into a folder, before this service, and to a socket there, since nginx cannot choose a free port."""
    moves = {"listen 8080;": f"listen unix:{folder}/socket;", "server weight-init:8000;": f"server {url.removeprefix('http://')};"}
    text = CONFIGURATION
    for here, there in moves.items():
        assert text.count(here) == 1
        text = text.replace(here, there)
    text = re.sub(r"(?<=\s)/(tmp|var/cache/nginx|dev)/", f"{folder}/", text)
    return ("user root;\n" if os.geteuid() == 0 else "") + text


@pytest.fixture(scope="module")
def nginx(server_url: str) -> Iterator[httpx.Client]:
    """A client of it. Its folder is not pytest's, whose path may be longer than that of a socket can be."""
    with tempfile.TemporaryDirectory() as prefix:
        folder = Path(prefix)
        (folder / "nginx.conf").write_text(configured(folder, server_url), "utf-8")
        command = [NGINX or "", "-p", prefix, "-c", "nginx.conf", "-e", f"{prefix}/stderr", "-g", "daemon off;"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
            try:
                while not (folder / "nginx.pid").exists():  # it listens before it writes this
                    assert running.poll() is None, (folder / "stderr").read_text("utf-8")
                    time.sleep(0.01)
                with httpx.Client(base_url="http://x", transport=httpx.HTTPTransport(uds=f"{prefix}/socket"), timeout=60) as client:
                    yield client
            finally:
                running.terminate()


@needs_nginx
def test_a_range_that_is_asked_for_again_comes_from_the_cache_and_is_the_same(nginx: httpx.Client, http: httpx.Client) -> None:
    content = http.get(QUERY).content
    first, again, within, elsewhere = (
        nginx.get(QUERY, headers={"Range": f"bytes={start}-{stop}"})
        for start, stop in [(1_500_000, 3_499_999), (1_500_000, 3_499_999), (2_000_000, 2_000_099), (9_000_000, 9_000_099)]
    )
    assert [answer.headers["X-Cache-Status"] for answer in (first, again, within, elsewhere)] == ["MISS", "HIT", "HIT", "MISS"]
    assert first.status_code == again.status_code == 206
    assert first.content == again.content == content[1_500_000:3_500_000]
    assert within.content == content[2_000_000:2_000_100]
    assert elsewhere.content == content[9_000_000:9_000_100]


@needs_nginx
def test_a_whole_file_is_put_together_from_the_parts_that_are_there(nginx: httpx.Client, http: httpx.Client) -> None:
    query = f"{QUERY}&format=raw"
    nginx.get(query, headers={"Range": "bytes=0-99"})
    whole = nginx.get(query)
    assert (whole.status_code, whole.headers["X-Cache-Status"]) == (200, "HIT")
    assert whole.content == http.get(query).content
    assert whole.headers["ETag"] == http.head(query).headers["ETag"]


@needs_nginx
def test_what_is_posted_passes_through(nginx: httpx.Client, http: httpx.Client) -> None:
    request = {"shape": [1100, 1000], "activation": "relu", "seed": 7}
    answer = nginx.post("/init", json=request)
    assert answer.status_code == 200
    assert answer.content == http.post("/init", json=request).content


@needs_nginx
def test_an_answer_without_a_seed_is_never_kept(nginx: httpx.Client) -> None:
    first, second = (nginx.get("/init?shape=100,100&activation=relu") for _ in range(2))
    assert first.content != second.content


@needs_nginx
def test_who_shows_a_key_is_answered_by_the_service(nginx: httpx.Client) -> None:
    query = f"{QUERY}&slice=:10"
    answers = [nginx.get(query, headers={"Authorization": "Bearer key"}) for _ in range(2)]
    assert [answer.headers["X-Cache-Status"] for answer in answers] == ["BYPASS", "BYPASS"]
    assert nginx.get(query).headers["X-Cache-Status"] == "MISS", "nor is it kept for those who show none"


@needs_nginx
def test_the_rest_passes_through_but_for_the_metrics(nginx: httpx.Client) -> None:
    assert nginx.get("/recommend?activation=relu").json()["scheme"] == "he_normal"
    assert nginx.get("/metrics").status_code == 404


def test_the_page_on_operations_shows_a_piece_of_it() -> None:
    (shown,) = blocks((ROOT / "docs" / "operations.md").read_text("utf-8"), "nginx")
    assert _directives(shown.replace("127.0.0.1:8000", "weight-init")) <= _directives(CONFIGURATION)


def _directives(text: str) -> set[str]:
    return {" ".join(line.split()) for line in text.splitlines()}
