"""Range requests (RFC 9110, sections 14 and 15.3.7): the ranges of a Range header, and the body of the response."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from typing_extensions import override

from service.core.tensors.tensor import VirtualTensor
from service.files.virtual import Buffer, Literal, Segment, VirtualFile
from service.web.problems import HttpProblem

MAX_RANGES = 64

Range = tuple[int, int]

# 100 digits are more than any file needs, and few enough for int().
_RANGE = re.compile(r"(\d{1,100})-(\d{0,100})|-(\d{1,100})", re.ASCII)


@dataclass(frozen=True)
class Excerpt(Segment):
    """A segment: bytes `start` to `stop` of another file."""

    file: VirtualFile
    start: int
    stop: int

    @property
    @override
    def nbytes(self) -> int:
        return self.stop - self.start

    @override
    def read(self, start: int, stop: int) -> Buffer:
        return self.file.read(self.start + start, self.start + stop)

    @override
    def tensors_computed_whole(self, start: int, stop: int) -> Iterator[VirtualTensor]:
        return self.file.tensors_computed_whole(self.start + start, self.start + stop)


def requested_ranges(header: str | None, nbytes: int) -> list[Range]:
    """Return the ranges [start, stop) of a file of `nbytes` that a Range header requests; an empty list means the whole file.

    Ranges that overlap or touch are joined, so that no byte is sent twice. Otherwise they keep the order of the header. Those past the
    end are left out. An invalid header is ignored. So is one with more than MAX_RANGES ranges, which no downloader sends. Raises
    HttpProblem 416 if every range begins past the end.
    """
    unit, _, listed = (header or "").partition("=")
    items = [item.strip(" \t") for item in listed.split(",") if item.strip(" \t")]
    if unit.strip(" \t").casefold() != "bytes" or not 1 <= len(items) <= MAX_RANGES:
        return []
    ranges: list[Range] = []
    for item in items:
        part = _range_within(item, nbytes)
        if part is None:
            return []
        ranges.append(part)
    satisfiable = [(start, stop) for start, stop in ranges if start < stop]
    if not satisfiable:
        raise HttpProblem(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"Range: expected a range within the {nbytes} bytes of the file; received {header!r}. Request a part of bytes=0-{nbytes - 1}.",
            {"Content-Range": f"bytes */{nbytes}"},
        )
    return _joined(satisfiable)


def _range_within(item: str, nbytes: int) -> Range | None:
    """Return a range of a file of `nbytes`, empty if it begins past the end, or None if `item` is not a range."""
    match = _RANGE.fullmatch(item)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix:
        return max(0, nbytes - int(suffix)), nbytes
    if last and int(last) < int(first):
        return None
    return int(first), min(nbytes, int(last) + 1) if last else nbytes


def _joined(ranges: Sequence[Range]) -> list[Range]:
    """Join ranges that overlap or touch. The result takes the place of the first of them."""
    joined: list[Range] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return sorted(joined, key=lambda whole: next(at for at, part in enumerate(ranges) if whole[0] <= part[0] < whole[1]))


def partial_content(file: VirtualFile, ranges: Sequence[Range], *, media_type: str, boundary: str) -> tuple[VirtualFile, dict[str, str]]:
    """Return the body of a 206, itself a virtual file, and the headers that describe it.

    One range is sent as it is, several as multipart/byteranges. `boundary` must not occur in the file, and must be the same for the same
    file, so that the body is too: a hash that the file does not contain.
    """
    if len(ranges) == 1:
        headers = {"Content-Type": media_type, "Content-Range": _content_range(ranges[0], file)}
        return VirtualFile((Excerpt(file, *ranges[0]),)), headers
    segments: list[Segment] = []
    for part in ranges:
        head = f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {_content_range(part, file)}\r\n\r\n"
        segments += [Literal(head.encode("ascii")), Excerpt(file, *part), Literal(b"\r\n")]
    segments.append(Literal(f"--{boundary}--\r\n".encode("ascii")))
    return VirtualFile(tuple(segments)), {"Content-Type": f"multipart/byteranges; boundary={boundary}"}


def _content_range(part: Range, file: VirtualFile) -> str:
    return f"bytes {part[0]}-{part[1] - 1}/{file.nbytes}"
