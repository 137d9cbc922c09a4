"""The image, as somebody runs it who trusts nobody: read-only, without capabilities, with 256 MiB of memory."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.core.stream.kernels.compiling import levels_here, runs_here
from tests.container.containers import HARDENED, IMAGE, PATIENCE_S, Service, run, said, service, until, words_of_the_program

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
MIB = 1 << 20
LONG = "/init?shape=4096,4096&scheme=normal&seed=5&format=raw"  # 64 MiB, of which sockets hold but a few


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with service() as container:
        yield container


# a step of a pipeline


def test_init_writes_the_tensor_of_the_readme_and_nothing_else_on_stdout() -> None:
    golden = re.findall(r"shape=1000,300&activation=relu&seed=7&format=raw' \| sha256sum\n([0-9a-f]{64})", README)
    request = ("--shape", "1000,300", "--activation", "relu", "--seed", "7", "--format", "raw")
    done = run("run", "--rm", *HARDENED, IMAGE, "init", *request)
    assert [hashlib.sha256(done.stdout).hexdigest()] == golden
    assert words_of_the_program(done.stderr) == "he_normal, float32 [1000, 300], standard deviation 0.0816497, seed 7\n"


def test_what_is_wrong_with_a_request_is_status_2_and_no_output() -> None:
    done = run("run", "--rm", *HARDENED, IMAGE, "init", "--shape", "2,-3", status=2)
    assert done.stdout == b""
    assert words_of_the_program(done.stderr).startswith("weight-init: shape")


# the kernels

_COMPILED_AGAIN = """
from service.core.stream import engines
from service.core.stream.kernels.compiling import _entries
from service.settings import Settings
engines.load_kernels(Settings().kernel_cache)
kernels = [kernel.stats for kernel, _ in _entries]
print(sum(sum(kernel.cache_misses.values()) for kernel in kernels), sum(sum(kernel.cache_hits.values()) for kernel in kernels))
"""


@pytest.mark.parametrize("level", [level for level in levels_here() if runs_here(level)])
def test_nobody_compiles_kernels(level: str) -> None:
    options = (*HARDENED, "--user", "12345:12345", "-e", f"NUMBA_CPU_NAME={level}", "--entrypoint", "python3")
    compiled, loaded = map(int, said("run", "--rm", *options, IMAGE, "-c", _COMPILED_AGAIN).split())
    assert compiled == 0
    assert loaded == 9


# a service


def test_it_serves_with_the_kernels_that_are_in_the_image(running: Service) -> None:
    assert httpx.get(f"{running.url}/readyz").json() == {"status": "ready", "engine": "numba"}
    assert "compiling" not in running.log


def test_its_own_check_says_that_it_is_healthy(running: Service) -> None:
    (kind, *command) = json.loads(said("inspect", "-f", "{{json .Config.Healthcheck.Test}}", running.id))
    assert kind == "CMD"
    run("exec", running.id, *command)


def test_its_own_check_says_that_it_is_not(running: Service) -> None:
    (_, *command) = json.loads(said("inspect", "-f", "{{json .Config.Healthcheck.Test}}", running.id))
    run("exec", "-e", "WEIGHT_INIT_PORT=1", running.id, *command, status=1)


def test_it_is_nobody_and_may_write_nowhere(running: Service) -> None:
    assert said("inspect", "-f", "{{.Config.User}}", running.id) == "10001:10001"
    status = said("exec", running.id, "cat", "/proc/1/status")
    assert re.search(r"^Uid:\s+10001\s", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    run("exec", running.id, "touch", "/opt/weight-init/written", status=1)


def test_it_has_no_installer(running: Service) -> None:
    run("exec", running.id, "python3", "-m", "pip", "--version", status=1)


def test_two_gibibytes_pass_through_256_mebibytes(running: Service) -> None:
    limit = said("exec", running.id, "sh", "-c", "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>&1 || :")
    assert str(256 * MIB) in limit.splitlines(), "there is such a limit"
    path, nbytes, end = "/init?shape=32768,16384&scheme=normal&seed=3&format=raw", 0, b""
    with httpx.stream("GET", running.url + path, timeout=PATIENCE_S) as answer:
        for block in answer.iter_raw():
            nbytes += len(block)
            end = (end + block)[-1000:]
    assert nbytes == 2 << 30
    assert end == httpx.get(running.url + path, headers={"Range": "bytes=-1000"}).content
    assert running.state("Running") is True
    assert running.state("OOMKilled") is False


@pytest.mark.parametrize("arguments", [(), ("serve", "--workers", "2")], ids=["alone", "two workers"])
def test_when_told_to_end_it_finishes_the_stream_that_it_is_in(running: Service, arguments: tuple[str, ...]) -> None:
    expected = hashlib.sha256(httpx.get(running.url + LONG, timeout=PATIENCE_S).content).hexdigest()
    with service(arguments=arguments) as ending, ending.asked(LONG) as client:
        received = [client.recv(MIB)]
        run("kill", "-s", "TERM", ending.id)
        until(lambda: "Shutting down" in ending.log)
        assert ending.state("Running") is True
        received += iter(lambda: client.recv(MIB), b"")
        assert said("wait", ending.id) == "0"
    assert hashlib.sha256(b"".join(received).partition(b"\r\n\r\n")[2]).hexdigest() == expected
