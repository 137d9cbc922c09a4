"""The command line when something goes wrong while it writes: a full disk, a signal, a reader that goes away."""

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

# one core and the slower engine: it writes for seconds, so that what happens to it happens in the middle
SLOWLY = """
import os, signal, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
# whoever runs the tests may have them ignored: in the background of some shells, under nohup
signal.signal(signal.SIGINT, signal.default_int_handler)
if "NOHUP" not in os.environ:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
from service.cli import main
main()
"""


@contextmanager
def writing(output: Path, *before: str) -> Iterator[subprocess.Popen[bytes]]:
    """A large file that is being written: its first bytes are there, and the last ones will not be for long."""
    command = [*before, sys.executable, "-c", SLOWLY, *LARGE, "-q", "-o", str(output)]
    with subprocess.Popen(command, env=os.environ | {"WEIGHT_INIT_ENGINE": "numpy"}, stderr=subprocess.PIPE) as process:
        try:
            while not any(_begins(path) for path in output.parent.glob(".*.part")):
                assert process.poll() is None
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


def _begins(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(6) == b"\x93NUMPY"


def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`command`: a line of the shell, in which "$@" is the program."""
    shell = ["sh", "-c", command, "sh", *COMMAND, *arguments]
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}  # as it is where nobody says otherwise: some errors then come late
    return subprocess.run(shell, capture_output=True, text=True, env=buffered, check=False)


# a signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with writing(tmp_path / "w.npy") as process:
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == -number  # a shell says 128 + number, and ends its loop too
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert os.listdir(tmp_path) == []


def test_a_signal_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "w.npy").write_bytes(b"before")
    with writing(tmp_path / "w.npy") as process:
        process.terminate()
        process.wait(TIMEOUT_S)
    assert (tmp_path / "w.npy").read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["w.npy"]


def test_impatience_does_not_disturb_the_cleaning_up(tmp_path: Path) -> None:
    with writing(tmp_path / "w.npy") as process:
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
        assert process.returncode == -signal.SIGINT
    assert os.listdir(tmp_path) == []


def test_nohup_is_heeded(tmp_path: Path) -> None:
    with writing(tmp_path / "w.npy", "sh", "-c", 'trap "" HUP; NOHUP=1 exec "$@"', "sh") as process:
        process.send_signal(signal.SIGHUP)
        process.terminate()
        assert process.wait(TIMEOUT_S) == -signal.SIGTERM


def test_after_a_kill_the_name_is_free_and_the_next_run_takes_it(tmp_path: Path, http: httpx.Client) -> None:
    with writing(tmp_path / "w.npy") as process:
        process.kill()
        process.wait(TIMEOUT_S)
    assert not (tmp_path / "w.npy").exists()
    (rest,) = os.listdir(tmp_path)
    assert rest.startswith(".w.npy.")
    assert rest.endswith(".part")
    assert run('"$@"', *SMALL, "-o", str(tmp_path / "w.npy")).returncode == 0
    assert (tmp_path / "w.npy").read_bytes() == http.get("/init?shape=16,8&activation=relu&seed=7").content


def test_a_signal_ends_it_at_a_pipe_that_nobody_reads() -> None:
    with subprocess.Popen([*COMMAND, *LARGE], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while _waiting_in(process.stdout.fileno()) < fcntl.fcntl(process.stdout.fileno(), fcntl.F_GETPIPE_SZ):
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        assert process.wait(TIMEOUT_S) == -signal.SIGTERM


def _waiting_in(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


# a reader that goes away


@pytest.mark.parametrize("name", ["npy", "npz"])
def test_a_reader_that_goes_away_ends_it_quietly_with_1(name: str) -> None:
    command = [*COMMAND, "init", "--shape", "3000,1000", "--format", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_so_does_one_of_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen(["head", "-c", "10", tmp_path / "fifo"], stdout=subprocess.DEVNULL):
        done = run('"$@"', "init", "--shape", "3000,1000", "-o", str(tmp_path / "fifo"))
    assert (done.returncode, done.stderr) == (1, "")
    assert os.listdir(tmp_path) == ["fifo"]


def test_a_catalogue_whose_reader_goes_away_ends_quietly() -> None:
    assert run('"$@" | head -c 10', "schemes").stderr == ""


# no space


@pytest.mark.parametrize("shape", ["16,8", "3000,1000"])
@pytest.mark.parametrize("command", ['"$@" -o /dev/full', '"$@" > /dev/full', '"$@" -o - > /dev/full'])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux and some others have it")
def test_a_full_device_is_named(command: str, shape: str) -> None:
    done = run(command, *SMALL[:1], "--shape", shape)
    assert done.returncode == 1
    assert done.stderr.startswith(f"weight-init: {'/dev/full' if '-o /' in command else 'standard output'}: No space left on device (")
    assert done.stderr.endswith("Free some space, or write to another disk.\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux and some others have it")
@pytest.mark.parametrize("command", [["schemes"], ["recommend", "--activation", "relu"]], ids=["long", "short"])
def test_advice_that_cannot_be_written_is_an_error_too(command: list[str]) -> None:
    done = run('"$@" > /dev/full', *command)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("name", ["w.npy", "w.npz"])
def test_a_file_larger_than_the_limit_of_the_shell_is_an_error_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    done = run('ulimit -f 1000; exec "$@"', "init", "--shape", "3000,1000", "-o", str(tmp_path / name))
    assert done.returncode == 1
    assert f"{tmp_path / name}: {os.strerror(errno.EFBIG)}" in done.stderr
    assert "ulimit -f" in done.stderr
    assert os.listdir(tmp_path) == []


# no output


def test_a_standard_output_that_is_closed_is_an_error() -> None:
    done = run('exec "$@" >&-', *SMALL)
    assert (done.returncode, done.stderr) == (1, f"weight-init: standard output: {os.strerror(errno.EBADF)}.\n")
