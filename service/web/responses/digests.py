"""Digests of responses, for clients that check what they wrote: Want-Repr-Digest and Repr-Digest (RFC 9530).

The digest is a header, because uvicorn cannot send trailers over HTTP/1.1, and most clients cannot read them. It must be known before the
first byte is sent. The content is a pure function of the request, so it is computed twice instead of being stored.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import aclosing
from functools import lru_cache
from typing import Any

from starlette.types import Receive, Scope, Send
from typing_extensions import override

from service.concurrency.single_flight import SingleFlight
from service.web.monitoring.metrics import count_lookup
from service.web.responses.streaming import Blocks, StreamedResponse, unless_disconnected

ALGORITHMS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}  # those that the RFC's registry does not mark as insecure

_HIGHEST_PREFERENCE = 10  # also that of an algorithm without a preference
_MEMBER = re.compile(r"([a-z0-9_.*-]+)(?:=(10|\d))?(?:;.*)?", re.ASCII)
_CACHE_SIZE = 4096  # digests, about 300 bytes each

_log = logging.getLogger("weight_init.web")


@lru_cache(maxsize=256)  # a client sends the same header with every request
def wanted_algorithm(header: str) -> str | None:
    """Return the algorithm of ALGORITHMS that a Want-Repr-Digest header prefers, or None if it wants none of them.

    The header lists algorithms with preferences from 0 (not wanted) to 10: `sha-256=10, sha-512=3`. Invalid items are ignored.
    """
    members = (_MEMBER.fullmatch(item.strip()) for item in header.casefold().split(","))
    preferences = {member[1]: int(member[2] or _HIGHEST_PREFERENCE) for member in members if member}
    best = max(ALGORITHMS, key=lambda name: preferences.get(name, 0))
    return best if preferences.get(best, 0) > 0 else None


class Digests:
    """A cache of digests by strong ETag. Concurrent requests for the same digest compute it once.

    A download in many ranges, each with the digest of the whole file, therefore hashes the file once.
    """

    def __init__(self, cache_size: int = _CACHE_SIZE) -> None:
        self._cache_size = cache_size
        self._cache: OrderedDict[_Key, str] = OrderedDict()
        self._computing: SingleFlight[str] = SingleFlight()

    async def field(self, algorithm: str, blocks: Blocks, etag: str) -> str:
        """Return the value of Repr-Digest for the content of `blocks`. It is cached only if `etag` is strong, not weak or empty."""
        if not etag.startswith('"'):
            return await _field(algorithm, blocks)
        key = (algorithm, etag)
        count_lookup("digests", hit=key in self._cache)
        if key not in self._cache:
            loop = asyncio.get_running_loop()

            def start() -> Future[str]:
                return asyncio.run_coroutine_threadsafe(_field(algorithm, blocks), loop)

            self._store(key, await self._computing.wait(key, start, ends_unwatched=True))
        self._cache.move_to_end(key)
        return self._cache[key]

    def _store(self, key: _Key, field: str) -> None:
        self._cache[key] = field
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)


_Key = tuple[str, str]


async def _field(algorithm: str, blocks: Blocks) -> str:
    """Return `sha-256=:<base64>:` of the content. Only a few blocks are in memory at a time."""
    digest = ALGORITHMS[algorithm]()
    async with aclosing(blocks()) as content:
        async for block in content:
            await asyncio.to_thread(digest.update, block)  # releases the GIL, so the next blocks are computed meanwhile
    return f"{algorithm}=:{base64.b64encode(digest.digest()).decode('ascii')}:"


class DigestedResponse(StreamedResponse):
    """A streamed response with a Repr-Digest, which is computed first. If the client disconnects meanwhile, nothing is sent."""

    def __init__(
        self, field: Callable[[], Coroutine[Any, Any, str]], blocks: Blocks, status_code: int, headers: Mapping[str, str], media_type: str
    ) -> None:
        super().__init__(blocks, status_code, headers, media_type)
        self._field = field

    @override
    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        field = await unless_disconnected(self._field(), receive)
        if field is None:
            _log.info("a client disconnected while its digest was computed")
            return
        self.headers["Repr-Digest"] = field
        await super()._respond(scope, receive, send)
