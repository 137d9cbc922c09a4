"""Counting the memory that a process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.concurrency.memory import spare_memory_bytes, usable_memory_bytes
from service.settings import Settings

MIB = 1 << 20

# content of /proc/self/cgroup, files of the control groups, expected MiB on a machine with 8 GiB
CASES: list[tuple[str, dict[str, str], int]] = [
    ("0::/\n", {"memory.max": f"{256 * MIB}\n"}, 256),
    ("0::/\n", {"memory.max": "max\n"}, 8192),
    ("0::/\n", {}, 8192),
    ("", {}, 8192),
    ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": f"{512 * MIB}\n"}, 512),
    ("4:cpu:/\n3:memory:/job\n", {"memory/job/memory.limit_in_bytes": f"{300 * MIB}\n"}, 300),
    ("3:memory:/job\n", {"memory/job/memory.limit_in_bytes": "9223372036854771712\n"}, 8192),
]


@pytest.mark.parametrize(("membership", "files", "mib"), CASES)
def test_respects_the_memory_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str], mib: int
) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2 << 20}.__getitem__)
    for name, text in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text, "ascii")
    (tmp_path / "self").write_text(membership, "ascii")
    assert usable_memory_bytes(tmp_path / "cgroup", tmp_path / "self") == mib * MIB


@pytest.mark.parametrize(("usable", "spare"), [(1024, 864), (256, 96), (100, 32)])
def test_leaves_memory_for_the_service_itself(monkeypatch: pytest.MonkeyPatch, usable: int, spare: int) -> None:
    monkeypatch.setattr("service.concurrency.memory.usable_memory_bytes", lambda: usable * MIB)
    assert spare_memory_bytes() == spare * MIB


@pytest.mark.parametrize(("spare", "streams", "connections"), [(96, 16, 384), (352, 58, 1408), (8000, 256, 4096)])
def test_the_default_limits_fit_into_the_memory(monkeypatch: pytest.MonkeyPatch, spare: int, streams: int, connections: int) -> None:
    monkeypatch.setattr("service.settings.spare_memory_bytes", lambda: spare * MIB)
    assert (Settings().max_streams, Settings().max_connections) == (streams, connections)
    assert Settings(max_streams=1000).max_streams == 1000
