"""A proxy that cuts a connection in the middle of a response, once."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx


@dataclass
class Cut:
    """Where the proxy listens, and the heads of the requests that it has passed on."""

    url: str = ""
    requests: list[str] = field(default_factory=list)
    has_cut: bool = False


@contextmanager
def cutting(url: str, *, after_bytes: int) -> Iterator[Cut]:
    """Pass requests on to a server. The first response that is longer than `after_bytes` ends there."""
    cut, target = Cut(), httpx.URL(url)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((target.host, target.port or 80)) as server:
                threading.Thread(target=_pass_requests, args=(self.request, server, cut), daemon=True).start()
                sent = 0
                while block := server.recv(1 << 16):
                    sent += len(block)
                    if sent > after_bytes and not cut.has_cut:
                        cut.has_cut = True
                        return
                    self.request.sendall(block)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads = True
        cut.url = f"http://127.0.0.1:{proxy.server_address[1]}"
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield cut
        finally:
            proxy.shutdown()
            thread.join()


def _pass_requests(client: socket.socket, server: socket.socket, cut: Cut) -> None:
    try:
        while block := client.recv(1 << 16):
            cut.requests.append(block.decode("latin-1"))
            server.sendall(block)
    except OSError:
        return  # one of the two has left
