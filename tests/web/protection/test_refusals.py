"""Every refusal of the application is counted, and has an id, the security headers and a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.contract import catalogue
from service.settings import Settings
from tests.processes import until
from tests.serving import serving
from tests.sockets import connected, receive_all

KEY = "a-key-of-one-client"
BEARER = {"Authorization": f"Bearer {KEY}"}
JSON = BEARER | {"Content-Type": "application/json"}
PREFLIGHT = {"Origin": "https://two.example", "Access-Control-Request-Method": "GET"}


@pytest.fixture(scope="module")
def refusing() -> Iterator[str]:
    """The URL of a service that refuses whatever it can."""
    settings = Settings.model_validate(
        {"api_keys": KEY, "cors_origins": "https://one.example", "max_body_bytes": 1000, "rate": "1000/hour", "head_timeout_s": 0.3}
    )
    with serving(settings) as url:
        yield url


def refused(url: str, name: str, **labels: str) -> float:
    text = httpx.get(f"{url}/metrics", headers=BEARER).raise_for_status().text
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(row.value for row in samples if row.name == f"weight_init_{name}_total" and labels.items() <= row.labels.items())


def check(response: httpx.Response, status: int, *, is_problem: bool = True) -> None:
    assert response.status_code == status
    assert response.headers["X-Request-Id"] == "mine"
    for name in ("X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy", "Cross-Origin-Resource-Policy"):
        assert len(response.headers.get_list(name)) == 1, name
    assert not is_problem or (response.headers["Content-Type"], response.json()["status"]) == ("application/problem+json", status)


Ask = Callable[[httpx.Client], httpx.Response]


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (lambda client: client.post("/init", content=b"{", headers=JSON), 400),
        (lambda client: client.options("/init", headers=PREFLIGHT), 400),
        (lambda client: client.get("/init?shape=3"), 401),
        (lambda client: client.get("/metrics"), 401),
        (lambda client: client.get("/nowhere", headers=BEARER), 404),
        (lambda client: client.get("/init/", headers=BEARER), 404),
        (lambda client: client.get("/static-offline-docs/nothing"), 404),
        (lambda client: client.put("/init", headers=BEARER), 405),
        (lambda client: client.post("/docs"), 405),
        (lambda client: client.post("/init", content=b" " * 1001, headers=JSON), 413),
        (lambda client: client.get("/init?shape=1048577,1048576", headers=BEARER), 413),
        (lambda client: client.post("/init", content=b"{}", headers=BEARER), 415),
        (lambda client: client.get("/init?shape=3,5&seed=1", headers=BEARER | {"Range": "bytes=999-"}), 416),
        (lambda client: client.get("/init?shape=0", headers=BEARER), 422),
    ],
)
def test_a_refusal_is_counted_and_has_its_headers(refusing: str, ask: Ask, status: int) -> None:
    reason = HTTPStatus(status).name.lower()
    before = refused(refusing, "refused", reason=reason)
    with httpx.Client(base_url=refusing, headers={"X-Request-Id": "mine"}) as client:
        response = ask(client)
    check(response, status, is_problem=response.request.method != "OPTIONS")
    until(lambda: refused(refusing, "refused", reason=reason) == before + 1)


@pytest.mark.parametrize("keys", [{}, {"api_keys": KEY}])
def test_a_429_is_counted_and_has_its_headers(keys: dict[str, str]) -> None:
    with serving(Settings.model_validate({"rate": "1/hour", "metrics_port": None, **keys})) as url:
        httpx.get(f"{url}/init?shape=3")
        check(httpx.get(f"{url}/init?shape=3", headers={"X-Request-Id": "mine"}), 429)


def test_a_408_is_counted(refusing: str) -> None:
    before = refused(refusing, "refused", reason="request_timeout")
    with connected(refusing) as client:
        head = f"POST /init HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
        client.sendall(f"{head}X-Request-Id: mine\r\n\r\n".encode())
        answer = receive_all(client)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"x-request-id: mine\r\n" in answer
    until(lambda: refused(refusing, "refused", reason="request_timeout") == before + 1)


def test_a_500_has_the_headers_and_is_no_refusal(refusing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "schemes", lambda: 1 / 0)
    before = refused(refusing, "refused"), refused(refusing, "requests", status="500")
    check(httpx.get(f"{refusing}/schemes", headers=BEARER | {"X-Request-Id": "mine"}), 500)
    until(lambda: (refused(refusing, "refused"), refused(refusing, "requests", status="500")) == (before[0], before[1] + 1))


def test_a_client_that_leaves_is_counted_as_499_and_is_no_refusal(refusing: str) -> None:
    before = refused(refusing, "refused"), refused(refusing, "requests", status="499")
    with connected(refusing) as client:
        head = f"POST /init HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
        client.sendall(f"{head}\r\n{{".encode())
    until(lambda: (refused(refusing, "refused"), refused(refusing, "requests", status="499")) == (before[0], before[1] + 1))
