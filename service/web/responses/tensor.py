"""The HTTP response for an answer: its status, its headers, and the requested part of the file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Hashable, Iterator
from contextlib import aclosing
from functools import partial

from fastapi import Request
from fastapi.responses import Response

from service.contract.answer import Answer
from service.core.tensors.cost import read_seconds, whole_seconds
from service.core.tensors.tensor import VirtualTensor
from service.files.virtual import Buffer, VirtualFile
from service.web.protection.computations import Computations
from service.web.responses.conditions import is_unmodified
from service.web.responses.digests import digest_seconds, length, requested_algorithm
from service.web.responses.files import IMMUTABLE, disposition, not_modified, requested_part
from service.web.responses.streaming import SHORT_S, Blocks, StreamedResponse, file_blocks, pool_for, stream_blocks

_NO_STORE = "no-store"
_QUICK_BYTES = 32 << 10
_QUICK_S = 1e-3
_QUICK_SEGMENTS = 2  # a whole file has two; each part of a multipart response is computed separately


def tensor_response(answer: Answer, request: Request) -> Response:
    """Return the response for an answer: 200, 206 for ranges, or 304 if the client already has the file.

    Raises HttpProblem 412 or 416.
    """
    headers = _headers(answer)
    if is_unmodified(request.method, request.headers, headers.get("ETag")):
        return not_modified(headers)
    content, status = answer.file, 200
    if isinstance(content, VirtualFile):
        content, status, headers = requested_part(content, headers, request)
    elif answer.nbytes is not None:
        headers["Content-Length"] = str(answer.nbytes)
    algorithm = requested_algorithm(request, nbytes=answer.tensor.nbytes, seconds=answer.total_seconds)
    if algorithm is None and isinstance(content, VirtualFile) and _is_quick(answer, content):
        return Response(bytes(content.read()), status, headers)
    # HTTP/1.0 has no chunks, so it needs the length
    needs_length = "Content-Length" not in headers and request.scope["http_version"] == "1.0" and request.method != "HEAD"
    late_headers = (
        partial(_late_headers, answer, request, headers.get("ETag", ""), algorithm, needs_length=needs_length)
        if algorithm or needs_length
        else None
    )
    blocks = _blocks(content, answer, request.app.state.computations)
    return StreamedResponse(blocks, status, headers, headers["Content-Type"], late_headers)


async def _late_headers(answer: Answer, request: Request, etag: str, algorithm: str | None, *, needs_length: bool) -> dict[str, str]:
    """Return the headers for which the whole file has to be computed."""
    # opened again, because a stream can be read only once
    whole = partial(answer.format.open, answer.tensor, answer.provenance, answer.metadata)
    headers, state = {}, request.app.state
    if algorithm is not None:
        cost_s = digest_seconds(algorithm, nbytes=answer.tensor.nbytes, seconds=answer.total_seconds)
        headers["Repr-Digest"] = await state.digests.field(algorithm, whole, etag, cost_s=cost_s)
    if needs_length:
        key, cost_s = ("length", etag or object()), answer.total_seconds
        headers["Content-Length"] = str(await state.computations.run(key, partial(length, whole), cost_s=cost_s))
    return headers


def _is_quick(answer: Answer, content: VirtualFile) -> bool:
    """Return whether the content is cheap enough to compute on the event loop, without a thread."""
    return (
        content.nbytes <= _QUICK_BYTES
        and len(content.segments) <= _QUICK_SEGMENTS
        and answer.tensor.needs is None
        and read_seconds(answer.tensor, content.nbytes // answer.tensor.dtype.itemsize) <= _QUICK_S
    )


def _blocks(content: VirtualFile | Iterator[Buffer], answer: Answer, computations: Computations) -> Blocks:
    tensor = answer.tensor
    executor = pool_for(_share(content, answer) * answer.seconds)

    def blocks() -> AsyncGenerator[Buffer, None]:
        return file_blocks(content, executor) if isinstance(content, VirtualFile) else stream_blocks(content, executor)

    seconds = whole_seconds(tensor)
    if seconds <= SHORT_S:
        return blocks

    async def blocks_after_whole() -> AsyncGenerator[Buffer, None]:
        tensor.hold(await computations.run(whole_key(tensor), tensor.whole, cost_s=seconds))
        async with aclosing(blocks()) as content_blocks:
            async for block in content_blocks:
                yield block

    return blocks_after_whole


def whole_key(tensor: VirtualTensor) -> Hashable:
    """Return a key that is equal for tensors with the same whole."""
    return (tensor.needs, tensor.spec.seed, tensor.spec.name, tensor.dtype.draws_in.str)


def _share(content: VirtualFile | Iterator[Buffer], answer: Answer) -> float:
    """Return the share of the whole file that is sent."""
    if isinstance(content, VirtualFile) and isinstance(answer.file, VirtualFile):
        return content.nbytes / max(1, answer.file.nbytes)
    return 1.0


def _headers(answer: Answer) -> dict[str, str]:
    headers = {
        "Content-Type": answer.format.media_type,
        "Weight-Init": answer.metadata_text,
        "Cache-Control": IMMUTABLE if answer.repeatable else _NO_STORE,
        "Vary": "Accept",
        "Accept-Ranges": "bytes" if _has_ranges(answer) else "none",
        "Content-Disposition": disposition(answer.file_name, inline=answer.format.name == "json"),
    }
    if answer.repeatable:
        headers["ETag"] = f'"{answer.etag}"'
    return headers


def _has_ranges(answer: Answer) -> bool:
    """Return whether ranges of the file fit together if they come from different replicas at different times."""
    return isinstance(answer.file, VirtualFile) and answer.repeatable
