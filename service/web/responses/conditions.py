"""Conditional requests (RFC 9110, section 13): whether the client's file is still the one that the service would send.

`If-Modified-Since` and `If-Unmodified-Since` must be ignored (sections 13.1.3 and 13.1.4), as no response has a date of modification.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from starlette.datastructures import Headers

from service.web.problems import HttpProblem

_ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')


def is_unmodified(method: str, headers: Headers, etag: str | None) -> bool:
    """Return whether the client has the file already, so that the status is 304. `etag` is None if no two responses are equal.

    Raises HttpProblem 412 if a condition is not met, in the order of section 13.2.2.
    """
    if "if-match" in headers and not _has(headers, "if-match", etag, weakly=False):
        raise _failed("If-Match", "the ETag of the file", etag)
    if "if-none-match" in headers and _has(headers, "if-none-match", etag, weakly=True):
        if method in ("GET", "HEAD"):
            return True
        raise _failed("If-None-Match", "other ETags than that of the file", etag)
    return False


def _has(headers: Headers, name: str, etag: str | None, *, weakly: bool) -> bool:
    """Return whether a list of entity tags has this one. Only a weak comparison finds weak tags (section 8.8.3.2)."""
    listed = ",".join(headers.getlist(name))
    if listed.strip() == "*":
        return etag is not None or not weakly
    if etag is None:
        return False
    tags = _ENTITY_TAG.findall(listed)
    if weakly:
        return etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}
    return not etag.startswith("W/") and etag in tags


def _failed(header: str, expected: str, etag: str | None) -> HttpProblem:
    return HttpProblem(
        HTTPStatus.PRECONDITION_FAILED,
        f"{header}: expected {expected}, {etag or 'but a request without a seed has none'}; received something else."
        " Leave the header out to get the file anyway.",
    )
