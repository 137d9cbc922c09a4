"""Counts the cores that this process may use. In a container these are often fewer than the machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from service.concurrency.cgroups import CGROUPS, MEMBERSHIP, folders, read


def usable_cores(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return the number of cores that this process may use, at least 1.

    `taskset` and cpusets restrict it to certain cores. `docker run --cpus` limits its share of CPU time, through its control group.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in _quotas(cgroups, membership)]
    return max(1, min([allowed, *quotas]))


def _quotas(cgroups: Path, membership: Path) -> Iterator[float]:
    """Yield the CPU quota, in cores, of each control group of this process that has one."""
    for folder in folders("cpu", cgroups, membership):
        # version 2: "max 100000" or "150000 100000", microseconds of each period (kernel documentation, Control Group v2, cpu.max)
        quota, _, period = read(folder / "cpu.max").partition(" ")
        if not quota:  # version 1
            quota, period = read(folder / "cpu.cfs_quota_us"), read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            yield int(quota) / int(period)
