"""Bodies while they arrive, by whatever way and in parts of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from weight_init.answer import Head, announced_nbytes, metadata_in
from weight_init.dtypes import values_of
from weight_init.errors import ConnectionFailed, InvalidAnswer
from weight_init.weights import Weights

T = TypeVar("T")
Result = TypeVar("Result", covariant=True)


class Incoming(Protocol[Result]):
    """A body to be: `begin` once, or anew where a body could not be resumed, `add` each part, `complete`."""

    def begin(self, head: Head) -> None:
        """Read what is announced, and forget what came before. Raises InvalidAnswer."""

    def add(self, part: bytes) -> None:
        """Put the next bytes in their place. Raises InvalidAnswer when they are more than announced."""

    def complete(self) -> Result:
        """What the body says. Raises ConnectionFailed when it is shorter than announced."""


class IncomingWeights:
    """A tensor: memory for all of it from the start, and no second copy."""

    _metadata: dict[str, Any]
    _buffer: npt.NDArray[np.uint8]

    def begin(self, head: Head) -> None:
        """Make room."""
        self._metadata = metadata_in(head.headers)
        self._buffer = np.empty(announced_nbytes(self._metadata, head.headers), np.uint8)
        self._bytes, self._filled = self._buffer.data, 0

    def add(self, part: bytes) -> None:
        """Copy it to its place."""
        stop = self._filled + len(part)
        _check_room(stop, len(self._bytes))
        self._bytes[self._filled : stop] = part
        self._filled = stop

    def complete(self) -> Weights:
        """The array, which owns the memory."""
        _check_length(self._filled, len(self._bytes))
        values = values_of(self._buffer, self._metadata["dtype"])
        return Weights(values.reshape(self._metadata["shape"]), self._metadata)


class IncomingFile:
    """A tensor in a file, in whatever format; its result is the metadata."""

    _metadata: dict[str, Any]

    def __init__(self, file: BinaryIO) -> None:
        """`file` is empty, and is written from its start."""
        self._file = file

    def begin(self, head: Head) -> None:
        """Empty the file."""
        self._metadata = metadata_in(head.headers)
        announced = head.headers.get("Content-Length")
        if announced is None and "Transfer-Encoding" not in head.headers:
            raise InvalidAnswer("Expected to be told where the file ends; received no Content-Length. Check the proxy if there is one.")
        self._announced = None if announced is None else int(announced)
        self._file.seek(0)
        self._file.truncate()

    def add(self, part: bytes) -> None:
        """Write it."""
        self._file.write(part)

    def complete(self) -> dict[str, Any]:
        """The metadata of the tensor."""
        if self._announced is not None:  # otherwise the encoding has told of the end
            _check_room(self._file.tell(), self._announced)
            _check_length(self._file.tell(), self._announced)
        return self._metadata


class IncomingDocument(Generic[T]):
    """Something small: JSON."""

    def __init__(self, parse: Callable[[bytes], T]) -> None:
        """`parse` reads the whole body."""
        self._parse = parse

    def begin(self, _: Head) -> None:
        """Nothing is announced."""
        self._body = bytearray()

    def add(self, part: bytes) -> None:
        """Keep it."""
        self._body += part

    def complete(self) -> T:
        """Read it."""
        return self._parse(bytes(self._body))


def _check_room(received: int, announced: int) -> None:
    if received > announced:
        raise InvalidAnswer(f"Expected {announced} bytes, as announced; received more. Check the proxy if there is one.")


def _check_length(received: int, announced: int) -> None:
    if received < announced:
        raise ConnectionFailed(f"Expected {announced} bytes, as announced; received {received}. Ask again.")
