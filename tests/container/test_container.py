"""The image under tight restrictions: read-only, without capabilities, with 256 MiB of memory for one process."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from service.core.stream.kernels.compiling import levels_here, runs_here
from tests.container.containers import HARDENED, IMAGE, PATIENCE_S, Service, output_of, run, service, until, without_warnings

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
MIB = 1 << 20
LONG = "/init?shape=4096,4096&scheme=normal&seed=5&format=raw"  # 64 MiB, much more than the socket buffers hold


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with service() as container:
        yield container


# a step of a pipeline


def test_init_writes_only_the_tensor_of_the_readme_to_stdout() -> None:
    golden = re.findall(r"shape=1000,300&activation=relu&seed=7&format=raw' \| sha256sum\n([0-9a-f]{64})", README)
    request = ("--shape", "1000,300", "--activation", "relu", "--seed", "7", "--format", "raw")
    done = run("run", "--rm", *HARDENED, IMAGE, "init", *request)
    assert [hashlib.sha256(done.stdout).hexdigest()] == golden
    assert without_warnings(done.stderr) == "he_normal, float32 [1000, 300], standard deviation 0.0816497, seed 7\n"


def test_an_invalid_request_exits_with_2_and_writes_nothing_to_stdout() -> None:
    done = run("run", "--rm", *HARDENED, IMAGE, "init", "--shape", "2,-3", status=2)
    assert done.stdout == b""
    assert without_warnings(done.stderr).startswith("weight-init: shape")


# the kernels

_COUNT_COMPILED_AND_LOADED = """
import tempfile
from pathlib import Path
from service.core.stream import engines
from service.core.stream.kernels.compiling import _entries
from service.settings import Settings
engines.load_kernels(Settings().kernel_cache)
assert not list(Path(tempfile.gettempdir()).glob("weight-init*"))
kernels = [kernel.stats for kernel, _ in _entries]
compiled, loaded = ([sum(counts.values()) for counts in each] for each in zip(*((row.cache_misses, row.cache_hits) for row in kernels)))
print(len(kernels), sum(compiled), sum(loaded))
"""


@pytest.mark.parametrize("level", [level for level in levels_here() if runs_here(level)])
def test_loads_every_kernel_without_compiling(level: str) -> None:
    options = (*HARDENED, "--user", "12345:12345", "-e", f"NUMBA_CPU_NAME={level}", "--entrypoint", "python3")
    kernels, compiled, loaded = map(int, output_of("run", "--rm", *options, IMAGE, "-c", _COUNT_COMPILED_AND_LOADED).split())
    assert compiled == 0
    assert loaded == kernels > 0


# a service


def test_serves_with_the_kernels_of_the_image(running: Service) -> None:
    assert httpx.get(f"{running.url}/readyz").json() == {"status": "ready", "engine": "numba"}
    assert "compiling" not in running.log


def test_the_health_check_passes(running: Service) -> None:
    (kind, *command) = json.loads(output_of("inspect", "-f", "{{json .Config.Healthcheck.Test}}", running.id))
    assert kind == "CMD"
    run("exec", running.id, *command)


def test_the_health_check_fails_if_the_port_is_closed(running: Service) -> None:
    (_, *command) = json.loads(output_of("inspect", "-f", "{{json .Config.Healthcheck.Test}}", running.id))
    run("exec", "-e", "WEIGHT_INIT_PORT=1", running.id, *command, status=1)


def test_runs_without_privileges_and_cannot_write_files(running: Service) -> None:
    assert output_of("inspect", "-f", "{{.Config.User}}", running.id) == "10001:10001"
    status = output_of("exec", running.id, "cat", "/proc/1/status")
    assert re.search(r"^Uid:\s+10001\s", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    run("exec", running.id, "touch", "/opt/weight-init/written", status=1)


def test_the_image_has_no_pip(running: Service) -> None:
    run("exec", running.id, "python3", "-m", "pip", "--version", status=1)


def test_streams_two_gibibytes_in_256_mebibytes_of_memory(running: Service) -> None:
    limit = output_of("exec", running.id, "sh", "-c", "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>&1 || :")
    assert str(256 * MIB) in limit.splitlines(), "the memory limit must be in force"
    path, nbytes, tail = "/init?shape=32768,16384&scheme=normal&seed=3&format=raw", 0, b""
    with httpx.stream("GET", running.url + path, timeout=PATIENCE_S) as response:
        for block in response.iter_raw():
            nbytes += len(block)
            tail = (tail + block)[-1000:]
    assert nbytes == 2 << 30
    assert tail == httpx.get(running.url + path, headers={"Range": "bytes=-1000"}).content
    assert running.state("Running") is True
    assert running.state("OOMKilled") is False


@pytest.mark.parametrize("workers", [1, 2])
def test_finishes_the_current_response_after_sigterm(running: Service, workers: int) -> None:
    expected = hashlib.sha256(httpx.get(running.url + LONG, timeout=PATIENCE_S).content).hexdigest()
    with _service_of(workers) as ending, ending.send_get(LONG) as client:
        received = [client.recv(MIB)]
        run("kill", "-s", "TERM", ending.id)
        until(lambda: "Shutting down" in ending.log)
        assert ending.state("Running") is True
        received += iter(lambda: client.recv(MIB), b"")
        assert output_of("wait", ending.id) == "0"
    assert hashlib.sha256(b"".join(received).partition(b"\r\n\r\n")[2]).hexdigest() == expected


def test_two_workers_stay_within_the_memory_that_the_documents_say() -> None:
    with _service_of(2) as serving:
        for _ in range(8):  # the system divides them among the workers
            assert len(httpx.get(serving.url + LONG, timeout=PATIENCE_S).content) == 64 * MIB
        assert "died" not in serving.log


def _service_of(workers: int) -> AbstractContextManager[Service]:
    """Start a container with the memory that docs/operations.md says."""
    memory = 256 + 160 * (workers - 1)
    return service(f"--memory={memory}m", arguments=("serve", "--workers", str(workers)))
