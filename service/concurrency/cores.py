"""How many cores this process may use: in a container, often fewer than the machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Return the number of cores that this process may use, at least 1.

    `taskset` and cpusets limit which cores it runs on; `docker run --cpus` limits its share of their time, through its control group.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = [math.ceil(share) for share in _shares(cgroups, membership)]
    return max(1, min([allowed, *shares]))


def _shares(cgroups: Path, membership: Path) -> Iterator[float]:
    """The cores' worth of time that each control group of this process may take; nothing where there is no limit."""
    for folder in _folders(cgroups, membership):
        # version 2: "max 100000" or "150000 100000", microseconds of each period (kernel documentation, Control Group v2, cpu.max)
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if not quota:  # version 1
            quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            yield int(quota) / int(period)


def _folders(cgroups: Path, membership: Path) -> Iterator[Path]:
    """The folder of each control group that this process is in, and of the groups around it."""
    for line in _text(membership).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "" or "cpu" in controllers.split(","):
            root = cgroups / controllers
            folder = root / path.lstrip("/")
            yield from [folder, *(parent for parent in folder.parents if parent.is_relative_to(root))]


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except OSError:  # this system has no such file, so no such limit
        return ""
