"""Ranges: one or several parts of a file, for clients that resume a download or need only a part."""

from __future__ import annotations

import re

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.files.virtual import Literal, VirtualFile
from service.web.responses.ranges import MAX_RANGES, partial_content, requested_ranges

URL = "/init?shape=100,50&activation=relu&seed=7"
SPEC = {"shape": [100, 50], "activation": "relu", "seed": 7}
NBYTES = 20128


@pytest.fixture(scope="module")
def whole(http: httpx.Client) -> httpx.Response:
    return http.get(URL)


def send(http: httpx.Client, method: str, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.request(method, URL if method != "POST" else "/init", json=SPEC if method == "POST" else None, headers=sent)


def parts_of(response: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    """Return the headers and the content of each part, parsed according to RFC 2046."""
    boundary = response.headers["Content-Type"].removeprefix("multipart/byteranges; boundary=")
    first, *between, last = (b"\r\n" + response.content).split(f"\r\n--{boundary}".encode())
    assert (first, last) == (b"", b"--\r\n")
    parts = []
    for part in between:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        parts.append((dict(line.split(": ") for line in head.decode("ascii").split("\r\n")), content))
    return parts


# one range


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-299", 100, 300),
        ("bytes=0-20127", 0, 20128),
        ("bytes=20000-", 20000, 20128),
        ("bytes=-28", 20100, 20128),
        ("bytes=-999999", 0, 20128),
        ("bytes=20000-999999", 20000, 20128),
        ("bytes=20000-" + "9" * 50, 20000, 20128),
        ("Bytes=0-9", 0, 10),
        ("bytes= 0-9 ,", 0, 10),
    ],
)
def test_returns_the_requested_range(http: httpx.Client, whole: httpx.Response, method: str, header: str, start: int, stop: int) -> None:
    response = send(http, method, Range=header)
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{NBYTES}"
    assert response.headers["Content-Type"] == whole.headers["Content-Type"]
    assert response.content == whole.content[start:stop]


def test_a_range_has_the_headers_of_the_whole_file(http: httpx.Client, whole: httpx.Response) -> None:
    response = send(http, "GET", Range="bytes=5-9")
    for name in ("ETag", "Weight-Init", "Cache-Control", "Vary", "Accept-Ranges", "Content-Disposition"):
        assert response.headers[name] == whole.headers[name]


@pytest.mark.parametrize("header", ["bytes=20128-", "bytes=99999-100000", "bytes=-0", "bytes=20128-,-0", "bytes=" + "9" * 50 + "-"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_refuses_ranges_past_the_end_and_reports_the_length(http: httpx.Client, method: str, header: str) -> None:
    response = send(http, method, Range=header)
    assert response.status_code == 416
    assert response.headers["Content-Range"] == "bytes */20128"
    assert response.headers["Content-Type"] == "application/problem+json"
    detail = response.json()["detail"]
    assert "20128 bytes" in detail
    assert header in detail
    assert "bytes=0-20127" in detail


@pytest.mark.parametrize(
    "header",
    [
        "bytes=5-2",
        "bytes=-",
        "bytes=",
        "bytes=,",
        "bytes",
        "items=0-1",
        "bytes=a-b",
        "bytes=0 - 1",
        "bytes=0-1-2",
        "bytes=0-١",
        "bytes=+0-1",
        "bytes=0-1;5-6",
        "bytes=0-1,5-2",
        "bytes=0-1,x",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_ignores_an_invalid_range(http: httpx.Client, whole: httpx.Response, header: str) -> None:
    assert requested_ranges(header, NBYTES) == []
    response = http.get(URL, headers={b"Range": header.encode()})
    assert response.status_code == 200
    assert response.content == whole.content


# several ranges


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        ("bytes=0-1,5-6", [(0, 2), (5, 7)]),
        ("bytes=500-999, 0-127, -28", [(500, 1000), (0, 128), (20100, 20128)]),
        ("bytes=0-0,-1", [(0, 1), (20127, 20128)]),
        ("bytes=0-9,99999-,20-29", [(0, 10), (20, 30)]),
        ("bytes=0-9, , 20-29,", [(0, 10), (20, 30)]),
    ],
)
def test_returns_each_of_several_ranges_as_a_part(
    http: httpx.Client, whole: httpx.Response, method: str, header: str, ranges: list[tuple[int, int]]
) -> None:
    response = send(http, method, Range=header)
    assert response.status_code == 206
    assert "Content-Range" not in response.headers
    assert response.headers["Content-Length"] == str(len(response.content))
    assert parts_of(response) == [
        (
            {"Content-Type": whole.headers["Content-Type"], "Content-Range": f"bytes {start}-{stop - 1}/{NBYTES}"},
            whole.content[start:stop],
        )
        for start, stop in ranges
    ]


def test_several_ranges_have_the_same_bytes_every_time(http: httpx.Client) -> None:
    headers = {"Range": "bytes=0-1,5-6"}
    first, second, other = (http.get(url, headers=headers) for url in (URL, URL, f"{URL}&name=other"))
    assert (first.content, first.headers["Content-Type"]) == (second.content, second.headers["Content-Type"])
    assert first.headers["Content-Type"] != other.headers["Content-Type"]


def test_a_part_may_be_longer_than_a_block(http: httpx.Client) -> None:
    url = "/init?shape=1500,1000&scheme=normal&seed=7&format=raw"
    content = http.get(url).content
    response = http.get(url, headers={"Range": "bytes=3-3999999,4500000-"})
    assert [part for _, part in parts_of(response)] == [content[3:4_000_000], content[4_500_000:]]


def test_returns_parts_of_a_terabyte_quickly(http: httpx.Client) -> None:
    url = "/init?shape=262144,1048576&scheme=normal&seed=1&format=raw"
    response = http.get(url, headers={"Range": "bytes=0-3,-4"})
    assert [headers["Content-Range"] for headers, _ in parts_of(response)] == [
        f"bytes 0-3/{2**40}",
        f"bytes {2**40 - 4}-{2**40 - 1}/{2**40}",
    ]


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-99,50-149", 0, 150),
        ("bytes=0-99,100-149", 0, 150),
        ("bytes=100-149,0-99", 0, 150),
        ("bytes=0-,0-,0-", 0, 20128),
        ("bytes=0-9,99999-", 0, 10),
    ],
)
def test_returns_ranges_that_join_into_one_as_one(http: httpx.Client, whole: httpx.Response, header: str, start: int, stop: int) -> None:
    response = send(http, "GET", Range=header)
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{NBYTES}"
    assert response.content == whole.content[start:stop]


