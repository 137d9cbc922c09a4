"""Serves the metrics on a port of their own, in a thread of the process that starts the server, and with the limits of the other port."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import uvicorn
from starlette.types import Receive, Scope, Send

from service.settings import Settings
from service.web.monitoring import metrics
from service.web.problems import REFUSAL, problem
from service.web.protection.connections import protocol_under

_MAX_CONNECTIONS = 16
_MAX_HEAD_TIMEOUT_S = 5.0  # a scraper sends its request at once


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Return the metrics, one scrape after the other."""
    if REFUSAL in scope:
        response = scope[REFUSAL].response
    elif scope["path"] != metrics.PATH:
        response = problem(HTTPStatus.NOT_FOUND, f"Not Found: {scope['method']} {scope['path']}. The only route is {metrics.PATH}.")
    elif scope["method"] not in ("GET", "HEAD"):
        response = problem(HTTPStatus.METHOD_NOT_ALLOWED, "method: expected GET or HEAD. Use GET.", headers={"Allow": "GET, HEAD"})
    else:
        response = metrics.current()
    await response(scope, receive, send)


class _Server(uvicorn.Server):
    """A server that writes no log, and ends without waiting for its clients."""

    async def run_until_exit(self, listening: socket.socket) -> None:
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup([listening])
        await self.main_loop()
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # lets them end


@contextmanager
def serving_metrics(settings: Settings) -> Iterator[None]:
    """Serve the metrics at their port, if they have one. Raises OSError if it cannot be opened."""
    if settings.metrics_port is None:
        yield
        return
    listening = _listen(settings.host, settings.metrics_port)
    limits = {"max_connections": _MAX_CONNECTIONS, "head_timeout_s": min(settings.head_timeout_s, _MAX_HEAD_TIMEOUT_S)}
    server = _Server(
        uvicorn.Config(
            application,
            http=protocol_under(settings.model_copy(update=limits)),
            ws="none",
            interface="asgi3",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
        )
    )
    loop_factory = server.config.get_loop_factory()

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(server.run_until_exit(listening))

    thread = threading.Thread(target=run, name="weight-init-metrics")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # without the address that create_server adds
        raise OSError(error.errno, reason, f"metrics port {port}") from error
