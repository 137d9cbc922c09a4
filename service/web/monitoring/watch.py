"""Middleware that measures each request once, and reports it to the metrics and the log."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.monitoring import logs, metrics
from service.web.monitoring.exchange import Exchange, current_ids
from service.web.problems import REFUSAL, on_bug


class Watch:
    """ASGI middleware that measures every request. It answers unexpected exceptions itself, so that these responses are measured too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve and measure one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, metrics.STREAMS.inc)
        current_ids.set(exchange.ids)
        app = scope[REFUSAL].response if REFUSAL in scope else self._app
        try:
            await app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.client_left = not exchange.has_begun  # nobody is there to answer
        except Exception as error:
            if exchange.has_begun:
                raise  # the server logs it and closes the connection, so that the client notices
            await (await on_bug(Request(scope), error))(scope, exchange.receive, exchange.send)
        finally:
            exchange.end()
            metrics.count(exchange)
            logs.log_access(exchange)
