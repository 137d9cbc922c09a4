"""ETags and Cache-Control."""

from __future__ import annotations

import httpx
import pytest

from service.settings import Settings
from tests.serving import serving

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


# ---- caches that several clients share

KEY = "a-key-of-one-client"
ROUTES = ("/schemes", "/activations", "/recommend?activation=relu", URL, "/init?shape=3,5&seed=7&format=json")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, "public"),
        ({"caches": "private"}, "private"),
        ({"api_keys": KEY}, "private"),
        ({"api_keys": KEY, "caches": "public"}, "public"),
    ],
)
def test_shared_caches_may_keep_no_response_that_needs_a_key(given: dict[str, str], kind: str) -> None:
    with serving(Settings.model_validate(given)) as url:
        for route in ROUTES:
            response = httpx.get(url + route, headers={"Authorization": f"Bearer {KEY}"})
            assert response.status_code == 200
            assert response.headers["Cache-Control"].split(", ")[0] == kind
            etag = {"If-None-Match": response.headers.get("ETag", "*"), "Authorization": f"Bearer {KEY}"}
            assert httpx.get(url + route, headers=etag).headers["Cache-Control"].split(", ")[0] == kind


# ---- conditions

STRONG, UNSEEDED = URL, "/init?shape=3,5"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        (STRONG, {"If-Match": "{etag}"}, 200),
        (STRONG, {"If-Match": '"other", {etag}'}, 200),
        (STRONG, {"If-Match": "*"}, 200),
        (STRONG, {"If-Match": '"other"'}, 412),
        (STRONG, {"If-Match": "W/{etag}"}, 412),
        (STRONG, {"If-Match": ""}, 412),
        (STRONG, {"If-None-Match": "W/{etag}"}, 304),
        (UNSEEDED, {"If-Match": "*"}, 200),
        (UNSEEDED, {"If-Match": '"any"'}, 412),
        (UNSEEDED, {"If-None-Match": "*"}, 200),
        (STRONG, {"If-None-Match": "{etag}"}, 304),
        (STRONG, {"If-None-Match": '"a,b", {etag}'}, 304),
        (STRONG, {"If-None-Match": "*"}, 304),
        (STRONG, {"If-Match": '"other"', "If-None-Match": "{etag}"}, 412),
        (STRONG, {"If-Match": "{etag}", "If-None-Match": "{etag}"}, 304),
        (STRONG, {"If-Match": '"other"', "Range": "bytes=0-9"}, 412),
        (STRONG, {"If-Match": "{etag}", "Range": "bytes=0-9"}, 206),
        (STRONG, {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
        (STRONG, {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200),
    ],
)
def test_evaluates_the_conditions_of_a_request_in_order(
    http: httpx.Client, method: str, url: str, headers: dict[str, str], status: int
) -> None:
    query = dict(httpx.URL(url).params)
    fields = {name: [*map(int, value.split(","))] if name == "shape" else value for name, value in query.items()}
    given = {"json": fields} if method == "POST" else {"params": query}
    etag = http.request(method, "/init", **given).headers.get("ETag", "")
    response = http.request(method, "/init", headers={name: text.format(etag=etag) for name, text in headers.items()}, **given)
    assert response.status_code == (412 if method == "POST" and status == 304 else status)
    if response.status_code == 412 and method != "HEAD":
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["detail"].startswith("If-")
