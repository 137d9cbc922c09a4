"""Receivers, which turn the body of a response into a result while it arrives, in parts of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from weight_init.dtypes import to_array
from weight_init.errors import ConnectionFailed, InvalidAnswer
from weight_init.response import ResponseHead, expected_nbytes, parse_metadata
from weight_init.weights import Weights

T = TypeVar("T")
Result = TypeVar("Result", covariant=True)


class Receiver(Protocol[Result]):
    """Receives one body: call `begin`, `add` for each part, then `complete`. Call `begin` again if the body starts over."""

    def begin(self, head: ResponseHead) -> None:
        """Read the headers and discard any earlier parts. Raises InvalidAnswer."""

    def add(self, part: bytes) -> None:
        """Append the next bytes. Raises InvalidAnswer if the body is longer than announced."""

    def complete(self) -> Result:
        """Return the result. Raises ConnectionFailed if the body is shorter than announced."""


class WeightsReceiver:
    """Receives a tensor into memory that is allocated once, without a second copy."""

    _metadata: dict[str, Any]
    _buffer: npt.NDArray[np.uint8]

    def begin(self, head: ResponseHead) -> None:
        """Allocate the array."""
        self._metadata = parse_metadata(head.headers)
        self._buffer = np.empty(expected_nbytes(self._metadata, head.headers), np.uint8)
        self._bytes, self._filled = self._buffer.data, 0

    def add(self, part: bytes) -> None:
        """Copy the part into the array."""
        stop = self._filled + len(part)
        _check_room(stop, len(self._bytes))
        self._bytes[self._filled : stop] = part
        self._filled = stop

    def complete(self) -> Weights:
        """Return the array, which owns its memory."""
        _check_length(self._filled, len(self._bytes))
        values = to_array(self._buffer, self._metadata["dtype"])
        return Weights(values.reshape(self._metadata["shape"]), self._metadata)


class FileReceiver:
    """Receives a tensor into a file, in any format. The result is the metadata."""

    _metadata: dict[str, Any]

    def __init__(self, file: BinaryIO) -> None:
        """`file` is an empty, writable file."""
        self._file = file

    def begin(self, head: ResponseHead) -> None:
        """Truncate the file."""
        self._metadata = parse_metadata(head.headers)
        announced = head.headers.get("Content-Length")
        if announced is None and "Transfer-Encoding" not in head.headers:
            raise InvalidAnswer("Expected Content-Length or Transfer-Encoding; received neither. Check the proxy if there is one.")
        self._announced = None if announced is None else int(announced)
        self._file.seek(0)
        self._file.truncate()

    def add(self, part: bytes) -> None:
        """Write the part to the file."""
        self._file.write(part)

    def complete(self) -> dict[str, Any]:
        """Return the tensor's metadata."""
        if self._announced is not None:  # otherwise the transfer encoding marks the end
            _check_room(self._file.tell(), self._announced)
            _check_length(self._file.tell(), self._announced)
        return self._metadata


class JsonReceiver(Generic[T]):
    """Receives a small body, such as JSON, and parses it."""

    def __init__(self, parse: Callable[[bytes], T]) -> None:
        """`parse` turns the complete body into the result."""
        self._parse = parse

    def begin(self, _: ResponseHead) -> None:
        """Discard any earlier parts."""
        self._body = bytearray()

    def add(self, part: bytes) -> None:
        """Append the part."""
        self._body += part

    def complete(self) -> T:
        """Parse the body."""
        return self._parse(bytes(self._body))


def _check_room(received: int, announced: int) -> None:
    if received > announced:
        raise InvalidAnswer(f"Expected {announced} bytes, as announced; received more. Check the proxy if there is one.")


def _check_length(received: int, announced: int) -> None:
    if received < announced:
        raise ConnectionFailed(f"Expected {announced} bytes, as announced; received {received}. Try again.")
