"""How much may happen at once, and how often one client may ask. Who is refused hears it at once, and when to ask again."""

from __future__ import annotations

import ipaddress
import logging
import math
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from service.concurrency.single_flight import SingleFlight
from service.web.problems import HttpProblem, problem
from service.web.protection.access import CLIENT, PROBES

P = ParamSpec("P")
R = TypeVar("R")

_STORE_TIMEOUT_S = 0.5

_log = logging.getLogger("weight_init.web")


class Permits:
    """So many at once. A permit is tried, never awaited: who waits holds a connection, and cannot go to another replica."""

    def __init__(self, most: int, what: str, setting: str) -> None:
        self._free = threading.BoundedSemaphore(most)
        self._refusal = f"busy: expected at most {most} {what} at once ({setting}); all are in use. Ask again in a second."

    def __enter__(self) -> None:
        """Take one. Raises HttpProblem 503."""
        if not self._free.acquire(blocking=False):
            raise HttpProblem(HTTPStatus.SERVICE_UNAVAILABLE, self._refusal, {"Retry-After": "1"})

    def __exit__(self, *_: object) -> None:
        self._free.release()


class Computations:
    """What must be computed before an answer can begin: on threads of its own, so that blocks of other answers do not wait for it."""

    def __init__(self, most: int) -> None:
        self._permits = Permits(most, "computations", "WEIGHT_INIT_MAX_COMPUTATIONS")
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="weight-init-computation")
        self._in_progress: SingleFlight[Any] = SingleFlight()

    async def run(self, key: Hashable, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> None:
        """Do the work, once for all who ask for the same `key` meanwhile. Raises HttpProblem 503, and what the work raises.

        It cannot be interrupted. When those who asked have left, it still holds its permit until it ends.
        """

        def start() -> Future[R]:
            self._permits.__enter__()
            future = self._pool.submit(work, *args, **kwargs)
            future.add_done_callback(self._permits.__exit__)
            return future

        await self._in_progress.wait(key, start)


class Rate:
    """ASGI middleware: each client may ask so often, such as 100/second. A client is its API key, else its address."""

    def __init__(self, app: ASGIApp, *, rate: str, store: str | None) -> None:
        # only here: most installations count nothing
        import limits
        from limits.aio.storage import MemoryStorage, RedisStorage
        from limits.aio.strategies import SlidingWindowCounterRateLimiter
        from limits.errors import StorageError

        patience: dict[str, Any] = {"socket_timeout": _STORE_TIMEOUT_S, "socket_connect_timeout": _STORE_TIMEOUT_S}
        storage = RedisStorage(f"async+{store}", wrap_exceptions=True, implementation="redispy", **patience) if store else MemoryStorage()
        self._app = app
        self._rate = limits.parse(rate)
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._lost_store: type[Exception] = StorageError
        self._is_lost = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, unless its client asks too often."""
        wait_s = await self._wait_s(scope) if scope["type"] == "http" and scope["path"] not in PROBES else None
        if wait_s is None:
            await self._app(scope, receive, send)
            return
        detail = f"rate: expected at most {self._rate} of one client (WEIGHT_INIT_RATE); received more. Ask again in {wait_s} s."
        refusal = problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": str(wait_s)})
        await refusal(scope, receive, send)

    async def _wait_s(self, scope: Scope) -> int | None:
        """The seconds to wait; None when it may go on. Without its store it may: a tensor is worth more than a count."""
        client = client_of(scope)
        try:
            is_within = await self._limiter.hit(self._rate, client)
            again_at = 0.0 if is_within else (await self._limiter.get_window_stats(self._rate, client)).reset_time
        except self._lost_store as error:
            if not self._is_lost:
                _log.warning("the store of rates cannot be reached: nobody is refused until it can: %s", error)
            self._is_lost = True
            return None
        self._is_lost = False
        return None if is_within else max(1, math.ceil(again_at - time.time()))


def client_of(scope: Scope) -> str:
    """Who asks: the digest of an API key, else an address; of IPv6 the network, since a client has 2^64 addresses in it.

    >>> client_of({"client": ("2001:db8:0:1:2:3:4:5", 50000)})
    '2001:db8:0:1::/64'
    """
    if CLIENT in scope:
        return str(scope[CLIENT])
    address = scope["client"][0] if scope.get("client") else "unknown"
    if ":" not in address:
        return str(address)
    return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
