"""Limits on concurrent responses and on request rates. A request beyond a limit is refused at once, and told when to try again."""

from __future__ import annotations

import ipaddress
import logging
import math
import threading
import time
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.problems import HttpProblem, problem
from service.web.protection.access import CLIENT, PROBES

_STORE_TIMEOUT_S = 0.5

_log = logging.getLogger("weight_init.web")


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

    def __init__(self, app: ASGIApp, *, rate: str, store: str | None) -> None:
        # imported here, because most services do not limit rates
        import limits
        from limits.aio.storage import MemoryStorage, RedisStorage
        from limits.aio.strategies import SlidingWindowCounterRateLimiter
        from limits.errors import StorageError

        timeouts: dict[str, Any] = {"socket_timeout": _STORE_TIMEOUT_S, "socket_connect_timeout": _STORE_TIMEOUT_S}
        storage = RedisStorage(f"async+{store}", wrap_exceptions=True, implementation="redispy", **timeouts) if store else MemoryStorage()
        self._app = app
        self._rate = limits.parse(rate)
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._store_error: type[Exception] = StorageError
        self._is_store_unreachable = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or answer 429 if its client sends too many."""
        wait_s = await self._wait_s(scope) if scope["type"] == "http" and scope["path"] not in PROBES else None
        if wait_s is None:
            await self._app(scope, receive, send)
            return
        detail = f"rate: expected at most {self._rate} from one client (WEIGHT_INIT_RATE); received more. Try again in {wait_s} s."
        refusal = problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": str(wait_s)})
        await refusal(scope, receive, send)

    async def _wait_s(self, scope: Scope) -> int | None:
        """Return the seconds that the client must wait, or None. While the store is unreachable, no client has to wait."""
        client = client_of(scope)
        try:
            is_within = await self._limiter.hit(self._rate, client)
            reset_at = 0.0 if is_within else (await self._limiter.get_window_stats(self._rate, client)).reset_time
        except self._store_error as error:
            if not self._is_store_unreachable:
                _log.warning("cannot reach the store of request rates; until it is back, rates are not limited: %s", error)
            self._is_store_unreachable = True
            return None
        self._is_store_unreachable = False
        return None if is_within else max(1, math.ceil(reset_at - time.time()))


def client_of(scope: Scope) -> str:
    """Return the client: its key's digest, else its address. For IPv6 it is the /64 network, since one client has all its addresses.

    >>> client_of({"client": ("2001:db8:0:1:2:3:4:5", 50000)})
    '2001:db8:0:1::/64'
    """
    if CLIENT in scope:
        return str(scope[CLIENT])
    address = scope["client"][0] if scope.get("client") else "unknown"
    if ":" not in address:
        return str(address)
    return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