def test_joined_ranges_take_the_place_of_the_first() -> None:
    assert requested_ranges("bytes=900-,50-149,0-99,300-399", 1000) == [(900, 1000), (0, 150), (300, 400)]


def test_returns_the_whole_file_for_too_many_ranges(http: httpx.Client, whole: httpx.Response) -> None:
    def listed(count: int) -> str:
        return "bytes=" + ",".join(f"{2 * at}-{2 * at}" for at in range(count))

    assert len(parts_of(send(http, "GET", Range=listed(MAX_RANGES)))) == MAX_RANGES
    response = send(http, "GET", Range=listed(MAX_RANGES + 1))
    assert response.status_code == 200
    assert response.content == whole.content


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=MAX_RANGES))
def test_returns_every_requested_byte_once_and_no_other(bounds: list[tuple[int, int]]) -> None:
    nbytes = 200
    requested = [(min(pair), max(pair) + 1) for pair in bounds if min(pair) < nbytes]
    header = "bytes=" + ",".join(f"{min(pair)}-{max(pair)}" for pair in bounds)
    if requested:
        returned = requested_ranges(header, nbytes)
        expected = {at for start, stop in requested for at in range(start, min(stop, nbytes))}
        assert sorted(at for start, stop in returned for at in range(start, stop)) == sorted(expected)


@given(st.data())
def test_the_body_is_a_file_that_can_be_read_at_any_position(data: st.DataObject) -> None:
    file = VirtualFile((Literal(bytes(range(100))), Literal(bytes(range(100, 200)))))
    ranges = data.draw(st.sampled_from([[(0, 1)], [(3, 150)], [(0, 1), (198, 200)], [(120, 130), (90, 110), (0, 5)]]))
    content, _ = partial_content(file, ranges, media_type="application/x-npy", boundary="b")
    written = bytes(content.read())
    assert len(written) == content.nbytes
    start, stop = sorted((data.draw(st.integers(0, content.nbytes)), data.draw(st.integers(0, content.nbytes))))
    assert bytes(content.read(start, stop)) == written[start:stop]


# HEAD, ETags, and responses without ranges


@pytest.mark.parametrize("header", ["bytes=5-9", "bytes=-1", "bytes=0-1,5-6", "bytes=20128-", "bytes=5-2"])
def test_head_has_the_headers_of_get(http: httpx.Client, header: str) -> None:
    head, get = (send(http, method, Range=header, X_Request_Id="the-same") for method in ("HEAD", "GET"))
    assert head.content == b""
    assert head.status_code == get.status_code
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_if_range_prevents_parts_of_another_file(http: httpx.Client, whole: httpx.Response, method: str) -> None:
    etag = whole.headers["ETag"]
    same = send(http, method, Range="bytes=0-9", If_Range=etag)
    assert (same.status_code, same.headers["Content-Length"]) == (206, "10")
    for other in ('"other"', f"W/{etag}", etag.strip('"'), "Wed, 21 Oct 2015 07:28:00 GMT", ""):
        response = send(http, method, Range="bytes=0-9", If_Range=other)
        assert (response.status_code, response.headers["Content-Length"]) == (200, str(NBYTES))
    beyond = send(http, method, Range="bytes=99999-", If_Range='"other"')
    assert beyond.status_code == 200


def test_answers_304_to_a_range_of_a_file_that_the_client_has(http: httpx.Client, whole: httpx.Response) -> None:
    assert send(http, "GET", Range="bytes=0-9", If_None_Match=whole.headers["ETag"]).status_code == 304


@pytest.mark.parametrize(
    "query",
    [
        "shape=100,50&activation=relu&seed=7&format=json",
        "shape=100,50&activation=relu&seed=7&format=npz",
        "shape=100,50",
    ],
    ids=["json is a stream", "npz is a stream", "no seed"],
)
@pytest.mark.parametrize("header", ["bytes=0-9", "bytes=0-1,5-6", "bytes=999999999-"])
def test_a_response_whose_parts_may_not_fit_together_has_no_ranges(http: httpx.Client, query: str, header: str) -> None:
    response = http.get(f"/init?{query}", headers={"Range": header})
    assert response.status_code == 200
    assert response.headers["Accept-Ranges"] == "none"
    assert not re.match("multipart", response.headers["Content-Type"])


def test_the_document_lists_the_media_types_with_ranges(http: httpx.Client) -> None:
    responses = http.get("/openapi.json").json()["paths"]["/init"]["get"]["responses"]
    whole, parts = (set(responses[status]["content"]) for status in ("200", "206"))
    with_ranges = {kind for kind in whole if http.head(URL, headers={"Accept": kind}).headers["Accept-Ranges"] == "bytes"}
    assert parts == with_ranges | {"multipart/byteranges"}
