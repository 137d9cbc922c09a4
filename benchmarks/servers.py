"""Server processes to measure, and a client that does as little as a client can."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Server:
    """A process that listens."""

    pid: int
    port: int


@contextmanager
def weight_init() -> Iterator[Server]:
    """`weight-init serve` on a free port, with its kernels loaded."""
    command = [sys.executable, "-m", "service", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            found = next(filter(None, (re.search(r"running on http://127\.0\.0\.1:(\d+)", line) for line in process.stderr)))
            port = int(found[1])
            threading.Thread(target=process.stderr.read, daemon=True).start()  # or the log fills the pipe, and the server waits
            wait_for(port, "/readyz")
            yield Server(process.pid, port)
        finally:
            process.kill()


def wait_for(port: int, path: str) -> None:
    """Until the server answers 200. Raises TimeoutError after two minutes."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection, suppress(OSError):  # it may not listen yet
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.02)
    raise TimeoutError(f"port {port} did not answer {path}")


class Fetcher:
    """One kept connection that reads answers into one buffer."""

    def __init__(self, port: int, max_bytes: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._buffer = memoryview(bytearray(max_bytes + (1 << 16)))

    def get(self, path: str, headers: str = "") -> memoryview:
        """The body of a GET, which must have a Content-Length. Raises ValueError for a status other than 200 and 206."""
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
            raise ValueError(f"expected a Content-Length, received {head}")
        end = head_end + 4 + int(length[1])
        while filled < end:
            received = self._socket.recv_into(self._buffer[filled:end])
            if not received:
                raise ConnectionError(f"the server closed after {filled} of {end} bytes")
            filled += received
        return self._buffer[head_end + 4 : end]

    def close(self) -> None:
        """End the connection."""
        self._socket.close()
