"""An answer as an HTTP response: status, headers, and the part of the file that was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import Request
from fastapi.responses import Response

from service.contract.answer import Answer
from service.files.virtual import VirtualFile
from service.web.ranges import requested_range
from service.web.streaming import StreamedResponse, file_blocks, stream_blocks

_FOR_EVER = "public, max-age=31536000, immutable"
_UNTIL_THE_NEXT_RELEASE = "public, max-age=3600"
_NEVER = "no-store"


def json_response(content: dict[str, Any], *, cache: bool = True) -> Response:
    """A small JSON document."""
    headers = {"Cache-Control": _UNTIL_THE_NEXT_RELEASE if cache else _NEVER}
    return Response(orjson.dumps(content), headers=headers, media_type="application/json")


def answered(answer: Answer, request: Request) -> Response:
    """The response for an answer: 200, 206 for a range of it, or 304 when the client has it already. Raises HttpProblem 416."""
    headers = _headers(answer)
    if request.method != "POST" and answer.repeatable and _already_has(request.headers, headers["ETag"]):
        kept = ("ETag", "Cache-Control", "Vary")
        return Response(status_code=304, headers={name: headers[name] for name in kept})
    file, media_type = answer.file, answer.format.media_type
    if not isinstance(file, VirtualFile):
        return StreamedResponse(lambda: stream_blocks(file), 200, headers, media_type)
    part = _range(answer, request.headers, headers, file)
    start, stop = part or (0, file.nbytes)
    headers["Content-Length"] = str(stop - start)
    if part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.nbytes}"
    return StreamedResponse(
        lambda: file_blocks(file, start, stop, quick=not answer.tensor.computes_whole), 206 if part else 200, headers, media_type
    )


def _headers(answer: Answer) -> dict[str, str]:
    headers = {
        "Weight-Init": json.dumps(answer.metadata, separators=(",", ":")),  # escapes all but ASCII
        "Cache-Control": _FOR_EVER if answer.repeatable else _NEVER,
        "Vary": "Accept",
        "Accept-Ranges": "bytes" if _has_ranges(answer) else "none",
        "Content-Disposition": _disposition(answer.file_name, inline=answer.format.name == "json"),
        "X-Content-Type-Options": "nosniff",
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
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", file_name).lstrip(".") or "weight"
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name.replace('/', '_'), safe='')}"


def _already_has(headers: Mapping[str, str], etag: str) -> bool:
    given = headers.get("if-none-match", "")
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


def _range(answer: Answer, sent: Mapping[str, str], headers: Mapping[str, str], file: VirtualFile) -> tuple[int, int] | None:
    """The part that was asked for; None when the whole was, or when a part of it would not fit what the client has."""
    if not _has_ranges(answer) or sent.get("if-range", headers["ETag"]) != headers["ETag"]:
        return None
    return requested_range(sent.get("range"), file.nbytes)
