"""An answer as an HTTP response: status, headers, and the part of the file that was asked for."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import Request
from fastapi.responses import Response

from service.contract.answer import Answer
from service.core.tensors.rules import whole_in
from service.core.tensors.tensor import VirtualTensor
from service.files.virtual import Buffer, VirtualFile
from service.web.protection.limits import Computations
from service.web.responses.digests import DigestedResponse, wanted_algorithm
from service.web.responses.ranges import Range, partial_content, requested_ranges
from service.web.responses.streaming import Blocks, StreamedResponse, file_blocks, stream_blocks

_FOR_EVER = "public, max-age=31536000, immutable"
_UNTIL_THE_NEXT_RELEASE = "public, max-age=3600"
_NEVER = "no-store"
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")  # a file name that needs no quoting
_QUICK_BYTES = 32 << 10
_QUICK_OPERATIONS = 10**8  # some 10 ms
_QUICK_SEGMENTS = 2  # those of a plain file; each part of a multipart answer is computed by itself


def json_response(content: Mapping[str, Any], *, cache: bool = True) -> Response:
    """A small JSON document."""
    headers = {"Cache-Control": _UNTIL_THE_NEXT_RELEASE if cache else _NEVER}
    return Response(orjson.dumps(content), headers=headers, media_type="application/json")


def answered(answer: Answer, request: Request) -> Response:
    """The response for an answer: 200, 206 for ranges of it, or 304 when the client has it already. Raises HttpProblem 416."""
    headers = _headers(answer)
    if request.method != "POST" and answer.repeatable and _already_has(request.headers, headers["ETag"]):
        return Response(status_code=304, headers={name: headers[name] for name in ("ETag", "Cache-Control", "Vary")})
    content, status = answer.file, 200
    if isinstance(content, VirtualFile):
        ranges = _ranges(answer, request.headers, headers, content)
        if ranges:
            boundary = headers["ETag"].strip('"')
            content, described = partial_content(content, ranges, media_type=answer.format.media_type, boundary=boundary)
            headers, status = headers | described, 206
        headers["Content-Length"] = str(content.nbytes)
    algorithm = _digest_wanted(answer, request)
    if algorithm is None and isinstance(content, VirtualFile) and _is_quick(answer, content):
        return Response(bytes(content.read()), status, headers)
    computations = request.app.state.computations
    response = (_blocks(content, answer.tensor, computations), status, headers, headers["Content-Type"])
    if algorithm is None:
        return StreamedResponse(*response)
    # opened once more, since a stream can be read but once
    whole = _blocks(answer.format.open(answer.tensor, answer.provenance, answer.metadata), answer.tensor, computations)
    return DigestedResponse(lambda: request.app.state.digests.field(algorithm, whole, headers.get("ETag", "")), *response)


def _is_quick(answer: Answer, content: VirtualFile) -> bool:
    """Whether it takes no longer to compute than to hand it to a thread: its bytes are few, and so is what they need."""
    return content.nbytes <= _QUICK_BYTES and len(content.segments) <= _QUICK_SEGMENTS and not answer.tensor.computes_whole


def _blocks(content: VirtualFile | Iterator[Buffer], tensor: VirtualTensor, computations: Computations) -> Blocks:
    def blocks() -> AsyncGenerator[Buffer, None]:
        return file_blocks(content) if isinstance(content, VirtualFile) else stream_blocks(content)

    rule = whole_in(tensor.spec.rule)
    if rule is None or rule.operations <= _QUICK_OPERATIONS:
        return blocks

    async def blocks_after_the_whole() -> AsyncGenerator[Buffer, None]:
        key = (rule, tensor.spec.seed, tensor.spec.name, tensor.dtype.draws_in.str)
        await computations.run(key, tensor.read, 0, min(1, tensor.size))  # any element needs the whole, which is then kept
        async with aclosing(blocks()) as following:
            async for block in following:
                yield block

    return blocks_after_the_whole


def _digest_wanted(answer: Answer, request: Request) -> str | None:
    """The algorithm of the digest to send; none for a tensor above the limit, as the wish for one may be ignored (RFC 9530)."""
    if "want-repr-digest" not in request.headers:
        return None
    if answer.tensor.nbytes > request.app.state.settings.max_digest_bytes:
        return None
    return wanted_algorithm(",".join(request.headers.getlist("want-repr-digest")))


def _headers(answer: Answer) -> dict[str, str]:
    headers = {
        "Content-Type": answer.format.media_type,
        "Weight-Init": answer.metadata_text,
        "Cache-Control": _FOR_EVER if answer.repeatable else _NEVER,
        "Vary": "Accept",
        "Accept-Ranges": "bytes" if _has_ranges(answer) else "none",
        "Content-Disposition": _disposition(answer.file_name, inline=answer.format.name == "json"),
    }
    if answer.repeatable:
        # a strong validator promises equal bytes, which not every machine gives
        headers["ETag"] = f'"{answer.etag}"' if answer.bitwise else f'W/"{answer.etag}"'
    return headers


def _has_ranges(answer: Answer) -> bool:
    """Whether parts of it, fetched at different times from different replicas, fit together."""
    return isinstance(answer.file, VirtualFile) and answer.repeatable and answer.bitwise


def _disposition(file_name: str, *, inline: bool) -> str:
    """The name to save under, for old clients in plain ASCII and for all others whole (RFC 6266)."""
    plain = whole = file_name
    if not _PLAIN.fullmatch(file_name):
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", file_name).lstrip(".") or "weight"
        whole = quote(file_name.replace("/", "_"), safe="")
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{whole}"


def _already_has(headers: Mapping[str, str], etag: str) -> bool:
    given = headers.get("if-none-match", "")
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


def _ranges(answer: Answer, sent: Mapping[str, str], headers: Mapping[str, str], file: VirtualFile) -> list[Range]:
    """The parts that were asked for; none when the whole was, or when a part of it would not fit what the client has."""
    if "range" not in sent or not _has_ranges(answer) or sent.get("if-range", headers["ETag"]) != headers["ETag"]:
        return []
    return requested_ranges(sent["range"], file.nbytes)
