"""A network that breaks: a proxy of bytes before the real service, which cuts every connection after so much of an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

_READ_BYTES = 1 << 16


@contextmanager
def cutting(port: int, after_bytes: int) -> Iterator[str]:
    """An address before the service at `port`. Each of its connections is broken once `after_bytes` have come back."""
    listener = socket.create_server(("127.0.0.1", 0))
    accepting = threading.Thread(target=_accept, args=(listener, port, after_bytes), daemon=True)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        listener.close()
        accepting.join()


def _accept(listener: socket.socket, port: int, after_bytes: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_relay, args=(client, port, after_bytes), daemon=True).start()


def _relay(client: socket.socket, port: int, after_bytes: int) -> None:
    with closing(client), closing(socket.create_connection(("127.0.0.1", port))) as service:
        threading.Thread(target=_pass_requests, args=(client, service), daemon=True).start()
        left = after_bytes
        while left and (data := _received(service, min(left, _READ_BYTES))):
            left -= len(data)
            client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)  # what was sent arrives; nothing follows


def _pass_requests(client: socket.socket, service: socket.socket) -> None:
    try:
        while data := client.recv(_READ_BYTES):
            service.sendall(data)
        service.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the other thread has cut it


def _received(service: socket.socket, most: int) -> bytes:
    try:
        return service.recv(most)
    except OSError:
        return b""
