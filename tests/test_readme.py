"""Every example of the README is run."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def sessions() -> list[tuple[str, str]]:
    """Each command of a console block, with the output that the page shows for it."""
    parts = [part for block in blocks("console") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def shell(command: str, server_url: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.replace(ADDRESS, server_url)],
        cwd=folder,
        env=os.environ | {"PATH": path, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples need curl")
@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block[:60])
def test_a_console_example_shows_what_happens(block: str, server_url: str, folder: Path) -> None:
    for command, shown in sessions():
        if f"$ {command}\n" not in block:
            continue
        expected = ".*".join(re.escape(part) for part in re.split("…\n?", shown))
        assert re.fullmatch(expected, shell(command, server_url, folder), re.DOTALL), command


def _missing(block: str) -> str | None:
    return next((name for name in ("torch", "jax", "keras") if f"import {name}" in block or f", {name}" in block), None)


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block[:60])
def test_a_python_example_runs(block: str, server_url: str, folder: Path) -> None:
    framework = _missing(block)
    if framework and importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed; `make test-frameworks` installs and runs it")
    script = folder / "example.py"
    script.write_text(block.replace(ADDRESS, server_url), "utf-8")
    subprocess.run([sys.executable, script], cwd=folder, check=True)


@pytest.mark.skipif(shutil.which("node") is None, reason="the example needs Node.js 18 or newer")
@pytest.mark.parametrize("block", blocks("javascript"))
def test_a_javascript_example_runs(block: str, server_url: str, folder: Path) -> None:
    script = folder / "example.mjs"
    script.write_text(block.replace(ADDRESS, server_url), "utf-8")
    done = subprocess.run(["node", script], capture_output=True, text=True, check=True)
    assert done.stdout == "200704 [ 256, 784 ] he_normal 0.050507627227610534\n"


def test_the_examples_are_found() -> None:
    assert len(blocks("python")) >= 4
    assert len(sessions()) >= 10
    assert len(blocks("javascript")) == 1


def test_the_commands_of_the_start_are_those_of_the_makefile() -> None:
    makefile = (Path(__file__).parents[1] / "Makefile").read_text("utf-8")
    for target in re.findall(r"make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target
