"""Sending a file while it is computed: blocks on a thread pool, a few ahead of the socket, in order."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.files.virtual import Buffer, VirtualFile, block_ranges, merged

BLOCK_BYTES = 1 << 20
_AT_ONCE_BYTES = 16 << 10  # computed in the event loop: about as long as handing it to a thread would take
_WORKERS = os.cpu_count() or 1
_AHEAD = _WORKERS + 1  # blocks computed before the socket wants them: what one response can hold in memory

Blocks = Callable[[], AsyncGenerator[Buffer, None]]

pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="weight-init")


class StreamedResponse(Response):
    """A response whose body comes in blocks. When the client leaves, no further block is computed."""

    def __init__(self, blocks: Blocks, status_code: int, headers: Mapping[str, str], media_type: str) -> None:
        self.status_code = status_code
        self.media_type = media_type
        self.background = None
        self.body = b""
        self._blocks = blocks
        self.init_headers(headers)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """As Starlette's, without the Content-Length of a body that is not there yet."""
        super().init_headers(headers)
        if headers is not None and "content-length" not in {name.lower() for name in headers}:
            del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the start and the blocks, until the end or until the client is gone."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        sending = asyncio.ensure_future(self._send_body(start, send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()  # without effect where it has ended
        await asyncio.wait((sending,))
        if not sending.cancelled():
            sending.result()

    async def _send_body(self, start: dict[str, object], send: Send) -> None:
        """The first block is computed before the status is sent, so that a failure there is still an error."""
        async with aclosing(self._blocks()) as blocks:
            block = await anext(blocks, b"")
            await send(start)
            async for following in blocks:
                await send({"type": "http.response.body", "body": block, "more_body": True})
                block = following
            await send({"type": "http.response.body", "body": block, "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def file_blocks(file: VirtualFile, start: int, stop: int, *, quick: bool) -> AsyncGenerator[Buffer, None]:
    """Bytes `start` to `stop` of a file, block by block. `quick`: its cost is that of the bytes, so that few need no thread."""
    if quick and stop - start <= _AT_ONCE_BYTES:
        yield file.read(start, stop)
        return
    loop = asyncio.get_running_loop()
    waiting = block_ranges(start, stop, BLOCK_BYTES)
    computing: deque[asyncio.Future[Buffer]] = deque()
    try:
        while True:
            while len(computing) < _AHEAD and (part := next(waiting, None)):
                computing.append(loop.run_in_executor(pool, file.read, *part))
            if not computing:
                return
            yield await computing.popleft()
    finally:
        for block in computing:
            block.cancel()


async def stream_blocks(stream: Iterator[Buffer]) -> AsyncGenerator[Buffer, None]:
    """The blocks of a stream that can only be made in order."""
    loop = asyncio.get_running_loop()
    blocks = merged(stream, BLOCK_BYTES)
    while (block := await loop.run_in_executor(pool, next, blocks, None)) is not None:
        yield block
