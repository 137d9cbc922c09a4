"""Runs the example as a user does, but for fewer epochs."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "train_digits.py"
ROW = re.compile(r"(relu|tanh) +\d+  (.{14}) +(diverged|\d+\.\d{4}) +(-|\d+\.\d%)(  recommended)?")
SCHEMES = ["zeros", "N(0, 1)", "N(0, 0.001²)", "Xavier", "He"]


@dataclass(frozen=True)
class Row:
    loss: float
    accuracy: float  # percent; 0 when it diverged
    recommended: bool


def run(url: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(EXAMPLE), "--url", url, "--output", "curves.png", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.fixture(scope="module")
def folder(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the example ran, with its output in `table.txt` and its plot in `curves.png`."""
    folder = tmp_path_factory.mktemp("train_digits")
    done = run(server_url, folder, "--epochs", "2")
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "table.txt").write_text(done.stdout, "utf-8")
    return folder


@pytest.fixture(scope="module")
def table(folder: Path) -> dict[tuple[str, str], Row]:
    rows = ROW.findall((folder / "table.txt").read_text("utf-8"))
    return {
        (activation, scheme.strip()): Row(
            float("inf") if loss == "diverged" else float(loss), 0.0 if accuracy == "-" else float(accuracy[:-1]), bool(mark)
        )
        for activation, scheme, loss, accuracy, mark in rows
    }


def test_trains_every_scheme_with_both_activations(table: dict[tuple[str, str], Row]) -> None:
    assert list(table) == [(activation, scheme) for activation in ("relu", "tanh") for scheme in SCHEMES]


def test_marks_the_recommended_schemes(table: dict[tuple[str, str], Row]) -> None:
    assert [key for key, row in table.items() if row.recommended] == [("relu", "He"), ("tanh", "Xavier")]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_zeros_do_not_learn(table: dict[tuple[str, str], Row], activation: str) -> None:
    zeros = table[activation, "zeros"]
    assert zeros.loss == 2.3026  # ln 10: all digits are equally likely
    assert zeros.accuracy == 10.0


@pytest.mark.parametrize(("activation", "recommended"), [("relu", "He"), ("tanh", "Xavier")])
def test_recommended_scheme_learns_and_poor_ones_do_not(table: dict[tuple[str, str], Row], activation: str, recommended: str) -> None:
    best = table[activation, recommended]
    assert best.accuracy > 50.0
    for scheme in ("zeros", "N(0, 1)", "N(0, 0.001²)"):
        assert table[activation, scheme].loss > best.loss + 0.5, scheme
        assert table[activation, scheme].accuracy < 25.0, scheme


def test_reports_divergence(table: dict[tuple[str, str], Row]) -> None:
    assert table["relu", "N(0, 1)"].loss == float("inf")


def test_writes_the_plot_as_png(folder: Path) -> None:
    image = (folder / "curves.png").read_bytes()
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    assert image.endswith(b"IEND\xaeB`\x82")


def test_error_without_a_service_says_what_to_do(tmp_path: Path) -> None:
    done = run("http://127.0.0.1:9", tmp_path)
    assert done.returncode == 1
    assert "weight-init serve" in done.stderr
    assert "Traceback" not in done.stderr
