"""Parses responses from their status, headers and bytes. It does not receive them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from weight_init.dtypes import WIRE_DTYPES
from weight_init.errors import FieldError, InvalidAnswer, ProblemError

_PROBLEM = "application/problem+json"
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_DEFAULT_RETRY_AFTER_S = 1


@dataclass(frozen=True)
class ResponseHead:
    """The status and headers of a response. Header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]

    @property
    def resume_etag(self) -> str | None:
        """The ETag for requesting the rest of the body, or None if it cannot be resumed."""
        etag = self.headers.get("ETag", "")
        return etag if etag.startswith('"') and self.headers.get("Accept-Ranges") == "bytes" else None

    def continues_from(self, start: int, etag: str) -> bool:
        """Return whether this is the rest, from byte `start` on, of the body with this ETag."""
        starts_there = self.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        return self.status == HTTPStatus.PARTIAL_CONTENT and starts_there and self.headers.get("ETag") == etag


def parse_metadata(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return a tensor's metadata from the Weight-Init header. Raises InvalidAnswer."""
    text = headers.get("Weight-Init")
    if text is None:
        raise InvalidAnswer("Expected a Weight-Init header; received none. Check that the URL points to a weight-init service.")
    return parse_object(text)


def expected_nbytes(metadata: Mapping[str, Any], headers: Mapping[str, str]) -> int:
    """Return a tensor's size in bytes. Raises InvalidAnswer if the metadata is invalid or disagrees with Content-Length."""
    dtype, shape = str(metadata.get("dtype")), metadata.get("shape")
    if dtype not in WIRE_DTYPES:
        raise InvalidAnswer(f"Expected one of the dtypes {', '.join(WIRE_DTYPES)}; received {dtype!r}. Update weight-init-client.")
    if not isinstance(shape, list) or not all(isinstance(length, int) and length >= 0 for length in shape):
        raise InvalidAnswer(f"Expected a list of dimensions as `shape`; received {shape!r}. Update weight-init-client.")
    nbytes = math.prod(shape) * WIRE_DTYPES[dtype].itemsize
    announced = headers.get("Content-Length", str(nbytes))  # a proxy may have removed it
    if announced != str(nbytes):
        raise InvalidAnswer(f"Expected {nbytes} bytes for the shape {shape}; received a Content-Length of {announced}. Check the proxy.")
    return nbytes


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises InvalidAnswer."""
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InvalidAnswer(f"Expected a JSON object; received {_excerpt(text)}. Check that the URL points to a weight-init service.")
    return content


def parse_rows(body: bytes, name: str) -> list[dict[str, Any]]:
    """Return the list called `name` in a JSON object. Raises InvalidAnswer."""
    rows = parse_object(body).get(name)
    if not isinstance(rows, list):
        raise InvalidAnswer(f"Expected a list of {name}; received {_excerpt(body)}. Check that the URL points to a weight-init service.")
    return rows


def parse_problem(head: ResponseHead, body: bytes) -> ProblemError:
    """Return the error that a response with a status other than 200 and 206 describes."""
    media_type = head.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    content = _parse_problem_body(body) if media_type == _PROBLEM else {}
    title = str(content.get("title", _phrase(head.status)))
    return ProblemError(
        str(content.get("detail", title)) if content else _unexpected_response_detail(head.status, media_type, body),
        status=head.status,
        title=title,
        errors=[_field_error(row) for row in content.get("errors", []) if isinstance(row, dict)],
        retry_after_s=_retry_after_s(head),
    )


def _parse_problem_body(body: bytes) -> dict[str, Any]:
    try:
        return parse_object(body)
    except InvalidAnswer:
        return {}


def _unexpected_response_detail(status: int, media_type: str, body: bytes) -> str:
    """Describe a response that comes from a proxy or another service."""
    return (
        f"Expected a response from weight-init; received {status} {_phrase(status)} with {_excerpt(body)}"
        f" ({media_type or 'no content type'}). Check the URL, and the proxy if there is one."
    )


def _field_error(row: Mapping[str, Any]) -> FieldError:
    return FieldError(*(str(row.get(name, "")) for name in ("field", "expected", "received", "action")))


def _retry_after_s(head: ResponseHead) -> int | None:
    if head.status not in _BUSY:
        return None
    text = head.headers.get("Retry-After", "")
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else _DEFAULT_RETRY_AFTER_S


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown Status"


def _excerpt(text: str | bytes, max_length: int = 80) -> str:
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return repr(shown if len(shown) <= max_length else f"{shown[:max_length]}…")
