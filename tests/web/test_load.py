"""Under load and after it, briefly; `make load` does the same for a minute, with more of everything."""

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


def test_whatever_is_served_under_load_is_right_and_nothing_stays(server: Server) -> None:
    found, before, after = under_load(server, connections=50, duration_s=3)
    assert not found.wrong
    assert found.refused == 0, "fewer connections than streams that are allowed"
    assert all(found.seconds[kind] for kind in KINDS)
    assert after.threads <= before.threads
    assert after.sockets <= before.sockets
    assert after.resident_bytes - before.resident_bytes < 50 * 3 * MIB, "what the allocator keeps is used again"


def test_clients_that_vanish_leave_nothing_behind(server: Server) -> None:
    before, after = vanished(server, clients=150)
    assert after.threads <= before.threads
    assert after.sockets <= before.sockets
    assert after.resident_bytes - before.resident_bytes < 150 * MIB, "less than one block for each"
