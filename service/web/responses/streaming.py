"""Sending a file while it is computed: blocks on a thread pool, a few ahead of the socket, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, closing
from functools import partial
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.concurrency.ahead import submitted_ahead
from service.concurrency.cores import usable_cores
from service.files.virtual import Buffer, VirtualFile, block_ranges, merged
from service.web.responses.memory import give_back_soon

BLOCK_BYTES = 1 << 20
_THREADS = usable_cores()
_MOST_AHEAD = _THREADS + 1  # blocks of one response: each thread has one to compute while one is sent
_RUSH = 16  # responses at once, of which so many blocks are left that it is worth giving their memory back
_ALL_AHEAD = max(64, 2 * _THREADS)  # blocks of all responses together, so that many slow readers do not hold much memory

T = TypeVar("T")
Blocks = Callable[[], AsyncGenerator[Buffer, None]]

_log = logging.getLogger("weight_init.web")

pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="weight-init")


class StreamedResponse(Response):
    """A response whose body comes in blocks. When the client leaves, no further block is computed."""

    def __init__(self, blocks: Blocks, status_code: int, headers: Mapping[str, str], media_type: str) -> None:
        self.status_code = status_code
        self.media_type = media_type
        self.background = None
        self.body = b""
        self._blocks = blocks
        self._sent = 0
        self.init_headers(headers)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """As Starlette's, without the Content-Length of a body that is not there yet."""
        super().init_headers(headers)
        if headers is not None and "content-length" not in {name.lower() for name in headers}:
            del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the start and the blocks, until the end or until the client is gone. Raises HttpProblem 503 when too many are sent."""
        with scope["app"].state.streams:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        if not await unless_left(self._send_body(start, send), receive):
            _log.info("a client left after %d of %s bytes", self._sent, self.headers.get("content-length", "all"))

    async def _send_body(self, start: dict[str, object], send: Send) -> bool:
        """The first block is computed before the status is sent, so that a failure there is still an error."""
        async with aclosing(self._blocks()) as blocks:
            block = await anext(blocks, b"")
            await send(start)
            async for following in blocks:
                await self._send_block(send, block, more=True)
                block = following
            await self._send_block(send, block, more=False)
        return True

    async def _send_block(self, send: Send, block: Buffer, *, more: bool) -> None:
        await send({"type": "http.response.body", "body": block, "more_body": more})
        self._sent += len(block)


async def unless_left(work: Coroutine[Any, Any, T], receive: Receive) -> T | None:
    """What the work comes to; None when the client leaves before, which ends it."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        working.cancel()  # without effect where it has ended
    await asyncio.wait((working,))
    return None if working.cancelled() else working.result()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


class Ahead:
    """How many blocks a response may have computed before its socket takes them. All that stream share `most_of_all`."""

    def __init__(self, most_of_one: int, most_of_all: int, *, after_rush: Callable[[], object]) -> None:
        self._most_of_one, self._most_of_all = most_of_one, most_of_all
        self._streaming = self._peak = 0
        self._after_rush = after_rush

    def __enter__(self) -> None:
        self._streaming += 1
        self._peak = max(self._peak, self._streaming)

    def __exit__(self, *_: object) -> None:
        self._streaming -= 1
        if not self._streaming and self._peak >= _RUSH:
            self._peak = 0
            self._after_rush()

    @property
    def blocks(self) -> int:
        """At least one."""
        return max(1, min(self._most_of_one, self._most_of_all // max(1, self._streaming)))


_ahead = Ahead(_MOST_AHEAD, _ALL_AHEAD, after_rush=partial(give_back_soon, pool))


async def file_blocks(file: VirtualFile) -> AsyncGenerator[Buffer, None]:
    """The file, block by block."""

    def submit(start: int, stop: int) -> Future[Buffer]:
        return pool.submit(file.read, start, stop)

    with _ahead, closing(submitted_ahead(submit, block_ranges(0, file.nbytes, BLOCK_BYTES), lambda: _ahead.blocks)) as submitted:
        for block in submitted:
            yield await asyncio.wrap_future(block)


async def stream_blocks(stream: Iterator[Buffer]) -> AsyncGenerator[Buffer, None]:
    """The blocks of a stream that can only be made in order."""
    loop = asyncio.get_running_loop()
    blocks = merged(stream, BLOCK_BYTES)
    while (block := await loop.run_in_executor(pool, next, blocks, None)) is not None:
        yield block
