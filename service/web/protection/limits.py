"""Limits on concurrent responses and on request rates. A request beyond a limit is refused at once, and told when to try again."""

from __future__ import annotations

import threading
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.problems import HttpProblem
from service.web.protection.access import CLIENT, PROBES
from service.web.protection.rates import Limiter, address_of, too_many


class Permits:
    """A limited number of permits. Nobody waits for one: a waiting client would hold a connection instead of trying another replica."""

    def __init__(self, limit: int, name: str, setting: str) -> None:
        self._free = threading.BoundedSemaphore(limit)
        self._refusal = f"{name}: expected at most {limit} at once ({setting}); received another. Try again in a second."

    def __enter__(self) -> None:
        """Take a permit. Raises HttpProblem 503 if none is free."""
        if not self._free.acquire(blocking=False):
            raise HttpProblem(HTTPStatus.SERVICE_UNAVAILABLE, self._refusal, {"Retry-After": "1"})

    def __exit__(self, *_: object) -> None:
        self._free.release()


class Rate:
    """ASGI middleware that limits the request rate of each client, for example to 100/second. A client is its API key, else its address."""

    def __init__(self, app: ASGIApp, *, limiter: Limiter) -> None:
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or answer 429 if its client sends too many."""
        is_limited = scope["type"] == "http" and scope["path"] not in PROBES
        wait_s = await self._limiter.wait_s(client_of(scope)) if is_limited else None
        response = self._app if wait_s is None else too_many("rate", self._limiter, "from one client", wait_s)
        await response(scope, receive, send)


def client_of(scope: Scope) -> str:
    """Return the client: its key's digest, else its address."""
    return str(scope[CLIENT]) if CLIENT in scope else address_of(scope)
