"""API keys: without keys everybody may use the service, with keys only clients that send one."""

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
def locked() -> Iterator[httpx.Client]:
    """A client of a service with two keys, which pages of one origin may use."""
    with serving(settings(api_keys=f"{KEY},{OTHER}", cors_origins="https://one.example")) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.mark.parametrize("path", [QUERY, "/recommend?activation=relu", "/schemes", "/metrics", "/nowhere"])
def test_refuses_requests_without_a_key(locked: httpx.Client, path: str) -> None:
    response = locked.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (401, "application/problem+json")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="weight-init"'
    assert "Authorization: Bearer <key>" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json", "/"])
def test_probes_and_the_documentation_need_no_key(locked: httpx.Client, path: str) -> None:
    assert locked.get(path).status_code in (200, 307)


@pytest.mark.parametrize("path", ["/healthz/../init", "//init", "/Healthz", "/healthz%2f..%2finit", "/static-offline-docs/../init"])
def test_a_public_path_does_not_lead_to_a_protected_one(locked: httpx.Client, path: str) -> None:
    request = locked.build_request("GET", locked.base_url.copy_with(raw_path=f"{path}?shape=3,5".encode()))
    assert locked.send(request).status_code in (401, 404)


@pytest.mark.parametrize("key", [KEY, OTHER])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_accepts_every_key(locked: httpx.Client, key: str, scheme: str) -> None:
    assert locked.get(QUERY, headers={"Authorization": f"{scheme} {key}"}).status_code == 200


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
def test_refuses_an_invalid_key(locked: httpx.Client, authorization: str) -> None:
    response = locked.get(QUERY, headers={"Authorization": authorization})
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, 'Bearer realm="weight-init", error="invalid_token"')
    assert KEY not in response.text


def test_refuses_two_keys_in_one_request(locked: httpx.Client) -> None:
    response = locked.get(QUERY, headers=[("Authorization", f"Bearer {KEY}"), ("Authorization", f"Bearer {OTHER}")])
    assert response.status_code == 401


def test_compares_a_key_with_all_keys_in_constant_time(locked: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bool] = []
    compare = hmac.compare_digest

    def recording(one: bytes, other: bytes) -> bool:
        compared.append(compare(one, other))
        return compared[-1]

    monkeypatch.setattr(hmac, "compare_digest", recording)
    assert locked.get(QUERY, headers=bearer(KEY)).status_code == 200
    assert sorted(compared) == [False, True]


def test_the_document_declares_keys_only_if_the_service_has_any(locked: httpx.Client, http: httpx.Client) -> None:
    document = locked.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert document["paths"]["/init"]["post"]["security"] == [{"key": []}]
    assert "401" in document["paths"]["/init"]["get"]["responses"]
    assert "security" not in document["paths"]["/healthz"]["get"]
    assert "securitySchemes" not in http.get("/openapi.json").json()["components"]


def test_the_settings_contain_no_key() -> None:
    assert KEY not in repr(settings(api_keys=KEY))


def test_reads_keys_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{KEY}\n\n{OTHER}\n")
    assert settings(api_keys_file=str(file)).key_digests == settings(api_keys=f"{KEY},{OTHER}").key_digests


@pytest.mark.parametrize("keys", ["", ",", "short", "with a space in it", "sixteen-and-not-ascïi", f"{KEY},short"])
def test_an_invalid_key_stops_the_start_and_is_not_shown(keys: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(keys)
    for given in ({"api_keys": keys}, {"api_keys_file": str(file)}):
        with pytest.raises(ValidationError, match="expected keys") as raised:
            settings(**given)
        assert KEY not in str(raised.value)
        assert "short" not in str(raised.value)


def test_a_missing_key_file_stops_the_start() -> None:
    command = [sys.executable, "-m", "service", "serve", "--port", "0"]
    environment = {"WEIGHT_INIT_API_KEYS_FILE": "/nowhere/keys", "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == 2
    assert "WEIGHT_INIT_API_KEYS_FILE" in done.stderr
    assert "/nowhere/keys: No such file or directory" in done.stderr


def test_a_page_of_an_allowed_origin_may_send_a_key_and_read_the_headers(locked: httpx.Client) -> None:
    preflight = {"Origin": "https://one.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    allowed = locked.options(QUERY, headers=preflight)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://one.example"
    answer = locked.get(QUERY, headers={"Origin": "https://one.example", **bearer(KEY)})
    exposed = answer.headers["Access-Control-Expose-Headers"]
    for name in ("Weight-Init", "ETag", "Content-Range", "Accept-Ranges", "Repr-Digest", "Content-Disposition"):
        assert name in exposed
    refused = locked.get(QUERY, headers={"Origin": "https://one.example"})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://one.example")


def test_a_page_of_another_origin_may_not_read_responses(locked: httpx.Client, http: httpx.Client) -> None:
    preflight = {"Origin": "https://two.example", "Access-Control-Request-Method": "GET"}
    assert locked.options(QUERY, headers=preflight).status_code == 400
    assert "Access-Control-Allow-Origin" not in locked.get(QUERY, headers={"Origin": "https://two.example", **bearer(KEY)}).headers
    assert "Access-Control-Allow-Origin" not in http.get(QUERY, headers={"Origin": "https://one.example"}).headers


@pytest.mark.parametrize(
    ("host", "is_loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("a.b", False)]
)
def test_recognizes_loopback_addresses(host: str, is_loopback: bool) -> None:
    assert _is_loopback(host) is is_loopback


@pytest.mark.parametrize(("host", "keys", "warned"), [("0.0.0.0", None, True), ("0.0.0.0", KEY, False), ("127.0.0.1", None, False)])
def test_warns_once_when_listening_beyond_loopback_without_a_key(
    host: str, keys: str | None, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    monkeypatch.setattr("uvicorn.run", lambda *_, **__: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)
    monkeypatch.setenv("WEIGHT_INIT_API_KEYS", keys) if keys else monkeypatch.delenv("WEIGHT_INIT_API_KEYS", raising=False)
    records: list[logging.LogRecord] = []
    monkeypatch.setattr(serve._log, "handle", records.append)
    assert CliRunner().invoke(app, ["serve", "--host", host]).exit_code == 0
    assert ["as no keys are set" in record.getMessage() for record in records] == [True] * warned


def test_trusts_only_the_proxies_that_are_named() -> None:
    assert settings().trusted_proxies == ()
    assert settings(trusted_proxies="10.0.0.0/8, 127.0.0.1").trusted_proxies == ("10.0.0.0/8", "127.0.0.1")
    with pytest.raises(ValidationError, match="does not appear to be an IPv4 or IPv6 network"):
        settings(trusted_proxies="proxy.example")
