"""Counting the cores that a process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.concurrency.cores import usable_cores

QUOTA, PERIOD = "cpu,cpuacct/job/cpu.cfs_quota_us", "cpu,cpuacct/job/cpu.cfs_period_us"

# content of /proc/self/cgroup, files of the control groups, expected cores on a machine with 64
CASES: list[tuple[str, dict[str, str], int]] = [
    ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),
    ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
    ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
    ("0::/\n", {}, 64),
    ("", {}, 64),
    ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
    ("0::/a/b\n", {"a/b/cpu.max": "5000 100000\n"}, 1),
    (
        "4:cpu,cpuacct:/job\n3:memory:/job\n",
        {QUOTA: "250000\n", PERIOD: "100000\n"},
        3,
    ),
    ("4:cpu,cpuacct:/job\n", {QUOTA: "-1\n", PERIOD: "100000\n"}, 64),
    ("0::/\n", {"cpu.max": "9900000 100000\n"}, 64),
]


@pytest.mark.parametrize(("membership", "files", "cores"), CASES)
def test_respects_the_cpu_quota_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str], cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    for name, text in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text, "ascii")
    (tmp_path / "self").write_text(membership, "ascii")
    assert usable_cores(tmp_path / "cgroup", tmp_path / "self") == cores


def test_respects_the_cpu_affinity_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7}, raising=False)
    assert usable_cores(tmp_path, tmp_path / "none") == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores(tmp_path, tmp_path / "none") == 1


def test_counts_at_least_one_core_on_this_machine() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
