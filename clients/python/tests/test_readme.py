"""Every Python example of the README is run."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
FRAMEWORKS = ("torch", "jax", "keras")


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_python_example_runs(block: str, server_url: str, tmp_path: Path) -> None:
    for framework in FRAMEWORKS:
        if f"import {framework}" in block and importlib.util.find_spec(framework) is None:
            pytest.skip(f"{framework} is not installed; `make test-frameworks` installs and runs it")
    (tmp_path / "example.py").write_text(block.replace("http://127.0.0.1:8000", server_url), "utf-8")
    subprocess.run([sys.executable, "example.py"], cwd=tmp_path, check=True)


def test_the_examples_are_found() -> None:
    assert len(BLOCKS) >= 5


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target
