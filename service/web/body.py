"""Reads request bodies, and checks their type and length before they are parsed."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.web.problems import REFUSAL, HttpProblem

BeforeGrowing = tuple[int, Callable[[], object]]

_FORM = "application/x-www-form-urlencoded"
_MAX_FORM_FIELDS = 1000


async def json_body(request: Request, *, max_bytes: int, setting: str, before_growing: BeforeGrowing | None = None) -> bytes:
    """Return the body if it is declared as JSON and at most `max_bytes` long, and if the connection does not refuse it.

    `setting` is the environment variable of that limit. `before_growing` is a length, and what is called before the body exceeds it.

    Raises HttpProblem 400, 408, 413, 415 or 431, and ClientDisconnect.
    """
    _check_type(request)
    return await _body(request, max_bytes, setting, before_growing)


async def form_body(request: Request, *, max_bytes: int, setting: str) -> list[tuple[str, str]]:
    """Return the fields of a form, in order. Raises HttpProblem 400, 408, 413, 415, 422 or 431, and ClientDisconnect."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().casefold() != _FORM:
        raise HttpProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: expected {_FORM}; received {content_type or 'none'}.", {"Accept-Post": _FORM}
        )
    body = await _body(request, max_bytes, setting, None)
    try:
        return parse_qsl(body.decode("utf-8"), max_num_fields=_MAX_FORM_FIELDS)
    except ValueError:
        detail = f"body: expected at most {_MAX_FORM_FIELDS} fields of a form in UTF-8; received others. Ask in several requests."
        raise HttpProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from None


async def _body(request: Request, max_bytes: int, setting: str, before_growing: BeforeGrowing | None) -> bytes:
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
