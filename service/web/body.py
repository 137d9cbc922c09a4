"""Reads request bodies, and checks their type and length before they are parsed."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.web.problems import REFUSAL, HttpProblem

BeforeGrowing = tuple[int, Callable[[], object]]


async def json_body(request: Request, *, max_bytes: int, setting: str, before_growing: BeforeGrowing | None = None) -> bytes:
    """Return the body if it is declared as JSON and at most `max_bytes` long, and if the connection does not refuse it.

    `setting` is the environment variable of that limit. `before_growing` is a length, and what is called before the body exceeds it.

    Raises HttpProblem 400, 408, 413, 415 or 431, and ClientDisconnect.
    """
    _check_type(request)
    body = bytearray()
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if REFUSAL in request.scope:
            raise request.scope[REFUSAL]
        body += message.get("body", b"")
        if before_growing is not None and len(body) > before_growing[0]:
            before_growing[1]()
            before_growing = None
        _check_length(body, max_bytes, setting)
        more = message.get("more_body", False)
    return bytes(body)


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


def _check_length(body: bytearray, max_bytes: int, setting: str) -> None:
    if len(body) > max_bytes:
        raise HttpProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"body: expected at most {max_bytes} bytes ({setting}); received more. Send a shorter body.",
            {"Connection": "close"},
        )
