"""Connections that owe something are closed, and a pipeline takes little memory."""

from __future__ import annotations

import threading
from contextlib import suppress

import httpx
import pytest

from service.settings import Settings
from tests.processes import Process
from tests.serving import serving
from tests.sockets import connected, receive_all

MIB = 1 << 20
POST = b"POST /init HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
REFUSED_POST = b"POST /init HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"  # answered before its body is read
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /init?shape=4,4&scheme=ones&format=raw HTTP/1.1\r\nHost: x\r\n\r\n"

# what a client sends before it falls silent, and the status of its last answer
STATES = {
    "the body never begins": (POST + b"Content-Length: 20\r\n\r\n", 408),
    "part of a body": (POST + b"Content-Length: 20\r\n\r\n{", 408),
    "part of a chunk size": (POST + CHUNKED + b"5", 408),
    "part of a chunk": (POST + CHUNKED + b"5\r\n{", 408),
    "part of a trailer": (POST + CHUNKED + b"2\r\n{}\r\n0\r\nX: y", 408),
    "after an answer, the body never begins": (REFUSED_POST + b"Content-Length: 20\r\n\r\n", 415),
    "after an answer, one byte of the body": (REFUSED_POST + b"Content-Length: 20\r\n\r\n{", 415),
    "after an answer, part of a chunk size": (REFUSED_POST + CHUNKED + b"5", 415),
    "after an answer, part of a chunk": (REFUSED_POST + CHUNKED + b"5\r\n{", 415),
    "after an answer, part of a trailer": (REFUSED_POST + CHUNKED + b"2\r\n{}\r\n0\r\nX: y", 415),
}


@pytest.mark.parametrize("state", STATES)
def test_closes_a_connection_that_owes_the_rest_of_its_request(state: str) -> None:
    sent, status = STATES[state]
    with serving(Settings(head_timeout_s=0.2)) as url, connected(url) as connection:
        connection.sendall(sent)
        received = receive_all(connection)  # returns, because the server closes
    assert received.startswith(b"HTTP/1.1 %d " % status)


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
                        connection.sendall(b"GET / HTTP/1.1\r\n\r\n" * (MIB // 18))

            thread = threading.Thread(target=send)
            thread.start()
            thread.join()
            assert httpx.get(f"{server.url}/healthz").status_code == 200
            assert (server.status("VmRSS") - before) / 1024 < 32
    finally:
        server.end()
