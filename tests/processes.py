"""Runs the service in a process of its own, and waits for conditions."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

TIMEOUT_S = 60

_ESTABLISHED, _CLOSE_WAIT = "01", "08"  # states in /proc/net/tcp (Linux, include/net/tcp_states.h)


class Process:
    """A process of `weight-init serve`, with its log and its resources."""

    def __init__(self, *, descriptors: int | None = None, **settings: object) -> None:
        limit = [] if descriptors is None else ["prlimit", f"--nofile={descriptors}"]
        command = [*limit, sys.executable, "-m", "service", "serve", "--port", "0"]
        environment = os.environ | {f"WEIGHT_INIT_{name.upper()}": str(value) for name, value in settings.items()}
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self._lines: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        try:
            self._await_start()
        except BaseException:
            self.end()
            raise

    def _await_start(self) -> None:
        until(lambda: "running on" in self.log and "startup complete" in self.log)  # with several workers, by the first of them
        self.url = re.findall(r"running on (https?://127\.0\.0\.1:\d+)", self.log)[0]
        self.port = int(self.url.rpartition(":")[2])
        until(lambda: httpx.get(f"{self.url}/readyz", verify=False).status_code == 200)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.append(line)

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def asked(self, path: str, **headers: str) -> socket.socket:
        """Send a GET on a new connection, and return the connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_S)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        return connection

    def status(self, field: str) -> int:
        """Return a number from /proc/<pid>/status, such as Threads, or VmRSS in kB."""
        match = re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{self._process.pid}/status").read_text())
        assert match is not None
        return int(match[1])

    def open_sockets(self) -> int:
        return sum(
            file.readlink().name.startswith("socket:") for file in Path(f"/proc/{self._process.pid}/fd").iterdir() if file.is_symlink()
        )

    def open_connections(self) -> int:
        """Return the number of its connections, also those that the client has closed."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(int(row[1].rpartition(":")[2], 16) == self.port and row[3] in (_ESTABLISHED, _CLOSE_WAIT) for row in rows)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def terminate(self) -> None:
        self.signal(signal.SIGTERM)

    def end(self) -> None:
        """End the process, and its workers if it has any."""
        self.terminate()
        self._process.wait(TIMEOUT_S)
        self.kill()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the process runs."""
        return self._process.poll()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reading.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


@contextmanager
def started(*, descriptors: int | None = None, **settings: object) -> Iterator[Process]:
    """Run a process with the NumPy engine, which starts at once, and end it. The system may allow it only so many file descriptors."""
    process = Process(descriptors=descriptors, engine="numpy", **settings)
    try:
        yield process
    finally:
        process.end()


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, f"the condition does not hold after {TIMEOUT_S} s"
        time.sleep(0.02)
