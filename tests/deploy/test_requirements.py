"""The package versions of the image: complete, with hashes, and the same as those that the tests use."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def locked(name: str) -> dict[str, str]:
    """Return the version of each package in a lock file."""
    text = (ROOT / "deploy" / name).read_text("utf-8")
    rows = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in row for row in rows)
    return dict(_pin(row) for row in rows)


def _pin(row: str) -> tuple[str, str]:
    name, _, rest = row.partition("==")
    return canonical(name), re.split(r"[ ;]", rest)[0]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


REQUIREMENTS = {
    "requirements.txt": PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["redis"],
    "requirements-build.txt": PROJECT["build-system"]["requires"],
}


@pytest.mark.parametrize("file", REQUIREMENTS)
def test_each_requirement_is_locked_at_an_allowed_version(file: str) -> None:
    versions = locked(file)
    for requirement in map(Requirement, REQUIREMENTS[file]):
        assert requirement.specifier.contains(versions.get(canonical(requirement.name), "none")), f"{requirement}: run `make lock`"


def test_the_image_has_the_versions_that_the_tests_use() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    tested = dict(_pin(line) for line in lines if not line.startswith("#"))
    differing = {name: version for name, version in locked("requirements.txt").items() if tested.get(name, version) != version}
    assert not differing, "run `make lock`"
