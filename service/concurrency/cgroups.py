"""Reads the limits of the control groups that this process is in. A container is such a group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def folders(controller: str, cgroups: Path, membership: Path) -> Iterator[Path]:
    """Yield the folder of each control group of this process with a controller such as `cpu`, and the folders of its parent groups."""
    for line in read(membership).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "" or controller in controllers.split(","):
            root = cgroups / controllers
            folder = root / path.lstrip("/")
            yield from [folder, *(parent for parent in folder.parents if parent.is_relative_to(root))]


def read(file: Path) -> str:
    """Return the text of a file; nothing if it cannot be read, as then there is no limit."""
    try:
        return file.read_text("ascii").strip()
    except OSError:
        return ""
