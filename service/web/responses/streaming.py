"""Sends a file while it is computed: in blocks on a thread pool, a few ahead of the socket, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import aclosing, closing
from functools import partial
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from service.concurrency.ahead import submitted_ahead
from service.concurrency.cores import usable_cores
from service.files.virtual import Buffer, VirtualFile, block_ranges, merged
from service.web.responses.memory import release_soon

BLOCK_BYTES = 1 << 20
_STREAM_BLOCK_BYTES = 1 << 18  # at least, as only small parts are joined
_THREADS = usable_cores()
_MAX_AHEAD = _THREADS + 1  # blocks of one response: one for each thread to compute, and one being sent
_MAX_AHEAD_TOTAL = max(64, 2 * _THREADS)  # blocks of all responses together, so that many slow readers do not take much memory
SHORT_S = 0.02  # of CPU time: a block of the slowest schemes takes ten times as long
_PEAK_STREAMS = 16  # responses at once that leave enough free memory to be worth returning to the system

T = TypeVar("T")
Blocks = Callable[[], AsyncGenerator[Buffer, None]]
LateHeaders = Callable[[], Coroutine[Any, Any, Mapping[str, str]]]

_log = logging.getLogger("weight_init.web")

pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="weight-init")
short_pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="weight-init-short")


def pool_for(seconds: float) -> ThreadPoolExecutor:
    """Return the threads for the blocks of a response that takes this much CPU time. A short one need not wait for blocks of long ones."""
    return short_pool if seconds <= SHORT_S else pool


class StreamedResponse(Response):
    """A response whose body is sent in blocks. When the client disconnects, nothing further is computed.

    `late_headers` computes further headers before the response begins, such as a digest.
    """

    def __init__(
        self, blocks: Blocks, status_code: int, headers: Mapping[str, str], media_type: str, late_headers: LateHeaders | None = None
    ) -> None:
        self.status_code = status_code
        self.media_type = media_type
        self.background = None
        self.body = b""
        self._blocks = blocks
        self._late_headers = late_headers
        self._sent = 0
        self.init_headers(headers)

    @override
    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        super().init_headers(headers)  # sets a Content-Length of 0, because there is no body yet
        if headers is not None and "content-length" not in {name.lower() for name in headers}:
            del self.headers["content-length"]

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with scope["app"].state.streams:  # raises HttpProblem 503 if too many are being sent
            await self._respond(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._late_headers is not None:
            headers = await unless_disconnected(self._late_headers(), receive)
            if headers is None:
                _log.info("a client disconnected while its headers were computed")
                return
            self.headers.update(headers)
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        if not await unless_disconnected(self._send_body(start, send), receive):
            _log.info("a client disconnected after %d of %s bytes", self._sent, self.headers.get("content-length", "all"))

    async def _send_body(self, start: dict[str, object], send: Send) -> bool:
        """Send the status and the blocks. The first block is computed before the status is sent, so its failure can still become a 500."""
        async with aclosing(self._blocks()) as blocks:
            block = await anext(blocks, b"")
            await send(start)
            async for next_block in blocks:
                await self._send_block(send, block, more=True)
                block = next_block
            await self._send_block(send, block, more=False)
        return True

    async def _send_block(self, send: Send, block: Buffer, *, more: bool) -> None:
        await send({"type": "http.response.body", "body": block, "more_body": more})
        self._sent += len(block)


async def unless_disconnected(work: Coroutine[Any, Any, T], receive: Receive) -> T | None:
    """Return the result of `work`, or cancel it and return None if the client disconnects before."""
    working = asyncio.ensure_future(work)
    disconnect = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((working, disconnect), return_when=asyncio.FIRST_COMPLETED)
    finally:
        disconnect.cancel()
        working.cancel()  # no effect if it has ended
    await asyncio.wait((working,))
    return None if working.cancelled() else working.result()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


class LookAhead:
    """How many blocks of a response are computed before its socket takes them: up to `per_response`, and a share of `total`."""

    def __init__(self, per_response: int, total: int, *, after_peak: Callable[[], object]) -> None:
        self._per_response, self._total = per_response, total
        self._streaming = self._peak = 0
        self._after_peak = after_peak

    def __enter__(self) -> None:
        self._streaming += 1
        self._peak = max(self._peak, self._streaming)

    def __exit__(self, *_: object) -> None:
        self._streaming -= 1
        if not self._streaming and self._peak >= _PEAK_STREAMS:
            self._peak = 0
            self._after_peak()

    @property
    def blocks(self) -> int:
        """The number of blocks, at least 1."""
        return max(1, min(self._per_response, self._total // max(1, self._streaming)))


_look_ahead = LookAhead(_MAX_AHEAD, _MAX_AHEAD_TOTAL, after_peak=partial(release_soon, pool))


async def file_blocks(file: VirtualFile, executor: Executor) -> AsyncGenerator[Buffer, None]:
    """Yield the blocks of a file, computed by the threads of `executor`."""

    def submit(start: int, stop: int) -> Future[Buffer]:
        return executor.submit(file.read, start, stop)

    ranges = block_ranges(0, file.nbytes, BLOCK_BYTES)
    with _look_ahead, closing(submitted_ahead(submit, ranges, lambda: _look_ahead.blocks)) as submitted:
        for block in submitted:
            yield await asyncio.wrap_future(block)


async def stream_blocks(stream: Iterator[Buffer], executor: Executor) -> AsyncGenerator[Buffer, None]:
    """Yield the blocks of a stream, which can only be produced in order."""
    loop = asyncio.get_running_loop()
    blocks = merged(stream, _STREAM_BLOCK_BYTES)
    while (block := await loop.run_in_executor(executor, next, blocks, None)) is not None:
        yield block
