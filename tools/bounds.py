"""`python -m tools.bounds` fails if an installed version is not the lower bound in pyproject.toml.

`make test-lowest` runs it. If one requirement excludes the lower bound of another, the installer silently takes a newer version, and
the tests would say nothing about that bound.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]

# project -> the extras that are installed
PROJECTS: dict[str, tuple[str, ...]] = {"pyproject.toml": ("redis", "otel", "dev"), "clients/python/pyproject.toml": ()}


def requirements() -> Iterator[Requirement]:
    """Yield what the projects and their extras require on this machine."""
    for path, extras in PROJECTS.items():
        project = tomllib.loads((ROOT / path).read_text("utf-8"))["project"]
        lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement


def lower_bound(requirement: Requirement) -> Version | None:
    """Return the oldest version that a requirement names.

    >>> lower_bound(Requirement("numpy>=2.0,<3"))
    <Version('2.0')>
    """
    return next((Version(row.version) for row in requirement.specifier if row.operator == ">="), None)


def main() -> int:
    """Print each bound that is not what is installed. Return the exit status."""
    untested = {
        str(requirement): installed
        for requirement in requirements()
        if (installed := Version(version(requirement.name))) != lower_bound(requirement)
    }
    for requirement, installed in untested.items():
        print(f"{requirement}: expected the lower bound to be installed; received {installed}. Raise the bound to it.", file=sys.stderr)
    return 1 if untested else 0


if __name__ == "__main__":
    sys.exit(main())
