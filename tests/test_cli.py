"""The command line, as a process of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
import safetensors.numpy

from service import __version__

COMMAND = [sys.executable, "-m", "service"]
SPEC = ["--shape", "16,8", "--activation", "relu", "--seed", "7"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, env=os.environ | environment, check=False)


@pytest.fixture(scope="module")
def expected(http: httpx.Client) -> bytes:
    return http.get("/init?shape=16,8&activation=relu&seed=7").content


def test_init_writes_to_a_pipe_what_the_service_answers(expected: bytes) -> None:
    done = run("init", *SPEC)
    assert done.returncode == 0
    assert done.stdout == expected
    assert done.stderr.decode() == "he_normal, float32 [16, 8], standard deviation 0.5, seed 7\n"


def test_init_writes_a_file_of_the_format_that_its_name_says(tmp_path: Path, expected: bytes) -> None:
    assert run("init", *SPEC, "-o", str(tmp_path / "w.npy")).returncode == 0
    assert run("init", *SPEC, "-o", str(tmp_path / "w.safetensors")).returncode == 0
    assert (tmp_path / "w.npy").read_bytes() == expected
    weights = safetensors.numpy.load_file(tmp_path / "w.safetensors")["weight"]
    assert np.array_equal(np.load(tmp_path / "w.npy"), weights)
    assert sorted(os.listdir(tmp_path)) == ["w.npy", "w.safetensors"]


def test_a_file_that_is_there_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "w.npy"
    path.write_bytes(b"before")
    assert run("init", *SPEC, "--dtype", "bfloat16", "-o", str(path)).returncode == 2
    assert path.read_bytes() == b"before"
    writing = subprocess.Popen(
        [*COMMAND, "init", "--shape", "20000,20000", "--scheme", "normal", "-o", str(path)], stderr=subprocess.DEVNULL
    )
    while not any(name.startswith(".w.npy.") for name in os.listdir(tmp_path)):
        assert writing.poll() is None
    writing.send_signal(signal.SIGINT)
    assert writing.wait(60) != 0
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["w.npy"]


def test_init_takes_the_parameters_of_the_scheme() -> None:
    done = run(
        "init",
        "--shape",
        "3x2",
        "--scheme",
        "truncated_normal",
        "--stddev",
        "0.02",
        "--corrected",
        "true",
        "--seed",
        "1",
        "--format",
        "json",
    )
    metadata = json.loads(done.stdout)["metadata"]
    assert metadata["stddev"] == pytest.approx(0.02)


def test_a_poor_choice_is_warned_of_on_stderr_alone() -> None:
    done = run("init", "--shape", "16,8", "--scheme", "zeros", "--seed", "1")
    assert b"warning: zeros: every unit" in done.stderr
    assert run("init", "--shape", "16,8", "--scheme", "zeros", "--seed", "1", "-q").stderr == b""


def test_a_wrong_request_ends_with_2_and_says_what_was_expected() -> None:
    done = run("init", "--shape", "16,8", "--scheme", "he_norml")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Did you mean 'he_normal'" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"lengths of the dimensions" in run("init").stderr


@pytest.mark.parametrize("path", ["missing/w.npy", "."])
def test_a_file_that_cannot_be_written_ends_with_1(tmp_path: Path, path: str) -> None:
    done = run("init", *SPEC, "-o", str(tmp_path / path))
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr.decode()


def test_a_pipe_that_closes_ends_with_1_and_no_traceback() -> None:
    with subprocess.Popen(
        [*COMMAND, "init", "--shape", "3000,1000", "--seed", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(100)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_binary_is_not_written_to_a_terminal() -> None:
    terminal, end = pty.openpty()
    done = subprocess.run([*COMMAND, "init", *SPEC], stdout=end, stderr=subprocess.PIPE, check=False)
    os.close(end)
    os.close(terminal)
    assert done.returncode == 2
    assert b"npy is binary: write it to a file" in done.stderr


def test_a_long_file_shows_its_progress_on_a_terminal(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    command = [*COMMAND, "init", "--shape", "3000,3000", "--scheme", "uniform", "-o", str(tmp_path / "w.npy")]
    done = subprocess.run(command, stderr=end, check=False, env=os.environ | {"TERM": "xterm", "COLUMNS": "120"})
    os.close(end)
    shown = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert done.returncode == 0
    assert "weight.npy" in shown
    assert "MB" in shown


def test_limits_come_from_the_environment() -> None:
    done = run("init", *SPEC, WEIGHT_INIT_MAX_TENSOR_BYTES="10")
    assert done.returncode == 2
    assert b"at most 10 bytes" in done.stderr
    assert (
        b"WEIGHT_INIT_MAX_TENSOR_BYTES: Input should be a valid integer" in run("init", *SPEC, WEIGHT_INIT_MAX_TENSOR_BYTES="many").stderr
    )


def test_recommend_answers_json_to_a_pipe(http: httpx.Client) -> None:
    done = run("recommend", "--activation", "tanh", "--fan-in", "100", "--fan-out", "50")
    assert json.loads(done.stdout) == http.get("/recommend?activation=tanh&fan_in=100&fan_out=50").json()


def test_recommend_answers_a_table_to_a_terminal() -> None:
    terminal, end = pty.openpty()
    done = subprocess.run([*COMMAND, "recommend", "--activation", "relu", "--fan-in", "50"], stdout=end, check=False)
    os.close(end)
    shown = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert done.returncode == 0
    assert "he_normal" in shown
    assert "{" not in shown.split("gain")[0]


def test_schemes_lists_them() -> None:
    assert json.loads(run("schemes").stdout)["schemes"][0]["name"] == "auto"


def test_version_and_help() -> None:
    assert run("--version").stdout.decode().strip() == __version__
    help_text = run("init", "--help", COLUMNS="200").stdout.decode()
    assert "--negative-slope" in help_text
    assert "[out, in, *kernel]" in help_text
