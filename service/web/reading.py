"""Reading a request's body: its type and its length are checked before it is parsed."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request

from service.web.problems import HttpProblem


async def json_body(request: Request, max_bytes: int) -> bytes:
    """The body, if it is declared as JSON and no longer than `max_bytes`. Raises HttpProblem 413, 415."""
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().casefold()
    if media_type != "application/json" and not (media_type.startswith("application/") and media_type.endswith("+json")):
        raise HttpProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type: expected application/json; received {content_type or 'none'}. Send the header Content-Type: application/json.",
            {"Accept-Post": "application/json"},
        )
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > max_bytes:
            raise HttpProblem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"body: expected at most {max_bytes} bytes (WEIGHT_INIT_MAX_BODY_BYTES); received more. A specification is never so long.",
                {"Connection": "close"},
            )
    return bytes(body)
