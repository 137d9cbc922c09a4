"""What comes back: answers from their status, headers and bytes, apart from the receiving of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import numpy as np

from weight_init.dtypes import WIRE_DTYPES, values_of
from weight_init.errors import ConnectionFailed, FieldError, InvalidAnswer, ProblemError
from weight_init.weights import Weights

Headers = Mapping[str, str]  # found whatever the case of their names

_PROBLEM = "application/problem+json"


class IncomingWeights:
    """A tensor while its bytes arrive, by whatever way: memory for all of it from the start, and no second copy."""

    def __init__(self, headers: Headers) -> None:
        """Read the announcement. Raises InvalidAnswer."""
        self._metadata = metadata_in(headers)
        self._buffer = np.empty(_announced_nbytes(self._metadata, headers), np.uint8)
        self._filled = 0

    def add(self, part: bytes) -> None:
        """Put the next bytes in their place. Raises InvalidAnswer when they are more than announced."""
        stop = self._filled + len(part)
        if stop > self._buffer.nbytes:
            raise InvalidAnswer(f"Expected {self._buffer.nbytes} bytes, as announced; received more. Check the proxy if there is one.")
        self._buffer[self._filled : stop] = np.frombuffer(part, np.uint8)
        self._filled = stop

    def complete(self) -> Weights:
        """The tensor. Raises ConnectionFailed when fewer bytes came than announced."""
        if self._filled < self._buffer.nbytes:
            raise ConnectionFailed(f"Expected {self._buffer.nbytes} bytes, as announced; received {self._filled}. Ask again.")
        values = values_of(self._buffer, self._metadata["dtype"])
        return Weights(values.reshape(self._metadata["shape"]), self._metadata)


def metadata_in(headers: Headers) -> dict[str, Any]:
    """The metadata of a tensor, from the header Weight-Init. Raises InvalidAnswer."""
    text = headers.get("Weight-Init")
    if text is None:
        raise InvalidAnswer("Expected the header Weight-Init; received none. Is the URL that of a weight-init service?")
    return json_object(text)


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


def problem_in(status: int, headers: Headers, body: bytes) -> ProblemError:
    """The error that an answer of another status than 200 tells of."""
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    try:
        content = json_object(body) if media_type == _PROBLEM else None
    except InvalidAnswer:
        content = None
    return _foreign_problem(status, media_type, body) if content is None else _problem(status, content)


def _problem(status: int, content: Mapping[str, Any]) -> ProblemError:
    title = str(content.get("title", _phrase(status)))
    errors = [_field_error(row) for row in content.get("errors", []) if isinstance(row, dict)]
    return ProblemError(status, title, str(content.get("detail", title)), errors)


def _field_error(row: Mapping[str, Any]) -> FieldError:
    return FieldError(*(str(row.get(name, "")) for name in ("field", "expected", "received", "action")))


def _foreign_problem(status: int, media_type: str, body: bytes) -> ProblemError:
    """A proxy's own page, or another service's."""
    detail = (
        f"Expected an answer of weight-init; received {status} {_phrase(status)} with {_beginning(body)} ({media_type or 'no type'})."
        " Check the URL, and the proxy if there is one."
    )
    return ProblemError(status, _phrase(status), detail)


def _announced_nbytes(metadata: Mapping[str, Any], headers: Headers) -> int:
    """The bytes to come, as metadata and Content-Length say in agreement; a proxy may have left out the latter."""
    dtype = str(metadata.get("dtype"))
    if dtype not in WIRE_DTYPES:
        raise InvalidAnswer(f"Expected a dtype among {', '.join(WIRE_DTYPES)}; received {dtype!r}. Update weight-init-client.")
    nbytes: int = math.prod(metadata["shape"]) * WIRE_DTYPES[dtype].itemsize
    announced = headers.get("Content-Length", str(nbytes))
    if announced != str(nbytes):
        raise InvalidAnswer(f"Expected {nbytes} bytes of the shape {metadata['shape']}; received {announced} of them. Check the proxy.")
    return nbytes


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown Status"


def _beginning(text: str | bytes, longest: int = 80) -> str:
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return repr(shown if len(shown) <= longest else f"{shown[:longest]}…")
