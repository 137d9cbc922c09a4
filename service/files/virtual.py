"""A virtual file: segments of known length, one after the other. A part is computed when it is read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Protocol

import numpy as np
from typing_extensions import override

from service.core.tensors.tensor import VirtualTensor

Buffer = bytes | memoryview


class Segment(Protocol):
    """A part of a file whose length is known. Any range of it can be read alone."""

    @property
    def nbytes(self) -> int:
        """The length in bytes."""

    def read(self, start: int, stop: int) -> Buffer:
        """Return the bytes from `start` up to `stop`."""


@dataclass(frozen=True)
class Literal(Segment):
    """A segment of fixed bytes, such as a header."""

    data: bytes

    @property
    @override
    def nbytes(self) -> int:
        return len(self.data)

    @override
    def read(self, start: int, stop: int) -> Buffer:
        return self.data[start:stop]


@dataclass(frozen=True)
class TensorBytes(Segment):
    """The elements of a tensor, little-endian, in C order. A range may begin and end inside an element."""

    tensor: VirtualTensor

    @property
    @override
    def nbytes(self) -> int:
        return self.tensor.nbytes

    @override
    def read(self, start: int, stop: int) -> Buffer:
        if start == stop:
            return b""
        itemsize = self.tensor.dtype.itemsize
        first, last = start // itemsize, -(-stop // itemsize)
        content = self.tensor.read(first, last).view(np.uint8).data
        return content[start - first * itemsize : stop - first * itemsize]


@dataclass(frozen=True)
class VirtualFile:
    """A file made of segments. Its length is known before anything is computed."""

    segments: Sequence[Segment]

    @cached_property
    def _offsets(self) -> list[int]:
        """The offset of each segment, and then the length of the file."""
        return list(accumulate((segment.nbytes for segment in self.segments), initial=0))

    @property
    def nbytes(self) -> int:
        """The length of the file in bytes."""
        return self._offsets[-1]

    def read(self, start: int = 0, stop: int | None = None) -> Buffer:
        """Return the bytes from `start` up to `stop`. Raises IndexError if they are outside the file."""
        stop = self.nbytes if stop is None else stop
        if not 0 <= start <= stop <= self.nbytes:
            raise IndexError(f"expected 0 <= start <= stop <= {self.nbytes}; received {start}, {stop}")
        parts = list(self._parts(start, stop))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _parts(self, start: int, stop: int) -> Iterator[Buffer]:
        index = bisect_right(self._offsets, start) - 1  # a checkpoint has thousands of segments
        while index < len(self.segments) and self._offsets[index] < stop:
            begin, end = self._offsets[index], self._offsets[index + 1]
            if begin < end:
                yield self.segments[index].read(max(start, begin) - begin, min(stop, end) - begin)
            index += 1


def block_ranges(start: int, stop: int, block_bytes: int) -> Iterator[tuple[int, int]]:
    """Divide [start, stop) into blocks. All but the first begin at a multiple of `block_bytes`."""
    while start < stop:
        end = min(stop, (start // block_bytes + 1) * block_bytes)
        yield start, end
        start = end


def merged(parts: Iterator[Buffer], block_bytes: int) -> Iterator[Buffer]:
    """Join the parts into blocks of at least `block_bytes`. Only the last may be shorter."""
    pending: list[Buffer] = []
    for part in parts:
        pending.append(part)
        if sum(map(len, pending)) >= block_bytes:
            yield b"".join(pending)
            pending = []
    if pending:
        yield b"".join(pending)
