"""Every state in which a client owes the server something ends: by its deadline, and by SIGTERM. It is counted, and logged as JSON."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.processes import TIMEOUT_S, Process, started, until
from tests.sockets import connected

POST = b"POST /init HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
REFUSED = b"POST /init HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"  # answered before its body is read
LENGTH = b"Content-Length: 20\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /init?shape=%s&scheme=ones&format=raw HTTP/1.1\r\nHost: x\r\n\r\n"
SMALL, LARGE = GET % b"4,4", GET % b"67108864"  # 64 bytes, 256 MiB
CLOSING = b"GET /init?shape=2097152&scheme=ones&format=raw HTTP/1.0\r\n\r\n"  # 8 MiB


class State(NamedTuple):
    """What a client sends before it falls silent, the statuses that the server counts, and whether the client reads."""

    sent: bytes
    statuses: tuple[int, ...] = ()
    reads: bool = True


STATES = {
    "nothing": State(b"", (408,)),
    "part of a request line": State(b"GET /hea", (408,)),
    "part of the headers": State(b"GET /healthz HTTP/1.1\r\nHost:", (408,)),
    "part of a second head": State(SMALL + b"GET /hea", (200, 408)),
    "a head that is too long": State(b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, (431,)),
    "not HTTP": State(b"\x16\x03\x01\x02\x00\x01", (400,)),
    "no body": State(POST + LENGTH, (408,)),
    "part of a body": State(POST + LENGTH + b"{", (408,)),
    "part of a chunk size": State(POST + CHUNKED + b"5", (408,)),
    "part of a chunk": State(POST + CHUNKED + b"5\r\n{", (408,)),
    "part of a trailer": State(POST + CHUNKED + b"2\r\n{}\r\n0\r\nX: y", (408,)),
    "an invalid chunk size": State(POST + CHUNKED + b"x\r\n", (400,)),
    "after a response, no body": State(REFUSED + LENGTH, (415,)),
    "after a response, part of a body": State(REFUSED + LENGTH + b"{", (415,)),
    "after a response, part of a chunk size": State(REFUSED + CHUNKED + b"5", (415,)),
    "after a response, part of a chunk": State(REFUSED + CHUNKED + b"5\r\n{", (415,)),
    "after a response, part of a trailer": State(REFUSED + CHUNKED + b"2\r\n{}\r\n0\r\nX: y", (415,)),
    "an upgrade without its body": State(POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + LENGTH, (408,)),
    "CONNECT": State(b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", (405,)),
    "an unread stream": State(LARGE, (200,), reads=False),
    "an unread response that closes": State(CLOSING, (200,), reads=False),
    "unread streams in a pipeline": State(LARGE * 3, (200,), reads=False),
}


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The event loop of the processes that a test starts."""
    if request.param == "asyncio":
        (tmp_path / "uvloop.py").write_text("raise ImportError")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    else:
        pytest.importorskip("uvloop", reason="there is none for this platform")
    return str(request.param)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tls")
    files = {"tls_certificate": folder / "certificate.pem", "tls_key": folder / "key.pem"}
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(files["tls_key"]), "-out", str(files["tls_certificate"])], check=True, capture_output=True)
    return files


@contextmanager
def silent_clients(server: Process) -> Iterator[dict[str, socket.socket]]:
    """Bring a connection into each state."""
    with ExitStack() as stack:
        clients = {name: stack.enter_context(connected(server.url)) for name in STATES}
        for name, state in STATES.items():
            clients[name].sendall(state.sent)
        yield clients


def requests(server: Process) -> dict[int, int]:
    """Return the number of requests by status."""
    text = httpx.get(f"{server.url}/metrics", verify=False).raise_for_status().text
    counts: dict[int, int] = {}
    for family in text_string_to_metric_families(text):
        for row in family.samples:
            if row.name == "weight_init_requests_total" and row.labels["route"] not in ("/readyz", "/metrics"):
                counts[int(row.labels["status"])] = counts.get(int(row.labels["status"]), 0) + int(row.value)
    return counts


