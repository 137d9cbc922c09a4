"""What comes back: answers from their status, headers and bytes, apart from the receiving of them."""

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
class Head:
    """The beginning of an answer. Headers are found whatever the case of their names."""

    status: int
    headers: Mapping[str, str]

    @property
    def lasting_etag(self) -> str | None:
        """The tag by which the rest of the body can be asked for, if it can."""
        etag = self.headers.get("ETag", "")
        return etag if etag.startswith('"') and self.headers.get("Accept-Ranges") == "bytes" else None

    def is_rest(self, start: int, etag: str) -> bool:
        """Whether the body is that with this tag, from byte `start` on."""
        begins_there = self.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        return self.status == HTTPStatus.PARTIAL_CONTENT and begins_there and self.headers.get("ETag") == etag


def metadata_in(headers: Mapping[str, str]) -> dict[str, Any]:
    """The metadata of a tensor, from the header Weight-Init. Raises InvalidAnswer."""
    text = headers.get("Weight-Init")
    if text is None:
        raise InvalidAnswer("Expected the header Weight-Init; received none. Is the URL that of a weight-init service?")
    return json_object(text)


def announced_nbytes(metadata: Mapping[str, Any], headers: Mapping[str, str]) -> int:
    """The bytes of a tensor, as metadata and Content-Length agree; a proxy may have left out the latter. Raises InvalidAnswer."""
    dtype, shape = str(metadata.get("dtype")), metadata.get("shape")
    if dtype not in WIRE_DTYPES:
        raise InvalidAnswer(f"Expected a dtype among {', '.join(WIRE_DTYPES)}; received {dtype!r}. Update weight-init-client.")
    if not isinstance(shape, list) or not all(isinstance(length, int) and length >= 0 for length in shape):
        raise InvalidAnswer(f"Expected the lengths of the dimensions as `shape`; received {shape!r}. Update weight-init-client.")
    nbytes = math.prod(shape) * WIRE_DTYPES[dtype].itemsize
    announced = headers.get("Content-Length", str(nbytes))
    if announced != str(nbytes):
        raise InvalidAnswer(f"Expected {nbytes} bytes of the shape {shape}; received {announced} of them. Check the proxy.")
    return nbytes


def json_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object. Raises InvalidAnswer."""
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InvalidAnswer(f"Expected a JSON object; received {_beginning(text)}. Is the URL that of a weight-init service?")
    return content


def rows_in(body: bytes, name: str) -> list[dict[str, Any]]:
    """The list of that name in a JSON object. Raises InvalidAnswer."""
    rows = json_object(body).get(name)
    if not isinstance(rows, list):
        raise InvalidAnswer(f"Expected a list of {name}; received {_beginning(body)}. Is the URL that of a weight-init service?")
    return rows


def problem_in(head: Head, body: bytes) -> ProblemError:
    """The error that an answer of another status than 200 and 206 tells of."""
    media_type = head.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    content = _problem_object(body) if media_type == _PROBLEM else {}
    title = str(content.get("title", _phrase(head.status)))
    return ProblemError(
        str(content.get("detail", title)) if content else _foreign(head.status, media_type, body),
        status=head.status,
        title=title,
        errors=[_field_error(row) for row in content.get("errors", []) if isinstance(row, dict)],
        retry_after_s=_retry_after_s(head),
    )


def _problem_object(body: bytes) -> dict[str, Any]:
    try:
        return json_object(body)
    except InvalidAnswer:
        return {}


def _foreign(status: int, media_type: str, body: bytes) -> str:
    """What to say of a proxy's own page, or another service's."""
    return (
        f"Expected an answer of weight-init; received {status} {_phrase(status)} with {_beginning(body)} ({media_type or 'no type'})."
        " Check the URL, and the proxy if there is one."
    )


def _field_error(row: Mapping[str, Any]) -> FieldError:
    return FieldError(*(str(row.get(name, "")) for name in ("field", "expected", "received", "action")))


def _retry_after_s(head: Head) -> int | None:
    if head.status not in _BUSY:
        return None
    text = head.headers.get("Retry-After", "")
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else _DEFAULT_RETRY_AFTER_S


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown Status"


def _beginning(text: str | bytes, longest: int = 80) -> str:
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return repr(shown if len(shown) <= longest else f"{shown[:longest]}…")
