"""Repr-Digest: the digest of the whole file, for clients that check what they wrote."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any

import httpx
import pytest

from service.files.virtual import Buffer
from service.settings import Settings
from service.web.app import create_app
from service.web.protection.computations import Computations
from service.web.responses import streaming
from service.web.responses.digests import Digests, Open, wanted_algorithm
from service.web.responses.streaming import StreamedResponse
from tests.serving import serving

QUERY = "/init?shape=256,784&activation=relu&seed=7"
SPEC = {"shape": [256, 784], "activation": "relu", "seed": 7}
WANT_SHA_256 = {"Want-Repr-Digest": "sha-256=10"}
ETAG = '"strong"'


def digest(content: bytes, algorithm: str = "sha-256") -> str:
    """Return the field value of RFC 9530: the algorithm, and a byte sequence of structured fields (base64 between colons)."""
    hashed = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(hashed).decode()}:"


# responses


@pytest.mark.parametrize("name", ["npy", "json", "safetensors", "npz", "raw"])
def test_every_format_has_the_digest_of_its_file(http: httpx.Client, name: str) -> None:
    response = http.get(f"{QUERY}&format={name}", headers=WANT_SHA_256)
    assert response.headers["Repr-Digest"] == digest(response.content)
    assert response.content == http.get(f"{QUERY}&format={name}").content


@pytest.mark.parametrize(
    "query",
    [
        "shape=1500,1000&scheme=normal&seed=7&format=raw",
        "shape=3,5&seed=7",
        "shape=1&scheme=ones",
        "shape=200,100&scheme=orthogonal&seed=7",
        "shape=200,100&scheme=normal",
        "shape=200,100&scheme=orthogonal",
    ],
    ids=["many blocks", "a few bytes", "one element", "computed whole", "no seed", "computed whole, no seed"],
)
def test_the_digest_is_that_of_the_content(http: httpx.Client, query: str) -> None:
    response = http.get(f"/init?{query}", headers=WANT_SHA_256)
    assert response.status_code == 200
    assert response.headers["Repr-Digest"] == digest(response.content)


def test_post_and_head_have_the_digest(http: httpx.Client) -> None:
    get = http.get(QUERY, headers=WANT_SHA_256).headers["Repr-Digest"]
    head = http.head(QUERY, headers=WANT_SHA_256)
    assert head.content == b""
    assert get == head.headers["Repr-Digest"] == http.post("/init", json=SPEC, headers=WANT_SHA_256).headers["Repr-Digest"]


@pytest.mark.parametrize("header", ["bytes=0-9", "bytes=-1", "bytes=0-1,5-6"])
def test_a_range_has_the_digest_of_the_whole_file(http: httpx.Client, header: str) -> None:
    for method in ("GET", "HEAD"):
        part = http.request(method, QUERY, headers=WANT_SHA_256 | {"Range": header})
        assert part.status_code == 206
        assert part.headers["Repr-Digest"] == digest(http.get(QUERY).content)


def test_sends_no_digest_unless_requested(http: httpx.Client) -> None:
    assert "Repr-Digest" not in http.get(QUERY).headers
    assert "Repr-Digest" not in http.get(QUERY, headers={"Want-Repr-Digest": "sha-256=0, md5=10"}).headers


def test_304_and_416_have_no_digest(http: httpx.Client) -> None:
    etag = http.head(QUERY).headers["ETag"]
    for status, header in ((304, {"If-None-Match": etag}), (416, {"Range": "bytes=99999999-"})):
        response = http.get(QUERY, headers=WANT_SHA_256 | header)
        assert response.status_code == status
        assert "Repr-Digest" not in response.headers


def test_joins_several_headers_into_one_list(http: httpx.Client) -> None:
    headers = [("Want-Repr-Digest", "sha-256=1"), ("Want-Repr-Digest", "sha-512=2")]
    assert http.get(QUERY, headers=headers).headers["Repr-Digest"] == digest(http.get(QUERY).content, "sha-512")


def test_sends_no_digest_above_the_limit() -> None:
    with serving(Settings(max_compute_s=0.01)) as url:  # about 10 MB of SHA-256
        below, above = (httpx.get(f"{url}/init?shape={size}&scheme=zeros", headers=WANT_SHA_256) for size in (1 << 20, 1 << 23))
    assert "Repr-Digest" in below.headers
    assert "Repr-Digest" not in above.headers
    assert (below.status_code, above.status_code) == (200, 200)


def test_the_limit_counts_seconds_and_not_bytes() -> None:
    """Eight gibibytes of a normal are hashed; of a formula with logarithms they would take half an hour."""
    with serving(Settings()) as url:
        chrono = httpx.head(f"{url}/init?shape=4294967296&scheme=chrono&t_max=100&dtype=float16", headers=WANT_SHA_256)
    assert chrono.status_code == 200
    assert "Repr-Digest" not in chrono.headers


# the preferred algorithm


@pytest.mark.parametrize(
    ("header", "algorithm"),
    [
        ("sha-256=10", "sha-256"),
        ("sha-256", "sha-256"),
        ("sha-512=1", "sha-512"),
        ("sha-256=3, sha-512=5", "sha-512"),
        ("sha-512=5,sha-256=5", "sha-256"),
        ("md5=10, sha-512=1", "sha-512"),
        ("sha-256=0, sha-512=1", "sha-512"),
        ("sha-256=10;a=b", "sha-256"),
        ("sha-256=1, sha-256=0", None),
        ("SHA-256=10", "sha-256"),
        ("sha-256=0", None),
        ("md5=10", None),
        ("sha-256=11", None),
        ("sha-256=-1", None),
        ("sha-256=0.5", None),
        ("sha-256=x", None),
        ("sha-256=10 sha-512=10", None),
        ("=,;", None),
        ("", None),
    ],
)
def test_selects_the_preferred_algorithm_among_the_known_ones(header: str, algorithm: str | None) -> None:
    assert wanted_algorithm(header) == algorithm


# sharing and stopping computations


class Content:
    """Two blocks, of which the second waits for `go_on`. Counts how often the content is opened and closed."""

    def __init__(self) -> None:
        self.starts = self.ends = 0
        self.go_on = threading.Event()

    def __call__(self) -> Iterator[Buffer]:
        self.starts += 1
        try:
            yield b"some "
            while not self.go_on.wait(0.002):
                yield b""  # between blocks, a digest may stop
            yield b"bytes"
        finally:
            self.ends += 1


def digests_of(content: Open, *, cache_size: int = 4096) -> Callable[[str, str], Coroutine[Any, Any, str]]:
    """Return a function of an algorithm and an ETag that returns the digest of `content`, and caches it."""
    digests = Digests(Computations(30, threads=2, short_s=streaming.SHORT_S, short_executor=streaming.short_pool), cache_size)
    return lambda algorithm, etag: digests.field(algorithm, content, etag, cost_s=1)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def test_computes_a_digest_once_for_concurrent_and_later_requests() -> None:
    async def scenario() -> None:
        content = Content()
        field = digests_of(content)
        requests = [asyncio.create_task(field("sha-256", ETAG)) for _ in range(10)]
        await until(lambda: content.starts == 1)
        content.go_on.set()
        assert set(await asyncio.gather(*requests)) == {digest(b"some bytes")}
        assert await field("sha-256", ETAG) == digest(b"some bytes")
        assert content.starts == 1
        assert await field("sha-512", ETAG) == digest(b"some bytes", "sha-512")
        assert await field("sha-256", '"other"') == digest(b"some bytes")
        assert content.starts == 3

    asyncio.run(scenario())


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_caches_nothing_without_a_strong_etag(etag: str) -> None:
    async def scenario() -> None:
        content = Content()
        field = digests_of(content)
        content.go_on.set()
        for _ in range(2):
            await field("sha-256", etag)
        assert content.starts == 2

    asyncio.run(scenario())


def test_shares_nothing_without_an_etag() -> None:
    async def scenario() -> None:
        content = Content()
        field = digests_of(content)
        requests = [asyncio.create_task(field("sha-256", "")) for _ in range(2)]
        content.go_on.set()
        await asyncio.gather(*requests)
        assert content.starts == 2

    asyncio.run(scenario())


def test_forgets_the_least_recently_used_digest() -> None:
    async def scenario() -> None:
        content = Content()
        field = digests_of(content, cache_size=2)
        content.go_on.set()
        for etag in ('"a"', '"b"', '"a"', '"c"'):
            await field("sha-256", etag)
        assert content.starts == 3
        await field("sha-256", '"a"')
        assert content.starts == 3
        await field("sha-256", '"b"')
        assert content.starts == 4

    asyncio.run(scenario())


def test_stops_computing_only_when_the_last_client_disconnects() -> None:
    async def scenario() -> None:
        content = Content()
        field = digests_of(content)
        first, second = (asyncio.create_task(field("sha-256", ETAG)) for _ in range(2))
        await until(lambda: content.starts == 1)
        first.cancel()
        await asyncio.wait([first])
        assert content.ends == 0
        second.cancel()
        await asyncio.wait([second])
        third = asyncio.create_task(field("sha-256", ETAG))  # at once, while the work of the others still ends
        await until(lambda: (content.starts, content.ends) == (2, 1))
        content.go_on.set()
        assert await third == digest(b"some bytes")
        assert (content.starts, content.ends) == (2, 2)

    asyncio.run(scenario())


def test_a_failure_reaches_all_requests_and_is_not_cached() -> None:
    failures, both_wait = iter([True, False]), threading.Event()

    def content() -> Iterator[Buffer]:
        if both_wait.wait(20) and next(failures):
            raise MemoryError
        return iter([b"some bytes"])

    async def scenario() -> None:
        field = digests_of(content)
        requests = [asyncio.create_task(field("sha-256", ETAG)) for _ in range(2)]
        await asyncio.sleep(0)  # both have begun to wait
        both_wait.set()
        results = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(result) for result in results] == [MemoryError, MemoryError]
        assert await field("sha-256", ETAG) == digest(b"some bytes")

    asyncio.run(scenario())


def test_stops_computing_and_sends_nothing_when_the_client_disconnects() -> None:
    async def scenario() -> None:
        content = Content()
        field = digests_of(content)
        messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

        async def receive() -> dict[str, Any]:
            await until(lambda: content.starts == 1)
            return next(messages)

        async def send(message: Any) -> None:
            raise AssertionError(message)

        async def blocks() -> AsyncGenerator[Buffer, None]:
            yield b"never sent"

        async def late_headers() -> dict[str, str]:
            return {"Repr-Digest": await field("sha-256", ETAG)}

        response = StreamedResponse(blocks, 200, {}, "application/octet-stream", late_headers)
        await asyncio.wait_for(response({"type": "http", "method": "GET", "app": create_app()}, receive, send), 20)
        await until(lambda: content.ends == 1)
        assert content.starts == 1

    asyncio.run(scenario())


def test_logs_a_client_that_disconnects_during_the_digest(server_url: str, caplog: pytest.LogCaptureFixture) -> None:
    host, port = server_url.removeprefix("http://").split(":")
    request = b"GET /init?shape=16384,16384&scheme=normal&seed=1 HTTP/1.1\r\nHost: x\r\nWant-Repr-Digest: sha-256=10\r\n\r\n"
    with caplog.at_level(logging.INFO, "weight_init.web"):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(request)
        while "a client disconnected while its headers were computed" not in caplog.text:
            time.sleep(0.01)
