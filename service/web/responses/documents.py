"""Responses with a JSON document."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from service.web.responses.conditions import is_unmodified

_ONE_HOUR = "public, max-age=3600"  # a new release may change the content
_MEDIA_TYPE = "application/json"


def document_response(content: Mapping[str, Any], request: Request) -> Response:
    """Return a document that a client may keep for an hour and then ask for again by its ETag: 200, or 304 if it has not changed.

    Raises HttpProblem 412.
    """
    return body_response(orjson.dumps(content), request)


def body_response(body: bytes, request: Request) -> Response:
    """Return a document that is written already, as `document_response` does. Raises HttpProblem 412."""
    headers = {"Cache-Control": _ONE_HOUR, "ETag": f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'}
    if is_unmodified(request.method, request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=_MEDIA_TYPE)


def state_response(content: Mapping[str, Any]) -> Response:
    """Return the state of the process at this moment, which nobody may keep."""
    return Response(orjson.dumps(content), headers={"Cache-Control": "no-store"}, media_type=_MEDIA_TYPE)
