"""The HTTP response for a safetensors file of a checkpoint: its status, its headers, and the requested part of the file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from service.checkpoints.shards import MEDIA_TYPE, Shard
from service.core.tensors.cost import whole_seconds
from service.files.virtual import Buffer, VirtualFile, block_ranges
from service.web.problems import HttpProblem
from service.web.protection.computations import Computations
from service.web.responses.conditions import is_unmodified
from service.web.responses.digests import digest_seconds, requested_algorithm
from service.web.responses.files import IMMUTABLE, disposition, not_modified, requested_part
from service.web.responses.streaming import BLOCK_BYTES, SHORT_S, StreamedResponse, file_blocks, pool_for
from service.web.responses.tensor import whole_key

_BUSY_WAIT_S = 1.0


def checkpoint_response(shard: Shard, metadata_text: str, request: Request) -> Response:
    """Return the response for a file: 200, 206 for ranges, or 304 if the client already has the file. Raises HttpProblem 412 or 416.

    `metadata_text` is one line of JSON in ASCII about the checkpoint, for the header Weight-Init.
    """
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Weight-Init": metadata_text,
        "Cache-Control": IMMUTABLE,
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(shard.file_name, inline=False),
        "ETag": f'"{shard.etag}"',
    }
    if is_unmodified(request.method, request.headers, headers["ETag"]):
        return not_modified(headers)
    content, status, headers = requested_part(shard.file, headers, request)
    algorithm = requested_algorithm(request, nbytes=shard.file.nbytes, seconds=shard.seconds)
    late_headers = None if algorithm is None else partial(_digest, algorithm, shard, headers["ETag"], request.app.state)
    executor = pool_for(shard.seconds * content.nbytes / shard.file.nbytes)
    if shard.longest_whole_s > SHORT_S:
        blocks = partial(_blocks_after_wholes, content, executor, request.app.state.computations)
    else:
        blocks = partial(file_blocks, content, executor)
    return StreamedResponse(blocks, status, headers, headers["Content-Type"], late_headers)


async def _digest(algorithm: str, shard: Shard, etag: str, state: Any) -> Mapping[str, str]:
    """Return the header for which the whole file has to be computed."""
    cost_s = digest_seconds(algorithm, nbytes=shard.file.nbytes, seconds=shard.seconds)
    return {"Repr-Digest": await state.digests.field(algorithm, lambda: shard.file, etag, cost_s=cost_s)}


async def _blocks_after_wholes(content: VirtualFile, executor: Any, computations: Computations) -> AsyncGenerator[Buffer, None]:
    """Yield the blocks of a file. What a block needs whole is computed before it, apart from the threads of other responses' blocks."""
    loop = asyncio.get_running_loop()
    for start, stop in block_ranges(0, content.nbytes, BLOCK_BYTES):
        for tensor in content.tensors_computed_whole(start, stop):
            while True:
                try:
                    await computations.run(whole_key(tensor), tensor.whole, cost_s=whole_seconds(tensor))
                    break
                except HttpProblem as problem:
                    if start == 0 or problem.status is not HTTPStatus.SERVICE_UNAVAILABLE:
                        raise  # before the response has begun, so that the client learns when to try again
                await asyncio.sleep(_BUSY_WAIT_S)
        yield await loop.run_in_executor(executor, content.read, start, stop)
