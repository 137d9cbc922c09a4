"""What the responses of all virtual files share: their headers, and the part that a Range header requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from service.files.virtual import VirtualFile
from service.web.responses.ranges import partial_content, requested_ranges

IMMUTABLE = "public, max-age=31536000, immutable"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")  # a file name that needs no quoting


def not_modified(headers: Mapping[str, str]) -> Response:
    """Return the response for a client that has the file already."""
    return Response(status_code=304, headers={name: headers[name] for name in ("ETag", "Cache-Control", "Vary") if name in headers})


def disposition(file_name: str, *, inline: bool) -> str:
    """Return a Content-Disposition with the file name in plain ASCII for old clients, and in full for all others (RFC 6266)."""
    plain = whole = file_name
    if not _PLAIN_NAME.fullmatch(file_name):
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", file_name).lstrip(".") or "weight"
        whole = quote(file_name.replace("/", "_"), safe="")
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{whole}"


def requested_part(file: VirtualFile, headers: dict[str, str], request: Request) -> tuple[VirtualFile, int, dict[str, str]]:
    """Return what to send of a file: all of it with status 200, or its requested ranges with status 206; and the headers for it.

    All of it is sent if `headers` say that it has no ranges, and if a range would not fit what the client has. Raises HttpProblem 416.
    """
    content, status = file, 200
    has_ranges = headers["Accept-Ranges"] == "bytes" and request.headers.get("if-range", headers.get("ETag")) == headers.get("ETag")
    if has_ranges and "range" in request.headers and (ranges := requested_ranges(request.headers["range"], file.nbytes)):
        boundary = headers["ETag"].strip('"')
        content, range_headers = partial_content(file, ranges, media_type=headers["Content-Type"], boundary=boundary)
        headers, status = headers | range_headers, 206
    return content, status, headers | {"Content-Length": str(content.nbytes)}
