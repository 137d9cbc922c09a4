"""A file that is computed where it is read: segments of known length, one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Protocol

import numpy as np

from service.core.tensors.tensor import VirtualTensor

Buffer = bytes | memoryview


class Segment(Protocol):
    """Bytes of a known number, of which any range can be read alone."""

    @property
    def nbytes(self) -> int:
        """How many bytes there are."""

    def read(self, start: int, stop: int) -> Buffer:
        """Bytes `start` to `stop`."""


@dataclass(frozen=True)
class Literal:
    """Bytes that are written down: a header."""

    data: bytes

    @property
    def nbytes(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def read(self, start: int, stop: int) -> Buffer:
        """Bytes `start` to `stop`."""
        return self.data[start:stop]


@dataclass(frozen=True)
class TensorBytes:
    """The elements of a tensor in C order, little-endian."""

    tensor: VirtualTensor

    @property
    def nbytes(self) -> int:
        """How many bytes there are."""
        return self.tensor.nbytes

    def read(self, start: int, stop: int) -> Buffer:
        """Bytes `start` to `stop`; they may begin and end inside an element."""
        if start == stop:
            return b""
        itemsize = self.tensor.dtype.itemsize
        first, last = start // itemsize, -(-stop // itemsize)
        content = self.tensor.read(first, last).view(np.uint8).data
        return content[start - first * itemsize : stop - first * itemsize]


@dataclass(frozen=True)
class VirtualFile:
    """A file of segments. Its length is known before anything is computed."""

    segments: Sequence[Segment]

    @cached_property
    def _offsets(self) -> list[int]:
        """Where each segment begins, and where the file ends."""
        return list(accumulate((segment.nbytes for segment in self.segments), initial=0))

    @property
    def nbytes(self) -> int:
        """The length of the file."""
        return self._offsets[-1]

    def read(self, start: int = 0, stop: int | None = None) -> Buffer:
        """Bytes `start` to `stop`, as if the file were there. Raises IndexError outside it."""
        stop = self.nbytes if stop is None else stop
        if not 0 <= start <= stop <= self.nbytes:
            raise IndexError(f"expected 0 <= start <= stop <= {self.nbytes}; received {start}, {stop}")
        parts = list(self._parts(start, stop))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _parts(self, start: int, stop: int) -> Iterator[Buffer]:
        index = bisect_right(self._offsets, start) - 1  # bisection, because a checkpoint has thousands of segments
        while index < len(self.segments) and self._offsets[index] < stop:
            begin, end = self._offsets[index], self._offsets[index + 1]
            if begin < end:
                yield self.segments[index].read(max(start, begin) - begin, min(stop, end) - begin)
            index += 1


def block_ranges(start: int, stop: int, block_bytes: int) -> Iterator[tuple[int, int]]:
    """The ranges that part [start, stop) into blocks; all but the first begin at a multiple of `block_bytes`."""
    while start < stop:
        end = min(stop, (start // block_bytes + 1) * block_bytes)
        yield start, end
        start = end


def merged(parts: Iterator[Buffer], block_bytes: int) -> Iterator[Buffer]:
    """The same bytes in blocks of at least `block_bytes`, but for the last."""
    held: list[Buffer] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= block_bytes:
            yield b"".join(held)
            held = []
    if held:
        yield b"".join(held)
