"""Digests of answers, for those who check what they wrote: Want-Repr-Digest and Repr-Digest (RFC 9530).

A digest is a header and not a trailer, which neither uvicorn over HTTP/1.1 can send nor most clients read. So it is known before the
first byte is sent; and since the content is a pure function of the request, it is computed twice, and not kept in between.
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

from service.concurrency.single_flight import SingleFlight
from service.web.monitoring.metrics import count_lookup
from service.web.responses.streaming import Blocks, StreamedResponse, unless_left

ALGORITHMS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}  # those that the RFC's registry does not call insecure

_MOST = 10  # the highest preference, and that of an algorithm which is named without one
_MEMBER = re.compile(r"([a-z0-9_.*-]+)(?:=(10|\d))?(?:;.*)?", re.ASCII)
_REMEMBERED = 4096  # digests; some 300 bytes each

_log = logging.getLogger("weight_init.web")


@lru_cache(maxsize=256)  # a client sends the same header with every request
def wanted_algorithm(header: str) -> str | None:
    """The algorithm that a Want-Repr-Digest header prefers among ALGORITHMS; None when it wants none of them.

    It names algorithms with preferences from 0, not wanted, to 10: `sha-256=10, sha-512=3`. What cannot be read is passed over.
    """
    members = (_MEMBER.fullmatch(item.strip()) for item in header.casefold().split(","))
    preferences = {member[1]: int(member[2] or _MOST) for member in members if member}
    best = max(ALGORITHMS, key=lambda name: preferences.get(name, 0))
    return best if preferences.get(best, 0) > 0 else None


class Digests:
    """Digests by strong ETag: each is computed once for all who ask for it at the same time, and remembered for a while.

    So a download in many ranges, each of which asks for the digest of the whole, hashes it once.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._known: OrderedDict[_Key, str] = OrderedDict()
        self._computing: SingleFlight[str] = SingleFlight()

    async def field(self, algorithm: str, blocks: Blocks, etag: str) -> str:
        """The value of Repr-Digest for the content of `blocks`. A strong `etag` identifies the content; a weak or empty one does not."""
        if not etag.startswith('"'):
            return await _field(algorithm, blocks)
        key = (algorithm, etag)
        count_lookup("digests", hit=key in self._known)
        if key not in self._known:
            loop = asyncio.get_running_loop()

            def start() -> Future[str]:
                return asyncio.run_coroutine_threadsafe(_field(algorithm, blocks), loop)

            self._remember(key, await self._computing.wait(key, start, ends_unwatched=True))
        self._known.move_to_end(key)
        return self._known[key]

    def _remember(self, key: _Key, field: str) -> None:
        self._known[key] = field
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)


_Key = tuple[str, str]


async def _field(algorithm: str, blocks: Blocks) -> str:
    """`sha-256=:<base64>:` of the content, in the memory of a few blocks."""
    digest = ALGORITHMS[algorithm]()
    async with aclosing(blocks()) as content:
        async for block in content:
            await asyncio.to_thread(digest.update, block)  # releases the interpreter, so that the next blocks are computed meanwhile
    return f"{algorithm}=:{base64.b64encode(digest.digest()).decode('ascii')}:"


class DigestedResponse(StreamedResponse):
    """A streamed response with a Repr-Digest, which is computed first; nobody waits for it when the client has left."""

    def __init__(
        self, field: Callable[[], Coroutine[Any, Any, str]], blocks: Blocks, status_code: int, headers: Mapping[str, str], media_type: str
    ) -> None:
        super().__init__(blocks, status_code, headers, media_type)
        self._field = field

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compute the digest, and answer unless the client left meanwhile."""
        field = await unless_left(self._field(), receive)
        if field is None:
            _log.info("a client left while its digest was computed")
            return
        self.headers["Repr-Digest"] = field
        await super()._answer(scope, receive, send)
