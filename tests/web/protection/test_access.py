"""Who may ask: everybody where there are no keys, and else those who know one."""

from __future__ import annotations

import hmac
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from service.cli import app, serve
from service.cli.serve import _is_loopback
from service.settings import Settings
from tests.serving import serving

KEY, OTHER = "a-key-of-one-client", "the-key-of-another-client="
QUERY = "/init?shape=3,5&seed=7"


def settings(**given: object) -> Settings:
    return Settings.model_validate(given)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def closed() -> Iterator[httpx.Client]:
    """A service with two keys, and an origin whose pages may use it."""
    with serving(settings(api_keys=f"{KEY},{OTHER}", cors_origins="https://one.example")) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.mark.parametrize("path", [QUERY, "/recommend?activation=relu", "/schemes", "/metrics", "/nowhere"])
def test_without_a_key_nothing_is_answered(closed: httpx.Client, path: str) -> None:
    response = closed.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (401, "application/problem+json")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="weight-init"'
    assert "Authorization: Bearer <key>" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json", "/"])
def test_probes_and_the_documentation_need_none(closed: httpx.Client, path: str) -> None:
    assert closed.get(path).status_code in (200, 307)


@pytest.mark.parametrize("path", ["/healthz/../init", "//init", "/Healthz", "/healthz%2f..%2finit", "/static-offline-docs/../init"])
def test_no_way_round_leads_through_an_open_path(closed: httpx.Client, path: str) -> None:
    request = closed.build_request("GET", closed.base_url.copy_with(raw_path=f"{path}?shape=3,5".encode()))
    assert closed.send(request).status_code in (401, 404)


@pytest.mark.parametrize("key", [KEY, OTHER])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_with_any_of_the_keys_everything_is(closed: httpx.Client, key: str, scheme: str) -> None:
    assert closed.get(QUERY, headers={"Authorization": f"{scheme} {key}"}).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer  x",
        KEY,
        f"Basic {KEY}",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY}x",
        f"Bearer {KEY.upper()}",
        f"Bearer {KEY},{OTHER}",
    ],
)
def test_with_anything_else_nothing_is(closed: httpx.Client, authorization: str) -> None:
    response = closed.get(QUERY, headers={"Authorization": authorization})
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, 'Bearer realm="weight-init", error="invalid_token"')
    assert KEY not in response.text


def test_of_two_keys_in_one_request_neither_counts(closed: httpx.Client) -> None:
    response = closed.get(QUERY, headers=[("Authorization", f"Bearer {KEY}"), ("Authorization", f"Bearer {OTHER}")])
    assert response.status_code == 401


def test_a_key_is_compared_with_all_in_constant_time(closed: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bool] = []
    compare = hmac.compare_digest

    def seen(one: bytes, other: bytes) -> bool:
        compared.append(compare(one, other))
        return compared[-1]

    monkeypatch.setattr(hmac, "compare_digest", seen)
    assert closed.get(QUERY, headers=bearer(KEY)).status_code == 200
    assert sorted(compared) == [False, True]


def test_the_document_says_so_where_there_are_keys_and_only_there(closed: httpx.Client, http: httpx.Client) -> None:
    document = closed.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert document["paths"]["/init"]["post"]["security"] == [{"key": []}]
    assert "401" in document["paths"]["/init"]["get"]["responses"]
    assert "security" not in document["paths"]["/healthz"]["get"]
    assert "securitySchemes" not in http.get("/openapi.json").json()["components"]


def test_the_settings_know_no_key() -> None:
    assert KEY not in repr(settings(api_keys=KEY))


def test_keys_come_from_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{KEY}\n\n{OTHER}\n")
    assert settings(api_keys_file=str(file)).key_digests == settings(api_keys=f"{KEY},{OTHER}").key_digests


@pytest.mark.parametrize("keys", ["", ",", "short", "with a space in it", "sixteen-and-not-ascïi", f"{KEY},short"])
def test_what_cannot_be_a_key_stops_the_start_and_is_not_shown(keys: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(keys)
    for given in ({"api_keys": keys}, {"api_keys_file": str(file)}):
        with pytest.raises(ValidationError, match="expected keys") as raised:
            settings(**given)
        assert KEY not in str(raised.value)
        assert "short" not in str(raised.value)


def test_a_missing_file_of_keys_stops_the_start() -> None:
    command = [sys.executable, "-m", "service", "serve", "--port", "0"]
    environment = {"WEIGHT_INIT_API_KEYS_FILE": "/nowhere/keys", "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == 2
    assert "WEIGHT_INIT_API_KEYS_FILE" in done.stderr
    assert "/nowhere/keys: No such file or directory" in done.stderr


def test_a_page_of_a_named_origin_may_ask_with_a_key_and_read_the_headers(closed: httpx.Client) -> None:
    preflight = {"Origin": "https://one.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    allowed = closed.options(QUERY, headers=preflight)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://one.example"
    answer = closed.get(QUERY, headers={"Origin": "https://one.example", **bearer(KEY)})
    exposed = answer.headers["Access-Control-Expose-Headers"]
    for name in ("Weight-Init", "ETag", "Content-Range", "Accept-Ranges", "Repr-Digest", "Content-Disposition"):
        assert name in exposed
    refused = closed.get(QUERY, headers={"Origin": "https://one.example"})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://one.example")


def test_a_page_of_another_origin_may_not(closed: httpx.Client, http: httpx.Client) -> None:
    preflight = {"Origin": "https://two.example", "Access-Control-Request-Method": "GET"}
    assert closed.options(QUERY, headers=preflight).status_code == 400
    assert "Access-Control-Allow-Origin" not in closed.get(QUERY, headers={"Origin": "https://two.example", **bearer(KEY)}).headers
    assert "Access-Control-Allow-Origin" not in http.get(QUERY, headers={"Origin": "https://one.example"}).headers


@pytest.mark.parametrize(
    ("host", "is_loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("a.b", False)]
)
def test_only_this_machine_is_loopback(host: str, is_loopback: bool) -> None:
    assert _is_loopback(host) is is_loopback


@pytest.mark.parametrize(("host", "keys", "warned"), [("0.0.0.0", None, True), ("0.0.0.0", KEY, False), ("127.0.0.1", None, False)])
def test_to_listen_elsewhere_without_a_key_is_warned_of_once(
    host: str, keys: str | None, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    monkeypatch.setattr("uvicorn.run", lambda *_, **__: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)
    monkeypatch.setenv("WEIGHT_INIT_API_KEYS", keys) if keys else monkeypatch.delenv("WEIGHT_INIT_API_KEYS", raising=False)
    seen: list[logging.LogRecord] = []
    monkeypatch.setattr(serve._log, "handle", seen.append)
    assert CliRunner().invoke(app, ["serve", "--host", host]).exit_code == 0
    assert ["as no keys are set" in record.getMessage() for record in seen] == [True] * warned


def test_a_proxy_is_believed_only_if_it_is_named() -> None:
    assert settings().trusted_proxies == ()
    assert settings(trusted_proxies="10.0.0.0/8, 127.0.0.1").trusted_proxies == ("10.0.0.0/8", "127.0.0.1")
    with pytest.raises(ValidationError, match="does not appear to be an IPv4 or IPv6 network"):
        settings(trusted_proxies="proxy.example")
