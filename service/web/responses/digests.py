"""Digests of responses, for clients that check what they wrote: Want-Repr-Digest and Repr-Digest (RFC 9530).

The digest is a header, because uvicorn cannot send trailers over HTTP/1.1, and most clients cannot read them. It must be known before the
first byte is sent. The content is a pure function of the request, so it is computed twice instead of being stored.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import lru_cache, partial
from typing import Any, NamedTuple

from fastapi import Request

from service.concurrency.interruption import stop_if_unwatched
from service.files.virtual import Buffer, VirtualFile, block_ranges
from service.web.monitoring.metrics import count_lookup
from service.web.protection.computations import Computations
from service.web.responses.streaming import BLOCK_BYTES

_HIGHEST_PREFERENCE = 10  # also that of an algorithm without a preference
_MEMBER = re.compile(r"([a-z0-9_.*-]+)(?:=(10|\d))?(?:;.*)?", re.ASCII)
_CACHE_SIZE = 4096  # digests, about 300 bytes each

Open = Callable[[], VirtualFile | Iterator[Buffer]]


class Algorithm(NamedTuple):
    """An algorithm: its hash, and the CPU time for a byte, measured on one core of a recent server."""

    new: Callable[[], Any]
    ns_per_byte: float


# those that the RFC's registry does not mark as insecure
ALGORITHMS = {"sha-256": Algorithm(hashlib.sha256, 1.0), "sha-512": Algorithm(hashlib.sha512, 1.6)}


@lru_cache(maxsize=256)  # a client sends the same header with every request
def wanted_algorithm(header: str) -> str | None:
    """Return the algorithm of ALGORITHMS that a Want-Repr-Digest header prefers, or None if it wants none of them.

    The header lists algorithms with preferences from 0 (not wanted) to 10: `sha-256=10, sha-512=3`. Invalid items are ignored.
    """
    members = (_MEMBER.fullmatch(item.strip()) for item in header.casefold().split(","))
    preferences = {member[1]: int(member[2] or _HIGHEST_PREFERENCE) for member in members if member}
    best = max(ALGORITHMS, key=lambda name: preferences.get(name, 0))
    return best if preferences.get(best, 0) > 0 else None


def requested_algorithm(request: Request, *, nbytes: int, seconds: float) -> str | None:
    """Return the algorithm of the digest to send with a file that takes `seconds` of CPU time to compute, or None.

    A request for a digest may be ignored (RFC 9530), as it is if that takes longer than the limit on what is computed first.
    """
    if "want-repr-digest" not in request.headers:
        return None
    algorithm = wanted_algorithm(",".join(request.headers.getlist("want-repr-digest")))
    if algorithm is not None and digest_seconds(algorithm, nbytes=nbytes, seconds=seconds) > request.app.state.computations.max_compute_s:
        return None
    return algorithm


def digest_seconds(algorithm: str, *, nbytes: int, seconds: float) -> float:
    """Return the estimated CPU time of the digest of a file that takes `seconds` to compute."""
    return seconds + nbytes * ALGORITHMS[algorithm].ns_per_byte * 1e-9


class Digests:
    """A cache of digests by strong ETag. Concurrent requests for the same digest compute it once.

    A download in many ranges, each with the digest of the whole file, therefore hashes the file once.
    """

    def __init__(self, computations: Computations, cache_size: int = _CACHE_SIZE) -> None:
        self._computations = computations
        self._cache_size = cache_size
        self._cache: OrderedDict[_Key, str] = OrderedDict()

    async def field(self, algorithm: str, open_content: Open, etag: str, *, cost_s: float) -> str:
        """Return the value of Repr-Digest for the content. It is cached only if `etag` is strong, not weak or empty.

        `cost_s` is the estimated CPU time.
        """
        key = (algorithm, etag)
        is_strong = etag.startswith('"')
        if is_strong:
            count_lookup("digests", hit=key in self._cache)
        if key not in self._cache:
            # without an ETag, no two responses are equal
            field = await self._computations.run(key if etag else object(), partial(_field, algorithm, open_content), cost_s=cost_s)
            if not is_strong:
                return field
            self._store(key, field)
        self._cache.move_to_end(key)
        return self._cache[key]

    def _store(self, key: _Key, field: str) -> None:
        self._cache[key] = field
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)


_Key = tuple[str, str]


def _field(algorithm: str, open_content: Open) -> str:
    """Return `sha-256=:<base64>:` of the content. One block is in memory at a time. Raises Interrupted."""
    digest = ALGORITHMS[algorithm].new()
    with closing(_blocks(open_content())) as blocks:
        for block in blocks:
            stop_if_unwatched()
            digest.update(block)
    return f"{algorithm}=:{base64.b64encode(digest.digest()).decode('ascii')}:"


def length(open_content: Open) -> int:
    """Return the length of the content, for what is known only at the end. Raises Interrupted."""
    nbytes = 0
    with closing(_blocks(open_content())) as blocks:
        for block in blocks:
            stop_if_unwatched()
            nbytes += len(block)
    return nbytes


def _blocks(content: VirtualFile | Iterator[Buffer]) -> Generator[Buffer, None, None]:
    if isinstance(content, VirtualFile):
        yield from (content.read(*part) for part in block_ranges(0, content.nbytes, BLOCK_BYTES))
    else:
        yield from content
