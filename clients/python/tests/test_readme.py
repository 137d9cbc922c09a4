"""Runs every Python example in the README."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]
README = (FOLDER / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
FRAMEWORKS = ("torch", "jax", "keras")


def run(program: str, server_url: str, folder: Path) -> str:
    (folder / "example.py").write_text(program.replace("http://127.0.0.1:8000", server_url), "utf-8")
    environment = os.environ | {"WEIGHT_INIT_URL": server_url, "PYTHONIOENCODING": "utf-8", "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True
    )
    return done.stdout


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_example_runs(block: str, server_url: str, tmp_path: Path) -> None:
    for framework in FRAMEWORKS:
        if f"import {framework}" in block and importlib.util.find_spec(framework) is None:
            pytest.skip(f"{framework} is not installed; `make test-frameworks` installs and runs it")
    run(block, server_url, tmp_path)


def test_quickstart_prints_what_the_readme_shows(server_url: str, tmp_path: Path) -> None:
    assert BLOCKS[0] == (FOLDER / "examples" / "quickstart.py").read_text("utf-8")
    shown = re.findall(r"^```text\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert run(BLOCKS[0], server_url, tmp_path) == shown[0]


def test_finds_the_examples() -> None:
    assert len(BLOCKS) >= 5


def test_links_point_to_existing_files() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (FOLDER / target).exists(), target
