"""Requests on one connection: pipelines, closed directions, upgrades, refusals, and heads that HTTP forbids."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from contextlib import ExitStack, suppress

import httpx
import orjson
import pytest

from service.settings import Settings
from tests.processes import Process, until
from tests.serving import serving
from tests.sockets import connected, receive_all

MIB = 1 << 20
POST = b"POST /init HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /init?shape=4,4&scheme=ones&format=raw HTTP/1.1\r\nHost: x\r\n\r\n"


def test_answers_a_long_pipeline_in_order() -> None:
    with serving(Settings()) as url, connected(url) as connection:
        requests = b"".join(GET.replace(b"4,4", b"%d" % size) for size in range(1, 500))
        connection.sendall(requests + GET.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        received = receive_all(connection)
    lengths = [int(part.split(b"\r\n")[0]) for part in received.split(b"content-length: ")[1:]]
    assert lengths == [4 * size for size in (*range(1, 500), 16)]


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_answers_a_pipeline_that_arrives_in_parts(cut: int) -> None:
    last = GET.replace(b"Host: x", b"Host: x\r\nConnection: close")
    post = POST + CHUNKED + b"10\r\n" + b'{"shape":[3, 5]}' + b"\r\n0\r\n\r\n"
    requests = GET + post + GET + last
    with serving(Settings()) as url, connected(url) as connection:
        for start in range(0, len(requests), cut):
            connection.sendall(requests[start : start + cut])
        assert receive_all(connection).count(b"HTTP/1.1 200 ") == 4


def test_garbage_after_a_pipelined_stream_ends_the_connection_after_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    stream = GET.replace(b"4,4", b"1000,1000")
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(stream + stream + b"\x00\x01 garbage\r\n\r\n")
        received = receive_all(connection)
    assert received.count(b"HTTP/1.1 200 ") == 2
    assert len(received) > 2 * 4_000_000
    assert "Traceback" not in caplog.text


def test_a_client_that_never_reads_its_pipeline_takes_little_memory() -> None:
    server = Process()
    try:
        before = server.status("VmRSS")
        with connected(server.url) as connection:
            connection.settimeout(1)

            def send() -> None:
                with suppress(OSError):  # the server stops reading
                    for _ in range(64):
                        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * (MIB // 27))

            thread = threading.Thread(target=send)
            thread.start()
            thread.join()
            assert httpx.get(f"{server.url}/healthz").status_code == 200
            assert (server.status("VmRSS") - before) / 1024 < 32
    finally:
        server.end()


# ---- the client closes its direction first


def test_a_client_that_closes_its_direction_gets_its_responses() -> None:
    stream = GET.replace(b"4,4", b"1000,1000")
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(stream + GET + stream)
        connection.shutdown(socket.SHUT_WR)
        received = receive_all(connection)
    assert received.count(b"HTTP/1.1 200 ") == 3
    assert len(received) > 2 * 4_000_000


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_client_that_closes_its_direction_gets_a_response_that_is_computed_first(version: bytes) -> None:
    slow = b"GET /init?shape=600,600&scheme=orthogonal&dtype=float64&slice=599:600,0:1&format=raw HTTP/%b\r\nHost: x\r\n\r\n" % version
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(slow)
        connection.shutdown(socket.SHUT_WR)
        received = receive_all(connection)
    interim, _, response = received.rpartition(b"HTTP/1.1 200 OK\r\n")
    assert len(response.partition(b"\r\n\r\n")[2]) == 8
    assert interim.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"") == b""
    assert version == b"1.1" or interim == b""


def test_notices_that_a_client_has_left_which_waits_for_a_computation(caplog: pytest.LogCaptureFixture) -> None:
    slow = b"GET /init?shape=6000,1000&scheme=orthogonal&dtype=float64&format=raw HTTP/1.1\r\nHost: x\r\n\r\n"
    caplog.set_level("INFO", "weight_init.access")
    with serving(Settings()) as url:
        with connected(url) as connection:
            connection.sendall(slow)
        until(lambda: " 499, " in caplog.text)


def test_does_not_wait_long_for_a_client_of_http_1_0_that_may_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.web.protection.connections._PATIENCE_S", 0.2)
    slow = b"GET /init?shape=6000,1000&scheme=orthogonal&dtype=float64&format=raw HTTP/1.0\r\n\r\n"
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(slow)
        connection.shutdown(socket.SHUT_WR)
        assert receive_all(connection) == b""


@pytest.mark.parametrize("part", [b"GET /heal", POST + b"Content-Length: 20\r\n\r\n{"])
def test_a_client_that_ends_within_a_request_is_disconnected(part: bytes) -> None:
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        assert receive_all(connection) == b""


# ---- upgrades

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
BODY = b'{"shape": [4, 4], "scheme": "ones", "format": "raw"}'


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("body", [b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY, CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)])
@pytest.mark.parametrize("in_parts", [False, True])
def test_ignores_an_upgrade(version: bytes, body: bytes, in_parts: bool) -> None:
    request = POST.replace(b"1.1", version) + H2C + body
    cut = request.index(b"\r\n\r\n") + 4 if in_parts else len(request)
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(request[:cut])
        if in_parts:
            httpx.get(f"{url}/healthz")  # the server has taken the head by then
        connection.sendall(request[cut:] + GET.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        received = receive_all(connection)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == (2 if version == b"1.1" else 1)
    assert received.count(b"content-length: 64\r\n") == (2 if version == b"1.1" else 1)


def test_the_body_of_an_upgrade_is_no_request() -> None:
    smuggled = GET.replace(b"/init", b"/smuggled")
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(POST + H2C + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(smuggled))
        httpx.get(f"{url}/healthz")
        connection.sendall(smuggled)
        received = receive_all(connection)
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 400 ")  # it is not JSON either


def test_answers_pipelined_upgrades() -> None:
    upgrade = GET.replace(b"Host: x\r\n", b"Host: x\r\n" + H2C)
    websocket = GET.replace(b"Host: x\r\n", b"Host: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(upgrade + websocket + upgrade + GET.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        assert receive_all(connection).count(b"content-length: 64\r\n") == 4


# ---- refusals


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET /heal", 408),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, 431),
    ],
)
def test_a_refused_connection_has_the_headers_of_every_response_and_is_logged(
    sent: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "weight_init.access")
    with serving(Settings(head_timeout_s=0.2)) as url, connected(url) as connection:
        connection.sendall(sent)
        head, _, body = receive_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    for name in (b"x-request-id", b"x-content-type-options", b"content-security-policy", b"cache-control", b"date", b"content-length"):
        assert head.count(b"\r\n%b: " % name) == 1, name
    assert head.count(b"\r\nconnection: close") == 1
    assert orjson.loads(body)["status"] == status
    assert f"- - {status}, {len(body)} bytes" in caplog.text


def test_a_complete_request_is_answered_before_garbage_ends_its_connection() -> None:
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(GET.replace(b"4,4", b"1000,1000") + b"\x00\x01 garbage\r\n\r\n" * 1000)
        received = receive_all(connection)
    assert received.count(b"HTTP/1.1 200 ") == 1
    assert len(received) > 4_000_000


# ---- HTTP/1.0, which has no chunks


@pytest.mark.parametrize("file_format", ["npy", "npz", "json", "raw", "safetensors"])
@pytest.mark.parametrize("query", ["shape=300,100&scheme=normal", "shape=100,100&scheme=orthogonal", "shape=3,5"])
def test_http_1_0_gets_the_length_of_every_format(file_format: str, query: str) -> None:
    head = f"GET /init?{query}&seed=7&format={file_format} HTTP/1.0\r\nHost: x\r\nWant-Repr-Digest: sha-256=1\r\n\r\n"
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(head.encode())
        headers, _, body = receive_all(connection).partition(b"\r\n\r\n")
        expected = httpx.get(f"{url}/init?{query}&seed=7&format={file_format}").content
    assert b"transfer-encoding" not in headers
    assert b"\r\ncontent-length: %d" % len(body) in headers
    assert b"\r\nrepr-digest: sha-256=:%b:" % base64.b64encode(hashlib.sha256(body).digest()) in headers
    assert body == expected


def test_clients_that_do_not_read_json_take_little_memory() -> None:
    server = Process(engine="numpy")
    path = "/init?shape=1000000&scheme=normal&seed=1&dtype=float64&format=json"
    try:
        httpx.get(server.url + path)
        before = server.status("RssAnon")
        with ExitStack() as stack:
            clients = [stack.enter_context(server.asked(path)) for _ in range(24)]
            for client in clients:
                assert client.recv(9) == b"HTTP/1.1 "
            until(lambda: sum(_unread(client) for client in clients) > 24 << 16)
            assert (server.status("RssAnon") - before) / 1024 < 24 * 3  # MiB, as WEIGHT_INIT_MAX_STREAMS says
    finally:
        server.end()


def _unread(client: socket.socket) -> int:
    """Return the number of bytes that wait for the client in its system."""
    return len(client.recv(1 << 20, socket.MSG_PEEK))


# ---- heads that HTTP/1.1 forbids


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a b\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: user@a\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a:b\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a%zz\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: [::1\r\n", 400),
        (b"GET /healthz HTTP/2.0\r\nHost: a\r\n", 505),
        (b"GET /healthz HTTP/0.9\r\nHost: a\r\n", 505),
        (b"GET /healthz HTTP/1.2\r\nHost: a\r\n", 400),
        (b"GET /healthz\r\n", 505),  # HTTP/0.9
        (b"PRI * HTTP/2.0\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost:\r\n", 200),
        (b"GET /healthz HTTP/1.0\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: example.org\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: example.org:8000\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: [::1]:8000\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: my_service.name-1\r\n", 200),
        (b"GET http://other/healthz HTTP/1.1\r\nHost: a\r\n", 200),
    ],
)
def test_refuses_a_head_that_http_forbids(head: bytes, status: int) -> None:
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(head + b"Connection: close\r\n\r\n")
        received = receive_all(connection)
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert status == 200 or b"application/problem+json" in received
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_refused_head_ends_the_pipeline() -> None:
    with serving(Settings()) as url, connected(url) as connection:
        connection.sendall(GET + b"GET /healthz HTTP/1.1\r\n\r\n" + GET)
        received = receive_all(connection)
    assert received.count(b"HTTP/1.1 200 ") == 1
    assert received.count(b"HTTP/1.1 400 ") == 1
    assert received.index(b" 200 ") < received.index(b" 400 ")
