"""Validators, caches and ranges."""

from __future__ import annotations

import httpx
import pytest

URL = "/init?shape=100,50&activation=relu&seed=7"


@pytest.fixture(scope="module")
def whole(http: httpx.Client) -> httpx.Response:
    return http.get(URL)


def test_an_answer_with_a_seed_is_immutable(whole: httpx.Response) -> None:
    assert whole.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert whole.headers["ETag"].startswith('"')
    assert whole.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("given", ["{etag}", "W/{etag}", '"other", {etag}', "*"])
def test_who_has_it_gets_304(http: httpx.Client, whole: httpx.Response, given: str) -> None:
    header = given.format(etag=whole.headers["ETag"])
    for method in ("GET", "HEAD"):
        response = http.request(method, URL, headers={"If-None-Match": header})
        assert response.status_code == 304
        assert response.content == b""
        assert response.headers["ETag"] == whole.headers["ETag"]


def test_who_has_another_gets_it(http: httpx.Client, whole: httpx.Response) -> None:
    assert http.get(URL, headers={"If-None-Match": '"other"'}).content == whole.content


def test_validators_differ_between_formats(http: httpx.Client, whole: httpx.Response) -> None:
    assert http.get(f"{URL}&format=raw").headers["ETag"] != whole.headers["ETag"]


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-299", 100, 300),
        ("bytes=20000-", 20000, 20128),
        ("bytes=-28", 20100, 20128),
        ("bytes=-999999", 0, 20128),
        ("bytes=20000-999999", 20000, 20128),
    ],
)
def test_a_range_is_that_part_of_the_file(http: httpx.Client, whole: httpx.Response, header: str, start: int, stop: int) -> None:
    response = http.get(URL, headers={"Range": header})
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/20128"
    assert response.content == whole.content[start:stop]


@pytest.mark.parametrize("header", ["bytes=20128-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_length(http: httpx.Client, header: str) -> None:
    response = http.get(URL, headers={"Range": header})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == "bytes */20128"
    assert "20128 bytes" in response.json()["detail"]


@pytest.mark.parametrize("header", ["bytes=5-2", "bytes=-", "items=0-1", "bytes=a-b", "bytes=0-1,5-6", "bytes=0-١"])
def test_a_range_that_cannot_be_read_is_ignored(http: httpx.Client, whole: httpx.Response, header: str) -> None:
    response = http.get(URL, headers={b"Range": header.encode()})
    assert response.status_code == 200
    assert response.content == whole.content


def test_if_range_guards_against_another_file(http: httpx.Client, whole: httpx.Response) -> None:
    same = http.get(URL, headers={"Range": "bytes=0-9", "If-Range": whole.headers["ETag"]})
    other = http.get(URL, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


@pytest.mark.parametrize("name", ["json", "npz"])
def test_formats_that_are_streams_have_no_ranges(http: httpx.Client, name: str) -> None:
    response = http.get(f"{URL}&format={name}", headers={"Range": "bytes=0-9"})
    assert response.status_code == 200
    assert response.headers["Accept-Ranges"] == "none"


def test_a_tensor_without_a_seed_has_no_ranges(http: httpx.Client) -> None:
    assert http.get("/init?shape=100,50", headers={"Range": "bytes=0-9"}).status_code == 200
