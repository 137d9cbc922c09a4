"""Reads request bodies, and checks their type and length before they are parsed."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.settings import Settings
from service.web.problems import HttpProblem

LATE_BODY = "weight_init.late_body"  # scope key that the connection sets when the deadline of the body has passed


async def json_body(request: Request, settings: Settings) -> bytes:
    """Return the body if it is declared as JSON, short enough and in time. Raises HttpProblem 408, 413 or 415, and ClientDisconnect."""
    _check_type(request)
    body = bytearray()
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if LATE_BODY in request.scope:
            raise _late(settings.head_timeout_s)
        body += message.get("body", b"")
        _check_length(body, settings.max_body_bytes)
        more = message.get("more_body", False)
    return bytes(body)


def _late(limit_s: float) -> HttpProblem:
    return HttpProblem(
        HTTPStatus.REQUEST_TIMEOUT,
        f"body: expected all of it within {limit_s:g} s (WEIGHT_INIT_HEAD_TIMEOUT_S); received a part. Send it without pauses.",
        {"Connection": "close"},
    )


def _check_type(request: Request) -> None:
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().casefold()
    if media_type != "application/json" and not (media_type.startswith("application/") and media_type.endswith("+json")):
        raise HttpProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type: expected application/json; received {content_type or 'none'}. Send the header Content-Type: application/json.",
            {"Accept-Post": "application/json"},
        )
    coding = request.headers.get("content-encoding")
    if coding is not None and coding.strip().casefold() != "identity":
        raise HttpProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Encoding: expected none; received {coding}. Send the JSON uncompressed.",
            {"Accept-Encoding": "identity"},
        )


def _check_length(body: bytearray, max_bytes: int) -> None:
    if len(body) > max_bytes:
        raise HttpProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"body: expected at most {max_bytes} bytes (WEIGHT_INIT_MAX_BODY_BYTES); received more. Send a shorter body.",
            {"Connection": "close"},
        )
