"""The command line, run as a separate process."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
import safetensors.numpy

from service import __version__, cli
from service.cli import init as cli_init
from service.core.stream import engines
from service.core.tensors import cost

COMMAND = [sys.executable, "-m", "service"]
SPEC = ["--shape", "16,8", "--activation", "relu", "--seed", "7"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, env=os.environ | environment, check=False)


@pytest.fixture(scope="module")
def expected(http: httpx.Client) -> bytes:
    return http.get("/init?shape=16,8&activation=relu&seed=7").content


def test_init_writes_the_same_bytes_as_the_service_to_a_pipe(expected: bytes) -> None:
    done = run("init", *SPEC)
    assert done.returncode == 0
    assert done.stdout == expected
    assert done.stderr.decode() == "he_normal, float32 [16, 8], standard deviation 0.5, seed 7\n"


def test_the_file_extension_chooses_the_format(tmp_path: Path, expected: bytes) -> None:
    assert run("init", *SPEC, "-o", str(tmp_path / "w.npy")).returncode == 0
    assert run("init", *SPEC, "-o", str(tmp_path / "w.safetensors")).returncode == 0
    assert (tmp_path / "w.npy").read_bytes() == expected
    weights = safetensors.numpy.load_file(tmp_path / "w.safetensors")["weight"]
    assert np.array_equal(np.load(tmp_path / "w.npy"), weights)
    assert sorted(os.listdir(tmp_path)) == ["w.npy", "w.safetensors"]


def test_an_invalid_request_leaves_the_existing_file_unchanged(tmp_path: Path) -> None:
    (tmp_path / "w.npy").write_bytes(b"before")
    assert run("init", *SPEC, "--dtype", "bfloat16", "-o", str(tmp_path / "w.npy")).returncode == 2
    assert (tmp_path / "w.npy").read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["w.npy"]


@pytest.mark.parametrize("name", ["npy", "safetensors", "raw", "npz"])
def test_large_files_and_pipes_have_the_same_bytes_as_the_service(tmp_path: Path, http: httpx.Client, name: str) -> None:
    request = ["init", "--shape", "1100,1000", "--scheme", "uniform", "--seed", "7", "--format", name]
    expected = http.get(f"/init?shape=1100,1000&scheme=uniform&seed=7&format={name}").content
    assert len(expected) > 4 << 20
    assert run(*request).stdout == expected
    assert run(*request, "-o", str(tmp_path / "w")).returncode == 0
    assert (tmp_path / "w").read_bytes() == expected


def test_dev_stdout_is_standard_output(tmp_path: Path, expected: bytes) -> None:
    assert run("init", *SPEC, "-o", "/dev/stdout").stdout == expected
    with open(tmp_path / "several.npy", "wb") as file:  # a rename would replace this file
        for _ in range(2):
            subprocess.run([*COMMAND, "init", *SPEC, "-q", "-o", "/dev/stdout"], stdout=file, check=True)
    assert (tmp_path / "several.npy").read_bytes() == 2 * expected
    assert os.listdir(tmp_path) == ["several.npy"]


def test_init_accepts_the_parameters_of_the_scheme() -> None:
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


def test_warns_of_a_poor_choice_on_stderr_unless_quiet() -> None:
    done = run("init", "--shape", "16,8", "--scheme", "zeros", "--seed", "1")
    assert b"warning: zeros: every unit" in done.stderr
    assert run("init", "--shape", "16,8", "--scheme", "zeros", "--seed", "1", "-q").stderr == b""


def test_an_invalid_request_exits_with_2_and_says_what_was_expected() -> None:
    done = run("init", "--shape", "16,8", "--scheme", "he_norml")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Did you mean 'he_normal'" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"lengths of the dimensions" in run("init").stderr


@pytest.mark.parametrize(("path", "remedy"), [("missing/w.npy", "Create its folder first."), (".", "not the name of a folder.")])
def test_an_unwritable_file_exits_with_1_and_says_what_to_do(tmp_path: Path, path: str, remedy: str) -> None:
    done = run("init", *SPEC, "-o", str(tmp_path / path))
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"weight-init: {tmp_path / path}: ")
    assert done.stderr.decode().endswith(f"{remedy}\n")


@contextmanager
def terminal() -> Iterator[tuple[int, list[str]]]:
    """Open a terminal. The value is a descriptor to write to, and a list that holds the terminal's content at the end."""
    screen, end = pty.openpty()
    shown: list[str] = []
    reader = threading.Thread(target=lambda: shown.append(b"".join(_read(screen)).decode()))
    reader.start()
    try:
        yield end, shown
    finally:
        os.close(end)
        reader.join()
        os.close(screen)


def _read(screen: int) -> Iterator[bytes]:
    with suppress(OSError):  # Linux raises it when the terminal is closed
        while part := os.read(screen, 1 << 16):
            yield part


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_refuses_to_write_binary_data_to_a_terminal(name: str) -> None:
    with terminal() as (end, shown):
        done = subprocess.run([*COMMAND, "init", *SPEC, "-o", name], stdout=end, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"npy is binary: write it to a file" in done.stderr
    assert shown == [""]


@pytest.mark.parametrize("name", ["w.npy", "w.npz", "-"])
def test_shows_a_progress_bar_for_a_large_file_on_a_terminal(tmp_path: Path, name: str) -> None:
    output = name if name == "-" else str(tmp_path / name)
    command = [*COMMAND, "init", "--shape", "3000,3000", "--scheme", "uniform", "-o", output]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with terminal() as (end, shown):
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=end, check=True, env=environment)
    assert "weight.np" in shown[0]
    assert "36.0/36.0 MB" in shown[0]


