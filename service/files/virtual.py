"""A virtual file: segments of known length, one after the other. A part is computed when it is read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Protocol

import numpy as np
from typing_extensions import override

from service.core.tensors.tensor import VirtualTensor

Buffer = bytes | memoryview
Part = tuple[int, int, int]  # the index of a segment, and where a part of it starts and stops


class Segment(Protocol):
    """A part of a file whose length is known. Any range of it can be read alone."""

    @property
    def nbytes(self) -> int:
        """The length in bytes."""

    def read(self, start: int, stop: int) -> Buffer:
        """Return the bytes from `start` up to `stop`."""

    def read_into(self, out: memoryview, start: int) -> None:
        """Fill `out` with the bytes from `start` on."""
        out[:] = self.read(start, start + len(out))

    def tensors_computed_whole(self, start: int, stop: int) -> Iterator[VirtualTensor]:
        """Yield the tensors with bytes between `start` and `stop` that are computed whole before any part of them can be read."""
        return iter(())


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

    @override
    def read_into(self, out: memoryview, start: int) -> None:
        itemsize = self.tensor.dtype.itemsize
        if start % itemsize or len(out) % itemsize:
            super().read_into(out, start)
        else:
            values = np.frombuffer(out, np.uint8).view(self.tensor.dtype.numpy)
            self.tensor.fill(values, start // itemsize)

    @override
    def tensors_computed_whole(self, start: int, stop: int) -> Iterator[VirtualTensor]:
        return iter(() if self.tensor.needs is None else (self.tensor,))


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
        return read_parts(list(parts_between(self._offsets, start, stop)), self.segments.__getitem__)

    def tensors_computed_whole(self, start: int, stop: int) -> Iterator[VirtualTensor]:
        """Yield the tensors with bytes between `start` and `stop` that are computed whole before any part of them can be read."""
        for index, begin, end in parts_between(self._offsets, start, stop):
            yield from self.segments[index].tensors_computed_whole(begin, end)


def read_parts(parts: Sequence[Part], segment: Callable[[int], Segment]) -> Buffer:
    """Return the parts of segments, one after the other. `segment` returns the one with an index."""
    if len(parts) == 1:
        index, begin, end = parts[0]
        return segment(index).read(begin, end)
    content = np.empty(sum(end - begin for _, begin, end in parts), np.uint8).data
    fill_with_parts(content, parts, segment)
    return content


def fill_with_parts(out: memoryview, parts: Iterable[Part], segment: Callable[[int], Segment]) -> None:
    """Fill `out` with the parts of segments, one after the other."""
    filled = 0
    for index, begin, end in parts:
        segment(index).read_into(out[filled : filled + end - begin], begin)
        filled += end - begin


def parts_between(offsets: Sequence[int], start: int, stop: int) -> Iterator[Part]:
    """Yield the index of each segment between `start` and `stop`, with the part of the segment. `offsets` ends with the length of all.

    >>> list(parts_between([0, 8, 8, 20], 4, 10))
    [(0, 4, 8), (2, 0, 2)]
    """
    index = bisect_right(offsets, start) - 1  # a checkpoint has thousands of segments
    while index < len(offsets) - 1 and offsets[index] < stop:
        begin, end = offsets[index], offsets[index + 1]
        if begin < end:
            yield index, max(start, begin) - begin, min(stop, end) - begin
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
