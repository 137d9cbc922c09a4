"""Runs the example as a user does, but for fewer steps."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "train_gpt.py"
PROGRAM = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import tests.models.operators, runpy; runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"  # fmt: skip # noqa: E501
ROW = re.compile(r"(.{14}) +(\d+\.\d\d) +(\d+\.\d\d) +(\d+)")


pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the example prints, in a folder with its picture."""
    folder = tmp_path_factory.mktemp("train_gpt")
    command = [sys.executable, "-c", PROGRAM, "--steps", "60", "--output", str(folder / "losses.svg")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # another test may have the other core
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "losses.svg").read_text("utf-8").count("<path") > 10
    return done.stdout


@pytest.fixture(scope="module")
def rows(output: str) -> dict[str, tuple[float, float, int]]:
    return {label.strip(): (float(first), float(last), int(units)) for label, first, last, units in ROW.findall(output)}


def test_a_recommended_checkpoint_starts_with_a_guess_and_learns(output: str, rows: dict[str, tuple[float, float, int]]) -> None:
    match = re.search(r"(\d+) different: a guess has the loss (\d+\.\d\d)", output)
    assert match is not None
    guess = math.log(int(match[1]))
    assert abs(guess - float(match[2])) < 0.005
    first, last, _ = rows["recommended"]
    assert abs(first - guess) < 0.1  # half the variance of the logits, which is 64 times 0.02²
    assert last < 3.4  # the entropy of single letters in the text is 3.5


def test_large_weights_start_far_off_and_stay_behind(rows: dict[str, tuple[float, float, int]]) -> None:
    assert rows["N(0, 1)"][0] > 2 * rows["recommended"][0]
    assert rows["N(0, 1)"][1] > rows["recommended"][1] + 0.5


def test_equal_weights_stay_equal(rows: dict[str, tuple[float, float, int]]) -> None:
    assert rows["all 1e-4"][2] == 1
    assert rows["all 1e-4"][1] > rows["recommended"][1] + 0.3
    assert rows["recommended"][2] == 256
