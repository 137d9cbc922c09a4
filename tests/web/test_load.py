"""Briefly tests the server under load. `make load` does the same for a minute, with more of everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load import KINDS, under_load, vanished
from benchmarks.servers import Server, weight_init

MIB = 1 << 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="counts threads and memory in /proc"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with weight_init() as process:
        yield process


def test_serves_the_right_bytes_under_load_and_leaks_nothing(server: Server) -> None:
    result, before, after = under_load(server, connections=50, duration_s=3)
    assert not result.wrong
    assert result.refused == 0, "there are fewer connections than permitted streams"
    assert all(result.seconds[kind] for kind in KINDS)
    assert after.threads <= before.threads
    assert after.sockets <= before.sockets
    assert after.resident_bytes - before.resident_bytes < 50 * 3 * MIB, "the allocator reuses the memory that it keeps"


def test_leaks_nothing_when_clients_disconnect(server: Server) -> None:
    before, after = vanished(server, clients=150)
    assert after.threads <= before.threads
    assert after.sockets <= before.sockets
    assert after.resident_bytes - before.resident_bytes < 150 * MIB, "less than one block for each client"
