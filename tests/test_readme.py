"""Every example of the README is run."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.console import ADDRESS, blocks, is_shown, sessions, shell

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples need curl")
@pytest.mark.parametrize("block", blocks(README, "console"), ids=lambda block: block[:60])
def test_a_console_example_shows_what_happens(block: str, server_url: str, folder: Path) -> None:
    for command, shown in sessions(block):
        output = shell(command, server_url, folder)
        assert is_shown(output, shown), f"{command}\n{output}"


def _missing(block: str) -> str | None:
    return next((name for name in ("torch", "jax", "keras") if f"import {name}" in block or f", {name}" in block), None)


@pytest.mark.parametrize("block", blocks(README, "python"), ids=lambda block: block[:60])
def test_a_python_example_runs(block: str, server_url: str, folder: Path) -> None:
    framework = _missing(block)
    if framework and importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed; `make test-frameworks` installs and runs it")
    script = folder / "example.py"
    script.write_text(block.replace(ADDRESS, server_url), "utf-8")
    subprocess.run([sys.executable, script], cwd=folder, check=True)


@pytest.mark.skipif(shutil.which("node") is None, reason="the example needs Node.js 18 or newer")
@pytest.mark.parametrize("block", blocks(README, "javascript"))
def test_a_javascript_example_runs(block: str, server_url: str, folder: Path) -> None:
    script = folder / "example.mjs"
    script.write_text(block.replace(ADDRESS, server_url), "utf-8")
    done = subprocess.run(["node", script], capture_output=True, text=True, check=True)
    assert done.stdout == "200704 [ 256, 784 ] he_normal 0.050507627227610534\n"


def test_the_examples_are_found() -> None:
    assert len(blocks(README, "python")) >= 4
    assert len([command for block in blocks(README, "console") for command in sessions(block)]) >= 10
    assert len(blocks(README, "javascript")) == 1


def test_the_commands_of_the_start_are_those_of_the_makefile() -> None:
    makefile = (Path(__file__).parents[1] / "Makefile").read_text("utf-8")
    for target in re.findall(r"make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target
