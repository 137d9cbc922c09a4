"""Requests beyond a limit are refused at once. The response names the limit and says when to try again."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from tests.serving import serving
from tests.sockets import connected, receive_all

LARGE = "/init?shape=16777216,64&scheme=normal&seed=1&format=raw"  # 4 GiB
SMALL = "/init?shape=32,32&scheme=normal&seed=1"
TIMEOUT_S = 60
MIB = 1 << 20


def settings(**given: object) -> Settings:
    return Settings.model_validate(given)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, f"the condition does not hold after {TIMEOUT_S} s"
        time.sleep(0.01)


def busy(response: httpx.Response, setting: str) -> bool:
    """Return whether the request was refused as busy, and check the refusal."""
    if response.status_code != 503:
        return False
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Retry-After"] == "1"
    assert f"({setting})" in response.json()["detail"]
    return True


# ---- concurrent work


def test_refuses_a_stream_beyond_the_limit_but_no_small_response() -> None:
    with serving(settings(max_streams=1)) as url:
        with httpx.stream("GET", url + LARGE) as first:
            assert first.status_code == 200
            assert busy(httpx.get(url + LARGE), "WEIGHT_INIT_MAX_STREAMS")
            assert httpx.get(url + SMALL).status_code == 200
        until(lambda: httpx.get(f"{url}/init?shape=1000,100&seed=1").status_code == 200)  # once the server notices the disconnect


def test_a_digest_needs_the_permit_of_a_stream() -> None:
    with serving(settings(max_streams=1)) as url:
        headers = {"Want-Repr-Digest": "sha-256=1"}
        assert httpx.get(f"{url}/init?shape=1000,100&seed=1", headers=headers).status_code == 200
        with httpx.stream("GET", url + LARGE):
            assert busy(httpx.get(f"{url}/init?shape=1000,100&seed=1", headers=headers), "WEIGHT_INIT_MAX_STREAMS")


# ---- connections


def test_disconnects_a_client_that_reads_nothing_and_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    with serving(settings(reader_timeout_s=0.3)) as url, connected(url) as stuck:
        stuck.sendall(f"GET {LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        until(lambda: "disconnected a client that read nothing for 0.3 s (WEIGHT_INIT_READER_TIMEOUT_S)" in caplog.text)
        assert len(receive_all(stuck)) < 64 * MIB


def test_keeps_a_client_that_reads_slowly_but_steadily() -> None:
    nbytes, seconds = 8 * MIB, 3  # ten times the timeout
    with serving(settings(reader_timeout_s=0.3)) as url, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)  # otherwise the system buffers the whole response
        host, port = url.removeprefix("http://").split(":")
        slow.settimeout(TIMEOUT_S)
        slow.connect((host, int(port)))
        slow.sendall(f"GET /init?shape={nbytes >> 2}&scheme=normal&seed=1&format=raw HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received, start = b"", time.monotonic()
        while len(received) < nbytes:
            part = slow.recv(1 << 15)
            assert part, "it was disconnected"
            received += part
            time.sleep(max(0.0, start + seconds * len(received) / nbytes - time.monotonic()))


def test_refuses_a_connection_beyond_the_limit() -> None:
    with serving(settings(max_connections=2)) as url:
        with connected(url), connected(url) as second:
            second.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert second.recv(MIB).startswith(b"HTTP/1.1 200")
            with connected(url) as third:
                refusal = receive_all(third)
        assert refusal.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in refusal
        assert b"WEIGHT_INIT_MAX_CONNECTIONS" in refusal
        until(lambda: _answers(url))


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.HTTPError:
        return False  # closed connections may still be counted


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 5000 + b"\r\n\r\n",
        b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 2000,
    ],
    ids=["a header", "a URL", "endless headers"],
)
def test_refuses_a_request_with_a_long_url_or_headers(head: bytes) -> None:
    with serving(settings(max_head_bytes=4096)) as url, connected(url) as connection:
        connection.sendall(head)
        refusal = receive_all(connection)
    assert refusal.startswith(b"HTTP/1.1 431 ")
    assert b"content-type: application/problem+json\r\n" in refusal
    assert b"at most 4096 bytes (WEIGHT_INIT_MAX_HEAD_BYTES)" in refusal


def test_a_long_body_does_not_count_as_headers() -> None:
    with serving(settings(max_head_bytes=1024)) as url:
        response = httpx.post(
            f"{url}/init", content=b'{"shape": [3, 5]' + b" " * 30_000 + b"}", headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 200


def test_refuses_endless_trailers() -> None:
    head = b"POST /init HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    with serving(settings(max_head_bytes=4096)) as url, connected(url) as connection:
        connection.sendall(head + b"A: b\r\n" * 100_000)  # more than the server reads at once
        assert receive_all(connection).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "part",
    [b"", b"GET /healthz HTTP/1.1\r\nHost:", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal"],
    ids=["nothing", "a part", "a part of a second request"],
)
def test_disconnects_a_client_that_does_not_send_its_headers(part: bytes) -> None:
    with serving(settings(head_timeout_s=0.2)) as url, connected(url) as connection:
        connection.sendall(part)
        received = receive_all(connection)
    assert b"HTTP/1.1 408 " in received or part.endswith(b"/heal")
    assert received.startswith(b"HTTP/1.1 200 ") is part.endswith(b"/heal")


def test_a_body_that_does_not_arrive_is_a_problem() -> None:
    head = b"POST /init HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{"
    with serving(settings(head_timeout_s=0.2)) as url, connected(url) as connection:
        connection.sendall(head)
        received = receive_all(connection)
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"body: expected all of it within 0.2 s" in received


# ---- TLS


def test_serves_https_with_its_own_certificate(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subject = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    serve = [sys.executable, "-m", "service", "serve", "--port", "0", "--tls-certificate", str(certificate), "--tls-key", str(key)]
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = next(line for line in server.stderr if "https://" in line)
        port = line.split("https://127.0.0.1:")[1].split()[0].strip('"}')
        trusted = ssl.create_default_context(cafile=str(certificate))
        assert httpx.get(f"https://localhost:{port}/healthz".replace("localhost", "127.0.0.1"), verify=trusted).status_code == 200
        server.terminate()
