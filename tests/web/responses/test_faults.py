"""Clients that disconnect, read slowly or come in hundreds, and a server that is killed: no leaks, no wrong bytes, and a log of it."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import TIMEOUT_S, Process, until

LARGE = "/init?shape=16777216,64&scheme=normal&seed=1&format=raw"  # 4 GiB
MIB = 1 << 20

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[Process]:
    process = Process()
    yield process
    process.kill()


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="counts threads and memory in /proc")


def digest(url: str) -> str:
    return hashlib.sha256(httpx.get(f"{url}/init?shape=1000,1000&scheme=normal&seed=3&format=raw", timeout=TIMEOUT_S).content).hexdigest()


@needs_proc
def test_logs_a_client_that_disconnects(server: Process) -> None:
    before = digest(server.url)
    with server.asked(LARGE) as client:
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    until(lambda: re.search(r"a client disconnected after \d+ of 4294967296 bytes", server.log) is not None)
    assert digest(server.url) == before


@needs_proc
def test_leaks_nothing_when_two_hundred_clients_disconnect(server: Process) -> None:
    before = digest(server.url)
    with server.asked(LARGE) as client:  # the threads for long responses start with the first of them
        assert client.recv(15) == b"HTTP/1.1 200 OK"
    until(lambda: server.log.count("a client disconnected after") >= 1)
    disconnected = server.log.count("a client disconnected after")
    threads, sockets, memory = server.status("Threads"), server.open_sockets(), server.status("VmRSS")
    clients = [server.asked(LARGE.replace("seed=1", f"seed={seed}")) for seed in range(200)]
    for client in clients:
        assert client.recv(15) == b"HTTP/1.1 200 OK"
    for client in clients:
        client.close()
    until(lambda: server.log.count("a client disconnected after") == disconnected + 200)
    until(lambda: server.open_sockets() <= sockets + 1)
    assert server.status("Threads") <= threads + 1
    # for each client at most a block ahead and one in its socket; the allocator reuses what it keeps for the next two hundred
    assert (server.status("VmRSS") - memory) / 1024 < 200 * 2 + 200
    assert digest(server.url) == before


def test_a_client_that_reads_ten_bytes_a_second_does_not_delay_others(server: Process) -> None:
    with server.asked(LARGE) as slow:
        start = time.monotonic()
        read = b""
        for _ in range(3):
            read += slow.recv(10)
            assert httpx.get(f"{server.url}/init?shape=256,256&scheme=normal&seed=2", timeout=10).status_code == 200
            time.sleep(max(0.0, 1 + start - time.monotonic()))
            start = time.monotonic()
        assert read.startswith(b"HTTP/1.1 200 OK")
    until(lambda: "a client disconnected after" in server.log)
    sent = int(re.findall(r"a client disconnected after (\d+) of", server.log)[0])
    assert sent < 64 * MIB, "the server must wait for a slow reader instead of computing ahead"


def test_answers_small_requests_during_large_downloads(server: Process) -> None:
    stop = threading.Event()

    def download() -> None:
        with server.asked(LARGE) as client:
            while not stop.is_set():
                client.recv(MIB)

    large = [threading.Thread(target=download) for _ in range(8)]
    for thread in large:
        thread.start()
    try:
        for seed in range(50):
            response = httpx.post(f"{server.url}/init", json={"shape": [32, 32], "activation": "relu", "seed": seed}, timeout=10)
            assert response.status_code == 200
        assert all(thread.is_alive() for thread in large)
    finally:
        stop.set()
        for thread in large:
            thread.join()


def test_a_download_resumes_at_another_server_after_the_first_is_killed() -> None:
    path = "/init?shape=4096,4096&scheme=normal&seed=5&format=npy"  # 64 MiB
    first = Process()
    with first.asked(path) as client:
        received = b""
        while len(received) < 10 * MIB:
            received += client.recv(MIB)
        first.kill()
        try:
            while part := client.recv(MIB):
                received += part
        except ConnectionResetError:
            pass  # how a client notices that its server died
    _, _, body = received.partition(b"\r\n\r\n")
    assert len(body) < 4 * 4096 * 4096
    second = Process()
    try:
        rest = httpx.get(f"{second.url}{path}", headers={"Range": f"bytes={len(body)}-"}, timeout=TIMEOUT_S)
        assert rest.status_code == 206
        whole = httpx.get(f"{second.url}{path}", timeout=TIMEOUT_S).content
    finally:
        second.kill()
    assert body + rest.content == whole
