"""Raw connections, for tests of what HTTP clients never send."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

TIMEOUT_S = 30


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """Open a connection to a server, and close it at the end."""
    host, port = url.rpartition("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        yield connection


def receive_all(connection: socket.socket) -> bytes:
    """Receive until the server closes the connection."""
    received = b""
    try:
        while part := connection.recv(1 << 20):
            received += part
    except ConnectionResetError:
        pass  # the server closed before it had read everything
    return received
