"""`weight-init serve --workers N`: several processes behind one port, none of which is missed when it dies."""

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

from tests.processes import PATIENCE_S, Process, until

MIB = 1 << 20
LONG = "/init?shape=4096,2048&scheme=normal&seed=5&format=raw"
LONG_BYTES = 32 * MIB  # of which sockets hold but a few


class Workers(Process):
    """So many of them."""

    def __init__(self, count: int) -> None:
        super().__init__(workers=count)
        until(lambda: self.log.count("startup complete") == count)

    @property
    def ids(self) -> list[int]:
        """The processes of all that were started, the oldest first."""
        return [int(found) for found in re.findall(r"Started server process \[(\d+)\]", self.log)]

    def connections(self) -> dict[int, int]:
        """How many clients are connected to each."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        established = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{self.port:04X}") and row[3] == "01"}
        return {worker: sum(os.readlink(file) in established for file in Path(f"/proc/{worker}/fd").iterdir()) for worker in self.ids}

    def exit_status(self) -> int:
        """When it has ended."""
        return self._process.wait(PATIENCE_S)


@pytest.fixture
def two() -> Iterator[Workers]:
    workers = Workers(2)
    yield workers
    workers.end()


def rest(client: socket.socket, begun: bytes) -> bytes:
    """The body, of which something was received; as much as came, where the server died."""
    received = bytearray(begun)
    with client, suppress(ConnectionResetError):
        while len(received) - received.find(b"\r\n\r\n") - 4 < LONG_BYTES and (part := client.recv(MIB)):
            received += part
    return bytes(received.partition(b"\r\n\r\n")[2])


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="finds connections in /proc")
def test_one_that_is_killed_is_replaced_and_the_streams_of_the_other_are_whole(two: Workers) -> None:
    whole = httpx.get(two.url + LONG, timeout=PATIENCE_S).content
    clients = [two.asked(LONG) for _ in range(5)]
    begun = [client.recv(MIB) for client in clients]
    streams = two.connections()  # the system gave each as many as it liked
    victim, survivor = sorted(streams, key=lambda worker: streams[worker])
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(two.ids) == 3)
    bodies = [rest(client, part) for client, part in zip(clients, begun, strict=True)]
    assert all(whole.startswith(body) for body in bodies)
    assert bodies.count(whole) == streams[survivor] >= 3
    assert httpx.get(two.url + LONG, timeout=PATIENCE_S).content == whole


def test_when_told_to_end_each_finishes_what_it_sends(two: Workers) -> None:
    clients = [two.asked(LONG) for _ in range(4)]
    begun = [client.recv(MIB) for client in clients]
    two.terminate()
    until(lambda: two.log.count("Shutting down") == 2)
    bodies = [rest(client, part) for client, part in zip(clients, begun, strict=True)]
    assert [len(body) for body in bodies] == [LONG_BYTES] * 4
    assert len(set(bodies)) == 1
    assert two.exit_status() == 0


def test_one_that_is_alone_and_told_to_end_has_ended_well() -> None:
    alone = Workers(1)
    alone.end()
    assert alone.exit_status() == 0
