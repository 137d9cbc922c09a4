"""The log: one line for each request, with the ids of the request and its trace, and no line that a client forged."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.web.monitoring import logs
from service.web.monitoring.exchange import RequestIds, current_ids, request_ids
from service.web.monitoring.logs import Json, Pretty, logging_config
from tests.processes import Process, until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


# the ids of a request


def ids_from(**headers: str) -> RequestIds:
    return request_ids([(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()])


@pytest.mark.parametrize("given", ["a", "7f3e", "req-1/2:3", "~" * 128])
def test_uses_a_valid_request_id(given: str) -> None:
    assert ids_from(x_request_id=given).request_id == given


@pytest.mark.parametrize("given", ["", " ", "a b", "a\tb", "a\nb", "a\r\nSet-Cookie: x", "\x1b[31m", "é", "x" * 129])
def test_replaces_an_invalid_request_id_with_a_fresh_one(given: str) -> None:
    assert re.fullmatch("[0-9a-f]{16}", ids_from(x_request_id=given).request_id)


def test_fresh_request_ids_differ() -> None:
    assert len({ids_from().request_id for _ in range(1000)}) == 1000


def test_reads_the_trace_id_from_traceparent() -> None:
    assert ids_from(traceparent=TRACEPARENT).trace_id == TRACE


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00",
        TRACEPARENT.upper(),
        f"{TRACEPARENT}-more",
        f"ff{TRACEPARENT[2:]}",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-00f067aa0ba902b7-01",
        f"{TRACEPARENT}\n",
    ],
)
def test_ignores_an_invalid_traceparent(given: str) -> None:
    assert ids_from(traceparent=given).trace_id is None


def test_the_response_has_the_request_id(http: httpx.Client) -> None:
    for path in ("/healthz", "/nowhere", "/init?shape=0", "/init?shape=1000,1000"):
        assert http.get(path, headers={"X-Request-Id": "mine"}).headers["X-Request-Id"] == "mine"
        assert http.get(path).headers["X-Request-Id"] != http.get(path).headers["X-Request-Id"]


# the two formats


def record(message: str, **more: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "weight_init.web", "levelname": "INFO", "msg": message, "created": 1.5} | more)


@pytest.fixture
def _request_ids() -> Iterator[None]:
    token = current_ids.set(RequestIds("mine", TRACE))
    yield
    current_ids.reset(token)


def failure() -> dict[str, Any]:
    try:
        raise ValueError("on\ntwo lines")
    except ValueError as error:
        return {"exc_info": (ValueError, error, error.__traceback__)}


@pytest.mark.usefixtures("_request_ids")
def test_pretty_formats_a_record_as_one_readable_line() -> None:
    assert Pretty().format(record("ready")) == f"1970-01-01T00:00:01.500Z INFO     ready request_id=mine trace_id={TRACE}"


def test_a_record_outside_a_request_has_no_ids() -> None:
    assert Pretty().format(record("ready")) == "1970-01-01T00:00:01.500Z INFO     ready"
    assert set(json.loads(Json().format(record("ready")))) == {"time", "level", "logger", "message"}


@pytest.mark.usefixtures("_request_ids")
def test_json_formats_a_record_as_one_object() -> None:
    assert json.loads(Json().format(record("ready", facts={"status": 200}))) == {
        "time": "1970-01-01T00:00:01.500Z",
        "level": "info",
        "logger": "weight_init.web",
        "message": "ready",
        "request_id": "mine",
        "trace_id": TRACE,
        "status": 200,
    }


@pytest.mark.parametrize("character", ["\n", "\r", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"])
def test_a_client_cannot_forge_a_line(character: str) -> None:
    for formatter in (Pretty(), Json()):
        line = formatter.format(record(f"GET /a{character}INFO forged"))
        assert character not in line
        assert len(line.splitlines()) == 1


def test_both_formats_contain_the_whole_traceback() -> None:
    assert Pretty().format(record("failed", **failure())).endswith("ValueError: on\ntwo lines")
    line = Json().format(record("failed", **failure()))
    assert "\n" not in line
    assert json.loads(line)["traceback"].endswith("ValueError: on\ntwo lines")


def test_logs_from_the_configured_level_and_libraries_from_warnings_on() -> None:
    for level, others in (("debug", "WARNING"), ("info", "WARNING"), ("warning", "WARNING"), ("error", "ERROR"), ("critical", "CRITICAL")):
        config = logging_config("json", level)
        assert config["root"] == {"handlers": ["stderr"], "level": others}
        assert {row["level"] for row in config["loggers"].values()} == {level.upper()}


@pytest.mark.parametrize(
    ("client", "logged"),
    [
        (("10.0.0.1", 5), "10.0.0.1:5"),
        (("10.0.0.1", 0), "10.0.0.1"),
        (("2001:db8::1", 5), "[2001:db8::1]:5"),
        (("2001:db8::1", 0), "2001:db8::1"),
        (("a:b:c", 0), "a:b:c"),
        (("x" * 1000, 0), "x" * 100),
        (None, "unix"),
    ],
)
def test_logs_a_client_that_may_be_anything(client: tuple[str, int] | None, logged: str | None) -> None:
    assert logs._client(client) == logged


# the log of a server


def records_in(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Process]:
    process = Process(engine="numpy", **request.param)
    yield process
    process.kill()


@pytest.mark.parametrize("server", [{"log_format": "json"}], indirect=True)
def test_logs_one_line_for_each_request(server: Process) -> None:
    with httpx.Client(base_url=server.url) as client:
        client.get("/init?shape=3,5&seed=1&format=raw", headers={"X-Request-Id": "first", "Traceparent": TRACEPARENT})
        client.get("/forged%0d%0a%7B%22message%22:1%7D", headers={"X-Request-Id": "second"})
        client.post("/init", json={"shape": [2000, 2000], "format": "raw"}, headers={"X-Request-Id": "third"})
    until(lambda: '"third"' in server.log)
    lines = {row["request_id"]: row for row in records_in(server.log) if row["logger"] == "weight_init.access"}
    assert lines["first"].items() >= {
        "method": "GET", "path": "/init", "status": 200, "bytes": 60, "level": "info", "trace_id": TRACE,
    }.items()  # fmt: skip
    assert re.fullmatch(r"127\.0\.0\.1:\d+", lines["first"]["client"])
    assert 0 < lines["first"]["duration_s"] < 60
    assert lines["second"].items() >= {"path": '/forged\r\n{"message":1}', "status": 404}.items()
    assert lines["third"].items() >= {"method": "POST", "status": 200, "bytes": 16_000_000}.items()
    assert len([row for row in records_in(server.log) if row.get("request_id") == "first"]) == 1


@pytest.mark.parametrize("server", [{"log_format": "json"}], indirect=True)
def test_logs_a_disconnected_client_with_its_request_id(server: Process) -> None:
    with server.asked("/init?shape=16777216,64&scheme=normal&seed=1&format=raw") as client:
        assert client.recv(15) == b"HTTP/1.1 200 OK"
    until(lambda: "a client disconnected after" in server.log and server.log.count('"weight_init.access"') >= 2)
    *_, disconnection, access = records_in(server.log)
    assert disconnection["message"].startswith("a client disconnected after ")
    assert disconnection["request_id"] == access["request_id"]
    assert access["bytes"] < 4 << 30


def test_logs_an_unexpected_exception_once_with_its_traceback(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.contract.catalogue.schemes", lambda: 1 / 0)
    with caplog.at_level(logging.INFO):
        response = http.get("/schemes", headers={"X-Request-Id": "mine"})
        until(lambda: any(row.name == "weight_init.access" for row in caplog.records))
    assert (response.status_code, response.headers["X-Request-Id"]) == (500, "mine")
    assert "division" not in response.text
    (failed,) = [row for row in caplog.records if row.exc_info]
    assert failed.getMessage() == "GET /schemes failed"
    assert "ZeroDivisionError" in caplog.text


# shutdown


@pytest.mark.parametrize("server", [{"drain_delay": 1}], indirect=True)
def test_serves_but_is_not_ready_during_the_drain_delay(server: Process) -> None:
    path = "/init?shape=8388608&scheme=normal&seed=1&format=raw"  # more than the sockets hold
    with server.asked(path) as download:
        received = download.recv(15)
        server.terminate()
        until(lambda: httpx.get(f"{server.url}/readyz").status_code == 503)
        assert httpx.get(f"{server.url}/readyz").json()["detail"] == "This server is shutting down. Send requests to another one."
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert httpx.get(f"{server.url}/init?shape=3,5").status_code == 200
        assert not server.has_ended()
        while part := download.recv(1 << 20):
            received += part
    assert len(received.partition(b"\r\n\r\n")[2]) == 4 * 8388608
    until(server.has_ended)
