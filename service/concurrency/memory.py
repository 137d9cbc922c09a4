"""How much memory this process may use. In a container this is often less than the machine has."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from service.concurrency.cgroups import CGROUPS, MEMBERSHIP, folders, read

_OWN_BYTES = 160 << 20  # the service itself: Python, its libraries and the kernels
_LEAST_SPARE_BYTES = 32 << 20


def usable_memory_bytes(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return the memory of the machine, or what the control group of a container allows if that is less."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else sys.maxsize
    return min([installed, *_limits(cgroups, membership)])


def _limits(cgroups: Path, membership: Path) -> Iterator[int]:
    for folder in folders("memory", cgroups, membership):
        # version 2: "max" or bytes (kernel documentation, Control Group v2, memory.max)
        limit = read(folder / "memory.max") or read(folder / "memory.limit_in_bytes")  # version 1
        if limit.isdigit():
            yield int(limit)


def spare_memory_bytes() -> int:
    """Return the memory that is left for responses and connections."""
    return max(_LEAST_SPARE_BYTES, usable_memory_bytes() - _OWN_BYTES)
