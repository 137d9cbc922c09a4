"""The outermost layer of the application: each exchange is measured once, and told to the metrics and to the log."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.monitoring import logs, metrics
from service.web.monitoring.exchange import Exchange, current_names
from service.web.problems import on_bug


class Watch:
    """ASGI middleware. What fails within becomes a problem here, so that such an answer too is counted, logged and named."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, send, metrics.STREAMS.inc)
        current_names.set(exchange.names)
        try:
            await self._app(scope, receive, exchange.send)
        except Exception as error:
            if exchange.has_begun:
                raise  # the server logs it and closes the connection, by which the client knows
            await (await on_bug(Request(scope), error))(scope, receive, exchange.send)
        finally:
            exchange.end()
            metrics.count(exchange)
            logs.access(exchange)
