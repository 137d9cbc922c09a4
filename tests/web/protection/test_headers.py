"""Headers of every response, which restrict browsers."""

from __future__ import annotations

import re

import httpx
import pytest

from service.contract import catalogue


@pytest.mark.parametrize(
    "path", ["/init?shape=3,5&seed=1", "/init?shape=1000,1000&seed=1", "/schemes", "/nowhere", "/init", "/docs", "/metrics"]
)
def test_every_response_has_each_header_once(http: httpx.Client, path: str) -> None:
    headers = http.get(path).headers
    for name, value in {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
    }.items():
        assert headers.get_list(name) == [value]
    (policy,) = headers.get_list("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_response_to_an_unexpected_exception_has_them_too(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "schemes", lambda: 1 / 0)
    response = http.get("/schemes")
    assert (response.status_code, response.headers["X-Content-Type-Options"]) == (500, "nosniff")


def test_the_policy_of_the_documentation_allows_what_the_page_loads(http: httpx.Client) -> None:
    page = http.get("/docs")
    policy = page.headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded
    for path in loaded:
        assert not re.match(r"\w+:|//", path), "every file comes from this server"
        assert http.get(path).status_code == 200
    assert "script-src 'self' 'unsafe-inline'" in policy  # a script in the page starts Swagger UI


def test_no_other_response_may_run_a_script(http: httpx.Client) -> None:
    assert http.get("/init?shape=3,5&format=json").headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
