"""The command line when writing fails: a full disk, a signal, a closed pipe."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

COMMAND = [sys.executable, "-m", "service"]
SMALL = ["init", "--shape", "16,8", "--activation", "relu", "--seed", "7"]
LARGE = ["init", "--shape", "100000000", "--scheme", "truncated_normal", "--dtype", "float16"]
TIMEOUT_S = 60

pytestmark = pytest.mark.slow

# One core and the slower engine: the program writes for seconds, so that a signal arrives in the middle.
SLOWLY = """
import os, signal, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
# The parent may ignore these signals, as nohup does, and some shells for background jobs.
signal.signal(signal.SIGINT, signal.default_int_handler)
if "NOHUP" not in os.environ:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
from service.cli import main
main()
"""


@contextmanager
def writing(output: Path, *wrapper: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start writing a large file. The value is the process, once it has written the first bytes."""
    command = [*wrapper, sys.executable, "-c", SLOWLY, *LARGE, "-q", "-o", str(output)]
    with subprocess.Popen(command, env=os.environ | {"WEIGHT_INIT_ENGINE": "numpy"}, stderr=subprocess.PIPE) as process:
        try:
            while not any(_has_begun(path) for path in output.parent.glob(".*.part")):
                assert process.poll() is None
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


def _has_begun(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(6) == b"\x93NUMPY"


def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command in which "$@" stands for the program and its arguments."""
    shell = ["sh", "-c", command, "sh", *COMMAND, *arguments]
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}  # the default, under which some errors appear late
    return subprocess.run(shell, capture_output=True, text=True, env=buffered, check=False)


# signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_program_and_leaves_no_file(tmp_path: Path, number: signal.Signals) -> None:
    with writing(tmp_path / "w.npy") as process:
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == -number  # a shell shows 128 + number, and stops its loop too
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert os.listdir(tmp_path) == []


def test_a_signal_leaves_the_existing_file_unchanged(tmp_path: Path) -> None:
    (tmp_path / "w.npy").write_bytes(b"before")
    with writing(tmp_path / "w.npy") as process:
        process.terminate()
        process.wait(TIMEOUT_S)
    assert (tmp_path / "w.npy").read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["w.npy"]


def test_repeated_signals_do_not_disturb_the_cleanup(tmp_path: Path) -> None:
    with writing(tmp_path / "w.npy") as process:
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
        assert process.returncode == -signal.SIGINT
    assert os.listdir(tmp_path) == []


def test_respects_nohup(tmp_path: Path) -> None:
    with writing(tmp_path / "w.npy", "sh", "-c", 'trap "" HUP; NOHUP=1 exec "$@"', "sh") as process:
        process.send_signal(signal.SIGHUP)
        process.terminate()
        assert process.wait(TIMEOUT_S) == -signal.SIGTERM


def test_a_killed_run_leaves_only_a_temporary_file_and_the_next_run_succeeds(tmp_path: Path, http: httpx.Client) -> None:
    with writing(tmp_path / "w.npy") as process:
        process.kill()
        process.wait(TIMEOUT_S)
    assert not (tmp_path / "w.npy").exists()
    (temporary,) = os.listdir(tmp_path)
    assert temporary.startswith(".w.npy.")
    assert temporary.endswith(".part")
    assert run('"$@"', *SMALL, "-o", str(tmp_path / "w.npy")).returncode == 0
    assert (tmp_path / "w.npy").read_bytes() == http.get("/init?shape=16,8&activation=relu&seed=7").content


def test_a_signal_ends_the_program_while_it_waits_for_a_full_pipe() -> None:
    with subprocess.Popen([*COMMAND, *LARGE], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while _unread_bytes(process.stdout.fileno()) < fcntl.fcntl(process.stdout.fileno(), fcntl.F_GETPIPE_SZ):
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        assert process.wait(TIMEOUT_S) == -signal.SIGTERM


def _unread_bytes(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


# closed pipes


@pytest.mark.parametrize("name", ["npy", "npz"])
def test_a_closed_pipe_ends_the_program_quietly_with_1(name: str) -> None:
    command = [*COMMAND, "init", "--shape", "3000,1000", "--format", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_closed_fifo_ends_the_program_quietly_with_1(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen(["head", "-c", "10", tmp_path / "fifo"], stdout=subprocess.DEVNULL):
        done = run('"$@"', "init", "--shape", "3000,1000", "-o", str(tmp_path / "fifo"))
    assert (done.returncode, done.stderr) == (1, "")
    assert os.listdir(tmp_path) == ["fifo"]


def test_schemes_ends_quietly_when_the_pipe_is_closed() -> None:
    assert run('"$@" | head -c 10', "schemes").stderr == ""


# no space


@pytest.mark.parametrize("shape", ["16,8", "3000,1000"])
@pytest.mark.parametrize("command", ['"$@" -o /dev/full', '"$@" > /dev/full', '"$@" -o - > /dev/full'])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full does not exist on this system")
def test_an_error_names_the_full_device(command: str, shape: str) -> None:
    done = run(command, *SMALL[:1], "--shape", shape)
    assert done.returncode == 1
    assert done.stderr.startswith(f"weight-init: {'/dev/full' if '-o /' in command else 'standard output'}: No space left on device (")
    assert done.stderr.endswith("Free some space, or write to another disk.\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full does not exist on this system")
@pytest.mark.parametrize("command", [["schemes"], ["recommend", "--activation", "relu"]], ids=["long", "short"])
def test_advice_that_cannot_be_written_is_an_error(command: list[str]) -> None:
    done = run('"$@" > /dev/full', *command)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("name", ["w.npy", "w.npz"])
def test_a_file_above_the_limit_of_the_shell_is_an_error_and_leaves_no_file(tmp_path: Path, name: str) -> None:
    done = run('ulimit -f 1000; exec "$@"', "init", "--shape", "3000,1000", "-o", str(tmp_path / name))
    assert done.returncode == 1
    assert f"{tmp_path / name}: {os.strerror(errno.EFBIG)}" in done.stderr
    assert "ulimit -f" in done.stderr
    assert os.listdir(tmp_path) == []


# no standard output


def test_a_closed_standard_output_is_an_error() -> None:
    done = run('exec "$@" >&-', *SMALL)
    assert (done.returncode, done.stderr) == (1, f"weight-init: standard output: {os.strerror(errno.EBADF)}.\n")
