"""Server processes to measure, and a minimal client."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Server:
    """A server process and its port."""

    pid: int
    port: int


@contextmanager
def weight_init_on_socket(path: Path) -> Iterator[None]:
    """Run `weight-init serve` on a Unix socket, and wait until its kernels are loaded."""
    command = [sys.executable, "-m", "service", "serve", "--uds", str(path), "--workers", "1"]
    environment = os.environ | {"WEIGHT_INIT_ENGINE": "numba", "WEIGHT_INIT_LOG_LEVEL": "warning"}
    with subprocess.Popen(command, cwd=SOURCE, env=environment) as process:
        try:
            end = time.monotonic() + 120
            while not _accepts(path):  # which it does only when the kernels are loaded
                if time.monotonic() > end:
                    raise TimeoutError(f"the server on {path} did not start")
                time.sleep(0.02)
            yield
        finally:
            process.kill()


def _accepts(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        return connection.connect_ex(str(path)) == 0


@contextmanager
def weight_init(source: Path = SOURCE, **settings: object) -> Iterator[Server]:
    """Run `weight-init serve` of a source folder on a free port, and wait until its kernels are loaded."""
    command = [sys.executable, "-m", "service", "serve", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(source)} | {f"WEIGHT_INIT_{name.upper()}": str(value) for name, value in settings.items()}
    with subprocess.Popen(command, cwd=source, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            match = next(filter(None, (re.search(r"running on http://127\.0\.0\.1:(\d+)", line) for line in process.stderr)))
            port = int(match[1])
            threading.Thread(target=process.stderr.read, daemon=True).start()  # otherwise the log fills the pipe and blocks the server
            wait_for(port, "/readyz")
            yield Server(process.pid, port)
        finally:
            process.kill()


def wait_for(port: int, path: str) -> None:
    """Wait until the server responds with 200. Raise TimeoutError after two minutes."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection, suppress(OSError):  # not listening yet
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.02)
    raise TimeoutError(f"the server on port {port} did not respond with 200 to {path}")


class Fetcher:
    """A persistent connection to a port, or to a Unix socket, that reads all responses into one buffer."""

    def __init__(self, address: int | Path, max_bytes: int) -> None:
        if isinstance(address, Path):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(str(address))
        else:
            self._socket = socket.create_connection(("127.0.0.1", address))
        self._buffer = memoryview(bytearray(max_bytes + (1 << 16)))

    def get(self, path: str, headers: str = "") -> memoryview:
        """Return the body of a GET, which must have a Content-Length. Raise ValueError unless the status is 200 or 206."""
        head_end, filled, end = self._head(path, headers)
        while filled < end:
            filled += self._received(self._buffer[filled:end])
        return self._buffer[head_end + 4 : end]

    def read_through(self, path: str, buffer_bytes: int) -> int:
        """Read the body of a GET into a small buffer, over and over, and return the number of bytes."""
        head_end, filled, end = self._head(path)
        while filled < end:
            filled += self._received(self._buffer[: min(buffer_bytes, end - filled)])
        return end - head_end - 4

    def _received(self, part: memoryview) -> int:
        received = self._socket.recv_into(part)
        if not received:
            raise ConnectionError("the server closed the connection before the end of its response")
        return received

    def _head(self, path: str, headers: str = "") -> tuple[int, int, int]:
        """Ask, and return where the head ends, how much has arrived, and where the response ends."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode())
        filled, head_end = 0, -1
        while head_end < 0:
            filled += self._socket.recv_into(self._buffer[filled:])
            head_end = bytes(self._buffer[: min(filled, 1 << 16)]).find(b"\r\n\r\n")
        head = bytes(self._buffer[:head_end]).decode("ascii")
        if head.split()[1] not in ("200", "206"):
            raise ValueError(head)
        length = re.search(r"(?i)content-length: (\d+)", head)
        if length is None:
            raise ValueError(f"expected a Content-Length; received {head}")
        return head_end, filled, head_end + 4 + int(length[1])

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