def check_log(server: Process) -> None:
    """Check that each line of the log is a JSON object without a traceback, and no error."""
    for line in server.log.splitlines():
        record = json.loads(line)
        assert "traceback" not in record
        assert record["level"] in ("info", "warning"), record


def test_each_state_ends_at_its_deadline_and_is_counted(loop: str) -> None:
    with started(log_format="json", head_timeout_s=0.5, reader_timeout_s=0.5) as server:
        start = time.monotonic()
        with silent_clients(server) as clients:
            for name, state in STATES.items():
                while state.reads and clients[name].recv(1 << 16):
                    pass
            until(lambda: server.open_connections() == 0)
            assert time.monotonic() - start < 20  # a deadline is half a second, and a keep-alive connection is closed after five
        expected = sorted(status for state in STATES.values() for status in state.statuses)
        until(lambda: sorted(status for status, count in requests(server).items() for _ in range(count)) == expected)
    check_log(server)


def test_sigterm_ends_each_state(loop: str) -> None:
    server = Process(engine="numpy", log_format="json", head_timeout_s=300, reader_timeout_s=300, shutdown_timeout_s=1)
    try:
        with silent_clients(server), connected(server.url) as idle:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(1 << 16)
            refused = sum(state.statuses[-1] in (400, 405, 431) for state in STATES.values())
            until(lambda: server.open_connections() == len(STATES) + 1 - refused)
            server.signal(signal.SIGTERM)
            start = time.monotonic()
            until(server.has_ended)
            assert time.monotonic() - start < 15
    finally:
        server.kill()
    assert server.exit_code == 0
    check_log(server)


def test_fewer_descriptors_mean_fewer_connections(loop: str) -> None:
    with started(descriptors=110, log_format="json", head_timeout_s=TIMEOUT_S) as server:
        (warning,) = [json.loads(line) for line in server.log.splitlines() if "descriptors" in line]
        assert warning["level"] == "warning"
        assert warning["message"].startswith("at most 14 connections are served, as the system allows 110 file descriptors. Allow 4192")
        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(connected(server.url))
            until(lambda: server.open_connections() == 14)
            refusal = httpx.get(f"{server.url}/healthz")
            assert (refusal.status_code, refusal.headers["Retry-After"]) == (503, "1")
        until(lambda: server.open_connections() == 0)
        assert httpx.get(f"{server.url}/healthz").status_code == 200
    check_log(server)


def test_tls_handshakes_count_and_end(loop: str, certificate: dict[str, Any]) -> None:
    with started(log_format="json", head_timeout_s=1, max_connections=3, **certificate) as server:
        with connected(server.url) as silent, connected(server.url) as partial, connected(server.url):
            partial.sendall(b"\x16\x03\x01\x02\x00\x01")
            refusal = httpx.get(f"{server.url}/healthz", verify=False)
            assert (refusal.status_code, refusal.headers["Retry-After"]) == (503, "1")
            assert [silent.recv(9), partial.recv(9)] == [b"", b""]
        until(lambda: server.open_connections() == 0)
        assert httpx.get(f"{server.url}/healthz", verify=False).status_code == 200
    check_log(server)


def test_sigterm_ends_tls_handshakes(loop: str, certificate: dict[str, Any]) -> None:
    server = Process(engine="numpy", log_format="json", head_timeout_s=300, shutdown_timeout_s=1, **certificate)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        with connected(server.url), connected(server.url) as unread:
            unread.settimeout(TIMEOUT_S)
            with trusting.wrap_socket(unread) as encrypted:
                encrypted.sendall(LARGE)
                assert encrypted.recv(9) == b"HTTP/1.1 "
                until(lambda: server.open_connections() == 2)
                server.signal(signal.SIGTERM)
                until(server.has_ended)
    finally:
        server.kill()
    assert server.exit_code == 0
    check_log(server)
