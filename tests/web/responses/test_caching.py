"""ETags and Cache-Control."""

from __future__ import annotations

import httpx
import pytest

URL = "/init?shape=100,50&activation=relu&seed=7"


@pytest.fixture(scope="module")
def whole(http: httpx.Client) -> httpx.Response:
    return http.get(URL)


def test_a_response_with_a_seed_is_immutable(whole: httpx.Response) -> None:
    assert whole.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert whole.headers["ETag"].startswith('"')
    assert whole.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("given", ["{etag}", "W/{etag}", '"other", {etag}', "*"])
def test_answers_304_to_a_client_that_has_the_file(http: httpx.Client, whole: httpx.Response, given: str) -> None:
    header = given.format(etag=whole.headers["ETag"])
    for method in ("GET", "HEAD"):
        response = http.request(method, URL, headers={"If-None-Match": header})
        assert response.status_code == 304
        assert response.content == b""
        assert response.headers["ETag"] == whole.headers["ETag"]


def test_sends_the_file_to_a_client_that_has_another(http: httpx.Client, whole: httpx.Response) -> None:
    assert http.get(URL, headers={"If-None-Match": '"other"'}).content == whole.content


def test_etags_differ_between_formats(http: httpx.Client, whole: httpx.Response) -> None:
    assert http.get(f"{URL}&format=raw").headers["ETag"] != whole.headers["ETag"]
