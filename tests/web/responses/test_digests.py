"""Repr-Digest: the hash of the whole answer, for those who check what they wrote."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import socket
import time
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import httpx
import pytest

from service.files.virtual import Buffer
from service.settings import Settings
from service.web.app import create_app
from service.web.responses.digests import DigestedResponse, Digests, wanted_algorithm
from tests.serving import serving

QUERY = "/init?shape=256,784&activation=relu&seed=7"
SPEC = {"shape": [256, 784], "activation": "relu", "seed": 7}
WANTED = {"Want-Repr-Digest": "sha-256=10"}
ETAG = '"strong"'


def digest(content: bytes, algorithm: str = "sha-256") -> str:
    """What RFC 9530 says, in its own words: a byte sequence of structured fields (base64 between colons) by algorithm."""
    hashed = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(hashed).decode()}:"


# what is answered


@pytest.mark.parametrize("name", ["npy", "json", "safetensors", "npz", "raw"])
def test_every_format_has_the_digest_of_its_file(http: httpx.Client, name: str) -> None:
    response = http.get(f"{QUERY}&format={name}", headers=WANTED)
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
def test_every_answer_has_the_digest_of_what_was_sent(http: httpx.Client, query: str) -> None:
    response = http.get(f"/init?{query}", headers=WANTED)
    assert response.status_code == 200
    assert response.headers["Repr-Digest"] == digest(response.content)


def test_post_and_head_have_it_too(http: httpx.Client) -> None:
    get = http.get(QUERY, headers=WANTED).headers["Repr-Digest"]
    head = http.head(QUERY, headers=WANTED)
    assert head.content == b""
    assert get == head.headers["Repr-Digest"] == http.post("/init", json=SPEC, headers=WANTED).headers["Repr-Digest"]


@pytest.mark.parametrize("header", ["bytes=0-9", "bytes=-1", "bytes=0-1,5-6"])
def test_a_part_has_the_digest_of_the_whole(http: httpx.Client, header: str) -> None:
    for method in ("GET", "HEAD"):
        part = http.request(method, QUERY, headers=WANTED | {"Range": header})
        assert part.status_code == 206
        assert part.headers["Repr-Digest"] == digest(http.get(QUERY).content)


def test_nobody_pays_for_a_digest_that_nobody_wants(http: httpx.Client) -> None:
    assert "Repr-Digest" not in http.get(QUERY).headers
    assert "Repr-Digest" not in http.get(QUERY, headers={"Want-Repr-Digest": "sha-256=0, md5=10"}).headers


def test_who_has_the_file_gets_304_and_a_range_behind_the_end_416(http: httpx.Client) -> None:
    etag = http.head(QUERY).headers["ETag"]
    for status, header in ((304, {"If-None-Match": etag}), (416, {"Range": "bytes=99999999-"})):
        response = http.get(QUERY, headers=WANTED | header)
        assert response.status_code == status
        assert "Repr-Digest" not in response.headers


def test_several_headers_are_one_list(http: httpx.Client) -> None:
    headers = [("Want-Repr-Digest", "sha-256=1"), ("Want-Repr-Digest", "sha-512=2")]
    assert http.get(QUERY, headers=headers).headers["Repr-Digest"] == digest(http.get(QUERY).content, "sha-512")


def test_above_the_limit_the_wish_is_ignored() -> None:
    with serving(Settings(max_digest_bytes=400)) as url:
        at, above = (httpx.get(f"{url}/init?shape={size}&scheme=zeros", headers=WANTED) for size in (100, 101))
    assert "Repr-Digest" in at.headers
    assert "Repr-Digest" not in above.headers
    assert (at.status_code, above.status_code) == (200, 200)


# what is wanted


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
def test_the_most_preferred_of_the_known_algorithms_is_chosen(header: str, algorithm: str | None) -> None:
    assert wanted_algorithm(header) == algorithm


# how often it is computed, and for how long


class Content:
    """Two blocks, the second of which waits until `go_on`; it counts how often it is begun, and how often it is left."""

    def __init__(self) -> None:
        self.begun = self.left = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> AsyncGenerator[Buffer, None]:
        self.begun += 1
        try:
            yield b"some "
            await self.go_on.wait()
            yield b"bytes"
        finally:
            self.left += 1


async def until(condition: Coroutine[Any, Any, None]) -> None:
    await asyncio.wait_for(condition, 20)


async def begun(content: Content) -> None:
    while not content.begun:
        await asyncio.sleep(0)


async def left(content: Content) -> None:
    while content.left < content.begun:
        await asyncio.sleep(0)


def test_it_is_computed_once_for_all_who_ask_meanwhile_and_later() -> None:
    async def scenario() -> None:
        digests, content = Digests(), Content()
        asking = [asyncio.create_task(digests.field("sha-256", content, ETAG)) for _ in range(10)]
        await until(begun(content))
        content.go_on.set()
        assert set(await asyncio.gather(*asking)) == {digest(b"some bytes")}
        assert await digests.field("sha-256", content, ETAG) == digest(b"some bytes")
        assert content.begun == 1
        assert await digests.field("sha-512", content, ETAG) == digest(b"some bytes", "sha-512")
        assert await digests.field("sha-256", content, '"other"') == digest(b"some bytes")
        assert content.begun == 3

    asyncio.run(scenario())


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_shared(etag: str) -> None:
    async def scenario() -> None:
        digests, content = Digests(), Content()
        content.go_on.set()
        for _ in range(2):
            await digests.field("sha-256", content, etag)
        assert content.begun == 2

    asyncio.run(scenario())


def test_the_ones_not_asked_for_longest_are_forgotten() -> None:
    async def scenario() -> None:
        digests, content = Digests(remembered=2), Content()
        content.go_on.set()
        for etag in ('"a"', '"b"', '"a"', '"c"'):
            await digests.field("sha-256", content, etag)
        assert content.begun == 3
        await digests.field("sha-256", content, '"a"')
        assert content.begun == 3
        await digests.field("sha-256", content, '"b"')
        assert content.begun == 4

    asyncio.run(scenario())


def test_one_who_leaves_does_not_take_it_from_the_others_and_the_last_ends_it() -> None:
    async def scenario() -> None:
        digests, content = Digests(), Content()
        first, second = (asyncio.create_task(digests.field("sha-256", content, ETAG)) for _ in range(2))
        await until(begun(content))
        first.cancel()
        await asyncio.wait([first])
        assert not content.left
        second.cancel()
        await until(left(content))
        third = asyncio.create_task(digests.field("sha-256", content, ETAG))
        content.go_on.set()
        assert await third == digest(b"some bytes")
        assert content.begun == 2

    asyncio.run(scenario())


def test_a_failure_reaches_all_and_is_not_remembered() -> None:
    async def failing() -> AsyncGenerator[Buffer, None]:
        raise MemoryError
        yield b""

    async def scenario() -> None:
        digests, content = Digests(), Content()
        results = await asyncio.gather(*(digests.field("sha-256", failing, ETAG) for _ in range(2)), return_exceptions=True)
        assert [type(result) for result in results] == [MemoryError, MemoryError]
        content.go_on.set()
        assert await digests.field("sha-256", content, ETAG) == digest(b"some bytes")

    asyncio.run(scenario())


def test_when_the_client_leaves_nothing_more_is_computed_or_sent() -> None:
    async def scenario() -> None:
        digests, content = Digests(), Content()
        messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

        async def receive() -> dict[str, Any]:
            await until(begun(content))
            return next(messages)

        async def send(message: Any) -> None:
            raise AssertionError(message)

        response = DigestedResponse(lambda: digests.field("sha-256", content, ETAG), content, 200, {}, "application/octet-stream")
        await asyncio.wait_for(response({"type": "http", "method": "GET", "app": create_app()}, receive, send), 20)
        await until(left(content))
        assert content.begun == 1

    asyncio.run(scenario())


def test_a_client_that_closes_its_connection_is_one_that_left(server_url: str, caplog: pytest.LogCaptureFixture) -> None:
    host, port = server_url.removeprefix("http://").split(":")
    request = b"GET /init?shape=32768,65536&scheme=normal&seed=1 HTTP/1.1\r\nHost: x\r\nWant-Repr-Digest: sha-256=10\r\n\r\n"
    with caplog.at_level(logging.INFO, "weight_init.web"):
        with socket.create_connection((host, int(port))) as leaving:
            leaving.sendall(request)
        while "a client left while its digest was computed" not in caplog.text:
            time.sleep(0.01)
