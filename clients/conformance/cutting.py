"""A TCP proxy that simulates a broken network: it cuts each connection after a fixed number of response bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

_READ_BYTES = 1 << 16


@contextmanager
def cutting_proxy(port: int, after_bytes: int) -> Iterator[str]:
    """Yield the URL of a proxy for the service at `port`. It cuts each connection after `after_bytes` response bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    acceptor = threading.Thread(target=_accept, args=(listener, port, after_bytes), daemon=True)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptor thread
        listener.close()
        acceptor.join()


def _accept(listener: socket.socket, port: int, after_bytes: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_relay, args=(client, port, after_bytes), daemon=True).start()


def _relay(client: socket.socket, port: int, after_bytes: int) -> None:
    with closing(client), closing(socket.create_connection(("127.0.0.1", port))) as service:
        threading.Thread(target=_forward_requests, args=(client, service), daemon=True).start()
        remaining = after_bytes
        while remaining and (data := _receive(service, min(remaining, _READ_BYTES))):
            remaining -= len(data)
            client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)  # delivers what was sent, and ends the connection


def _forward_requests(client: socket.socket, service: socket.socket) -> None:
    try:
        while data := client.recv(_READ_BYTES):
            service.sendall(data)
        service.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the other thread cut the connection


def _receive(service: socket.socket, max_bytes: int) -> bytes:
    try:
        return service.recv(max_bytes)
    except OSError:
        return b""
