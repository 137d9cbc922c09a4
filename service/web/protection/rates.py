"""Counts requests by client, in this process or in a Redis, and says how long a client must wait."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import time
from collections.abc import Coroutine
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.responses import Response
from starlette.types import Scope

from service.web.problems import problem

if TYPE_CHECKING:
    from limits.aio.strategies import RateLimiter

T = TypeVar("T")

_STORE_TIMEOUT_S = 0.5
_STORE_PAUSE_S = 5.0

_log = logging.getLogger("weight_init.web")


class Limiter:
    """Counts the requests of each client against rates such as `100/second; 5000/hour`, all of which hold."""

    def __init__(self, rates: str, store: str | None) -> None:
        # imported here, because most services limit nothing
        import limits
        from limits.aio.storage import MemoryStorage, RedisStorage
        from limits.aio.strategies import SlidingWindowCounterRateLimiter
        from limits.errors import StorageError

        # The shortest first, so that requests beyond it do not use up the longer ones.
        self._rates = sorted(dict.fromkeys(limits.parse_many(rates)), key=lambda rate: rate.get_expiry())
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared: RateLimiter | None = None
        if store is not None:
            timeouts: dict[str, Any] = {"socket_timeout": _STORE_TIMEOUT_S, "socket_connect_timeout": _STORE_TIMEOUT_S}
            storage = RedisStorage(f"async+{store}", wrap_exceptions=True, implementation="redispy", **timeouts)
            self._shared = SlidingWindowCounterRateLimiter(storage)
        self._store = _Store((StorageError, OSError))

    def __str__(self) -> str:
        return " and ".join(map(str, self._rates))

    async def wait_s(self, client: str) -> int | None:
        """Count a request, and return the seconds that its client must wait, or None if it is within all rates.

        While the store does not answer, this process counts by itself.
        """
        if self._shared is not None and self._store.may_be_asked():
            try:
                return await self._store.ask(self._wait_s(self._shared, client))
            except _StoreFailed:
                pass
        return await self._wait_s(self._local, client)

    async def _wait_s(self, limiter: RateLimiter, client: str) -> int | None:
        for rate in self._rates:
            if not await limiter.hit(rate, client):
                break
        else:
            return None
        exhausted = [rate for rate in self._rates if not await limiter.test(rate, client)]
        resets = [(await limiter.get_window_stats(rate, client)).reset_time for rate in exhausted]
        return max(1, math.ceil(max(resets, default=0) - time.time()))


class _StoreFailed(Exception):
    """The store has not answered."""


class _Store:
    """Whether a store answers. After a failure nobody asks it for some seconds. Then one request does, and the others do without it."""

    def __init__(self, failures: tuple[type[Exception], ...]) -> None:
        self._failures = failures
        self._answers = self._is_reported = False
        self._next_try_s = 0.0
        self._asked_s: dict[object, float] = {}  # when each question was asked that waits for its answer, the oldest first

    def may_be_asked(self) -> bool:
        """Return whether to ask. The first to hear that it may be asked again must do so, because nobody else may."""
        now_s = time.monotonic()
        if self._answers:
            return True
        if now_s < self._next_try_s:
            return False
        self._next_try_s = now_s + _STORE_PAUSE_S
        return True

    async def ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Return the answer. Raises _StoreFailed if there is none half a second after the oldest question that has no answer."""
        now_s = time.monotonic()
        oldest_s = next(iter(self._asked_s.values()), now_s)
        key = object()
        self._asked_s[key] = now_s
        try:
            async with asyncio.timeout(oldest_s + _STORE_TIMEOUT_S - now_s):
                answer = await question
        except TimeoutError:
            self._fail(f"no answer within {_STORE_TIMEOUT_S:g} s")
        except self._failures as error:
            self._fail(error)
        else:
            self._succeed()
            return answer
        finally:
            del self._asked_s[key]
        raise _StoreFailed

    def _fail(self, reason: object) -> None:
        if not self._is_reported:
            _log.warning("cannot reach the store of request rates; until it is back, each process counts by itself: %s", reason)
        self._is_reported, self._answers = True, False
        self._next_try_s = time.monotonic() + _STORE_PAUSE_S

    def _succeed(self) -> None:
        if self._is_reported:
            _log.info("the store of request rates is back")
        self._is_reported, self._answers = False, True


def too_many(subject: str, limiter: Limiter, unit: str, wait_s: int) -> Response:
    """Return the response to a request beyond a rate."""
    detail = f"{subject}: expected at most {limiter} {unit} (WEIGHT_INIT_RATE); received more. Try again in {wait_s} s."
    return problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": str(wait_s)})


def address_of(scope: Scope) -> str:
    """Return the address of the client. For IPv6 it is the /64 network, since one client has all its addresses.

    A proxy may forward something else than an address. All of that is one client, as otherwise each invented text would have its own rate.

    >>> address_of({"client": ("2001:db8:0:1:2:3:4:5", 50000)})
    '2001:db8:0:1::/64'
    >>> address_of({"client": ("_hidden", 0)})
    'unknown'
    """
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped  # a client of IPv4 at a socket for both
    return str(address)
