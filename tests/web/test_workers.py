"""`weight-init serve --workers N`: several processes on one port. One that dies is replaced."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.processes import TIMEOUT_S, Process, until

MIB = 1 << 20
LONG = "/init?shape=4096,2048&scheme=normal&seed=5&format=raw"
LONG_BYTES = 32 * MIB  # far more than the sockets hold


class Workers(Process):
    """A server with `count` worker processes."""

    def __init__(self, count: int) -> None:
        super().__init__(workers=count)
        until(lambda: self.log.count("startup complete") == count)

    @property
    def ids(self) -> list[int]:
        """The process ids of all workers started so far, oldest first."""
        return [int(number) for number in re.findall(r"Started server process \[(\d+)\]", self.log)]

    def connections(self) -> dict[int, int]:
        """Return how many clients are connected to each worker."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        established = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{self.port:04X}") and row[3] == "01"}
        return {worker: sum(os.readlink(file) in established for file in Path(f"/proc/{worker}/fd").iterdir()) for worker in self.ids}

    def exit_status(self) -> int:
        """Wait for the end, and return the exit status."""
        return self._process.wait(TIMEOUT_S)


@pytest.fixture
def two_workers() -> Iterator[Workers]:
    workers = Workers(2)
    yield workers
    workers.end()


def receive_body(client: socket.socket, beginning: bytes) -> bytes:
    """Receive the rest of a response, or what arrives before the server dies, and return the body."""
    received = bytearray(beginning)
    with client, suppress(ConnectionResetError):
        while len(received) - received.find(b"\r\n\r\n") - 4 < LONG_BYTES and (part := client.recv(MIB)):
            received += part
    return bytes(received.partition(b"\r\n\r\n")[2])


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="finds connections in /proc")
def test_a_killed_worker_is_replaced_and_the_other_completes_its_streams(two_workers: Workers) -> None:
    whole = httpx.get(two_workers.url + LONG, timeout=TIMEOUT_S).content
    clients = [two_workers.asked(LONG) for _ in range(5)]
    beginnings = [client.recv(MIB) for client in clients]
    streams = two_workers.connections()  # the system distributes the connections as it likes
    victim, survivor = sorted(streams, key=lambda worker: streams[worker])
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(two_workers.ids) == 3)
    bodies = [receive_body(client, part) for client, part in zip(clients, beginnings, strict=True)]
    assert all(whole.startswith(body) for body in bodies)
    assert bodies.count(whole) == streams[survivor] >= 3
    assert httpx.get(two_workers.url + LONG, timeout=TIMEOUT_S).content == whole


def test_workers_complete_their_responses_after_sigterm(two_workers: Workers) -> None:
    clients = [two_workers.asked(LONG) for _ in range(4)]
    beginnings = [client.recv(MIB) for client in clients]
    two_workers.terminate()
    until(lambda: two_workers.log.count("Shutting down") == 2)
    bodies = [receive_body(client, part) for client, part in zip(clients, beginnings, strict=True)]
    assert [len(body) for body in bodies] == [LONG_BYTES] * 4
    assert len(set(bodies)) == 1
    assert two_workers.exit_status() == 0


def test_a_single_worker_exits_with_status_0_after_sigterm() -> None:
    single = Workers(1)
    single.end()
    assert single.exit_status() == 0