def test_takes_the_limits_from_the_environment() -> None:
    done = run("init", *SPEC, WEIGHT_INIT_MAX_TENSOR_BYTES="10")
    assert done.returncode == 2
    assert b"at most 10 bytes" in done.stderr
    assert (
        b"WEIGHT_INIT_MAX_TENSOR_BYTES: Input should be a valid integer" in run("init", *SPEC, WEIGHT_INIT_MAX_TENSOR_BYTES="many").stderr
    )


# engines and imports


@pytest.mark.parametrize(
    ("engine", "shape", "loads"),
    [("auto", "1000", False), ("auto", "40000000", True), ("numpy", "40000000", False), ("numba", "1000", True)],
)
def test_loads_the_kernels_for_large_tensors_or_if_the_setting_requires_them(
    monkeypatch: pytest.MonkeyPatch, engine: str, shape: str, loads: bool
) -> None:
    loaded: list[Path | None] = []
    monkeypatch.setattr(engines, "load_kernels", loaded.append)
    _init(monkeypatch, engine, shape)
    assert loaded == ([Path("cache")] if loads else [])


@pytest.mark.parametrize(("shape", "loads"), [("300,300", False), ("1000,1000", True), ("4000,4000", True)])
def test_loads_the_kernels_for_a_matrix_that_takes_long(monkeypatch: pytest.MonkeyPatch, shape: str, loads: bool) -> None:
    loaded: list[bool] = []

    def load(_: object) -> None:
        loaded.append(True)
        monkeypatch.setattr(cost, "_WORK", dict.fromkeys(cost._WORK, cost._WORK["numba"]))

    monkeypatch.setattr(engines, "load_kernels", load)
    _init(monkeypatch, "auto", shape, "orthogonal")
    assert any(loaded) == loads


def test_without_numba_fails_only_if_the_setting_requires_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: object) -> None:
        raise ImportError("No module named 'numba'")

    monkeypatch.setattr(engines, "load_kernels", fail)
    _init(monkeypatch, "auto", "40000000")
    assert capsys.readouterr().err == ""
    with pytest.raises(SystemExit, match="1"):
        _init(monkeypatch, "numba", "40000000")
    assert "WEIGHT_INIT_ENGINE=numba: cannot load the kernels: No module named 'numba'" in capsys.readouterr().err


def _init(monkeypatch: pytest.MonkeyPatch, engine: str, shape: str, scheme: str = "normal") -> None:
    """Run the command in this process, without writing a file."""
    monkeypatch.setattr(cli_init, "write_file", lambda *_, **__: None)
    monkeypatch.setenv("WEIGHT_INIT_ENGINE", engine)
    monkeypatch.setenv("WEIGHT_INIT_KERNEL_CACHE", "cache")
    cli.app(["init", "--shape", shape, "--scheme", scheme, "-q", "-o", "w.npy"], standalone_mode=False)


def test_both_engines_write_the_same_bytes(expected: bytes) -> None:
    pytest.importorskip("numba")
    assert run("init", *SPEC, WEIGHT_INIT_ENGINE="numba").stdout == run("init", *SPEC, WEIGHT_INIT_ENGINE="numpy").stdout == expected


def test_writes_a_small_file_without_slow_imports() -> None:
    program = "import sys; from service.cli import app; app(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
    arguments = ["init", *SPEC, "-q", "-o", os.devnull]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert "numpy" in done.stdout.split()
    assert not {"rich", "numba", "scipy", "uvicorn", "fastapi"} & set(done.stdout.split())


def test_recommend_prints_json_to_a_pipe(http: httpx.Client) -> None:
    done = run("recommend", "--activation", "tanh", "--fan-in", "100", "--fan-out", "50")
    assert json.loads(done.stdout) == http.get("/recommend?activation=tanh&fan_in=100&fan_out=50").json()


def test_recommend_prints_a_table_on_a_terminal() -> None:
    with terminal() as (end, shown):
        subprocess.run([*COMMAND, "recommend", "--activation", "relu", "--fan-in", "50"], stdout=end, check=True)
    assert "he_normal" in shown[0]
    assert "{" not in shown[0].split("gain")[0]


def test_schemes_prints_a_table_on_a_terminal() -> None:
    with terminal() as (end, shown):
        subprocess.run([*COMMAND, "schemes"], stdout=end, check=True, env=os.environ | {"COLUMNS": "300"})
    assert "[out, in·K]" in shown[0]  # not taken for markup


def test_schemes_prints_json_to_a_pipe() -> None:
    assert json.loads(run("schemes").stdout)["schemes"][0]["name"] == "auto"


def test_version_and_help() -> None:
    assert run("--version").stdout.decode().strip() == __version__
    help_text = run("init", "--help", COLUMNS="200").stdout.decode()
    assert "--negative-slope" in help_text
    assert "[out, in, *kernel]" in help_text
