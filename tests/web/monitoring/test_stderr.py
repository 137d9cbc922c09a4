"""Everything on stderr is a line of the log. A stderr that takes nothing costs lines of the log, and nothing else."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

from service.web.monitoring import stderr
from service.web.monitoring.logs import Json
from tests.processes import TIMEOUT_S, until

PROGRAM = """
import asyncio, logging, logging.config, sys, threading, warnings
from service.web.monitoring.logs import logging_config

logging.config.dictConfig(logging_config(sys.argv[1]))
logging.config.dictConfig(logging_config(sys.argv[1]))  # as uvicorn does

warnings.warn("a warning of Python")
print("a printed line\\nand another one", file=sys.stderr)
logging.getLogger("redis").warning("a library\\non two lines")
logging.getLogger("numba.core").info("details of a library")
logging.getLogger("uvicorn.error").info("uvicorn")
logging.getLogger("weight_init").info("a wrong %d", "call")

thread = threading.Thread(target=lambda: 1 / 0, name="the broken thread")
thread.start()
thread.join()

class Broken:
    def __del__(self):
        raise ValueError("in a destructor")

Broken()

async def fail():
    raise KeyError("in a task")

async def main():
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    del task

asyncio.run(main())
raise RuntimeError("the end\\non two lines")
"""


def logged(log_format: str) -> str:
    done = subprocess.run([sys.executable, "-c", PROGRAM, log_format], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr


def test_every_line_is_an_object_whatever_wrote_it() -> None:
    rows = [json.loads(line) for line in logged("json").splitlines()]
    messages = {row["message"]: row for row in rows}
    assert len(messages) == len(rows) == 10, "each message once, and no details of libraries"
    assert [row["level"] for row in rows] == [
        "warning",
        "error",
        "error",
        "warning",
        "info",
        "error",
        "error",
        "error",
        "error",
        "critical",
    ]
    assert messages["a library\non two lines"]["logger"] == "redis"
    assert any("UserWarning: a warning of Python" in message for message in messages)
    assert {"a printed line", "and another one", "uvicorn"} <= messages.keys()
    assert any("'a wrong %d', which cannot be formatted" in message for message in messages)
    assert "ZeroDivisionError" in messages["a thread ends because of an unexpected exception: the broken thread"]["traceback"]
    assert any(row["logger"] == "asyncio" and "in a task" in row["traceback"] for row in rows)
    assert any("in a destructor" in row.get("traceback", "") and "__del__" in row["message"] for row in rows)
    assert messages["the process ends because of an unexpected exception"]["traceback"].endswith("RuntimeError: the end\non two lines")


def test_the_readable_format_has_the_same_messages() -> None:
    log = logged("pretty")
    for expected in ("UserWarning: a warning of Python", "a library\\non two lines", "in a task", "in a destructor", "ZeroDivisionError"):
        assert expected in log
    assert log.endswith("RuntimeError: the end\non two lines\n")


@pytest.mark.parametrize("setting", [{"WEIGHT_INIT_RATE": "often"}, {"WEIGHT_INIT_API_KEYS_FILE": "/nowhere/keys"}])
def test_a_failed_start_is_reported_as_json_too(setting: dict[str, str]) -> None:
    command = [sys.executable, "-m", "service", "serve", "--port", "0"]
    environment = os.environ | {"WEIGHT_INIT_LOG_FORMAT": "json"} | setting
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    (row,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (row["level"], *setting) == ("error", row["message"].split(": ")[1])


# a stderr that takes nothing


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[IO[bytes], logging.Logger]]:
    """The reading end of stderr, and a logger that writes to it in JSON. At most 1000 bytes wait for stderr."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as writer:
        monkeypatch.setattr(sys, "__stderr__", writer)
        monkeypatch.setattr(stderr, "_MAX_WAITING_BYTES", 1000)
        handler = stderr.StderrHandler()
        handler.setFormatter(Json())
        logger = logging.Logger("piped")
        logger.addHandler(handler)
        yield reader, logger
        handler.close()


def test_a_full_pipe_delays_nobody_and_the_lost_lines_are_counted(pipe: tuple[IO[bytes], logging.Logger]) -> None:
    reader, logger = pipe
    lines = 3000  # of 300 bytes: more than the pipe holds
    start = time.monotonic()
    for number in range(lines):
        logger.warning("%d %s", number, "x" * 200)
    assert time.monotonic() - start < TIMEOUT_S / 2, "nobody waited for the pipe"
    seen: list[int] = []
    lost = 0
    while len(seen) + lost < lines:
        first, *others = json.loads(reader.readline())["message"].split()
        if first == "stderr":
            lost += int(others[3])
        else:
            seen.append(int(first))
    assert lost > 0
    assert seen == sorted(set(seen))


def test_a_pipe_without_waiting_loses_no_line(pipe: tuple[IO[bytes], logging.Logger]) -> None:
    reader, logger = pipe
    os.set_blocking(sys.__stderr__.fileno(), False)  # type: ignore[union-attr]
    fcntl.fcntl(reader.fileno(), fcntl.F_SETPIPE_SZ, 4096)
    for number in range(40):
        logger.warning("%d %s", number, "x" * 600)
        assert json.loads(reader.readline())["message"].startswith(f"{number} ")


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def serving_into(redirection: str, **options: object) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the service with stderr redirected as in a shell, and yield its process and its URL. Nobody reads its stderr."""
    port = free_port()
    command = [sys.executable, "-m", "service", "serve", "--port", str(port)]
    environment = (
        os.environ | {"WEIGHT_INIT_ENGINE": "numpy"} | {f"WEIGHT_INIT_{name.upper()}": str(value) for name, value in options.items()}
    )
    shell = ["sh", "-c", f'exec "$@" {redirection}', "sh", *command]
    with subprocess.Popen(shell, stderr=subprocess.PIPE, env=environment) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: answers(url))
            yield process, url
        finally:
            process.kill()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def serve_long_lines(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        for _ in range(60):  # 1 MB of log
            assert client.get(f"/{'x' * 20_000}").status_code == 404


@pytest.mark.parametrize("log_format", ["pretty", "json"])
@pytest.mark.parametrize(
    "redirection",
    [
        "2>&-",
        "<&- >&- 2>&-",
        pytest.param("2>/dev/full", marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")),
    ],
)
def test_serves_and_ends_without_a_stderr(redirection: str, log_format: str) -> None:
    with serving_into(redirection, log_format=log_format) as (process, url):
        serve_long_lines(url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0


@pytest.mark.parametrize("reader", ["reads nothing", "has gone"])
def test_serves_and_ends_while_nobody_reads_its_log(reader: str) -> None:
    with serving_into("") as (process, url):
        assert process.stderr is not None
        if reader == "has gone":
            process.stderr.close()
        serve_long_lines(url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0


def test_no_descriptor_of_a_closed_stderr_is_given_to_a_connection() -> None:
    with serving_into("<&- >&- 2>&-") as (process, _):
        files = [Path(f"/proc/{process.pid}/fd/{number}") for number in range(3)]
        if not files[0].exists():
            pytest.skip("needs /proc")
        assert [str(file.readlink()) for file in files] == ["/dev/null"] * 3
