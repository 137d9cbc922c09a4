"""Ranges of a file (RFC 9110, sections 14 and 15.3.7): which of them a request asks for, and the file that answers it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from service.files.virtual import Buffer, Literal, Segment, VirtualFile
from service.web.problems import HttpProblem

MAX_RANGES = 64

Range = tuple[int, int]

# more digits than any file needs, and few enough for int()
_RANGE = re.compile(r"(\d{1,100})-(\d{0,100})|-(\d{1,100})", re.ASCII)


@dataclass(frozen=True)
class Excerpt:
    """Bytes `start` to `stop` of another file, as a segment."""

    file: VirtualFile
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        """How many bytes there are."""
        return self.stop - self.start

    def read(self, start: int, stop: int) -> Buffer:
        """Bytes `start` to `stop` of the excerpt."""
        return self.file.read(self.start + start, self.start + stop)


def requested_ranges(header: str | None, nbytes: int) -> list[Range]:
    """The ranges [start, stop) of a file of `nbytes` that a Range header asks for; none for the whole file.

    Ranges that overlap or touch become one, so that no byte is sent twice; otherwise they are answered in the order in which
    they were asked for. Those behind the end are left out. A header that cannot be read is ignored, and so is one of more than
    MAX_RANGES ranges, which no downloader sends. Raises HttpProblem 416 when every range begins behind the end.
    """
    unit, _, listed = (header or "").partition("=")
    items = [item.strip(" \t") for item in listed.split(",") if item.strip(" \t")]
    if unit.strip(" \t").casefold() != "bytes" or not 1 <= len(items) <= MAX_RANGES:
        return []
    ranges: list[Range] = []
    for item in items:
        found = _within(item, nbytes)
        if found is None:
            return []
        ranges.append(found)
    satisfiable = [(start, stop) for start, stop in ranges if start < stop]
    if not satisfiable:
        raise HttpProblem(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"Range: expected a range within the {nbytes} bytes of the file; received {header!r}. Ask for bytes=0-{nbytes - 1} or less.",
            {"Content-Range": f"bytes */{nbytes}"},
        )
    return _coalesced(satisfiable)


def _within(item: str, nbytes: int) -> Range | None:
    """What a range comes to in a file of `nbytes`, empty when it begins behind the end; None when it is not a range."""
    match = _RANGE.fullmatch(item)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix:
        return max(0, nbytes - int(suffix)), nbytes
    if last and int(last) < int(first):
        return None
    return int(first), min(nbytes, int(last) + 1) if last else nbytes


def _coalesced(ranges: Sequence[Range]) -> list[Range]:
    """The same bytes, each once: ranges that overlap or touch are joined, and stand where the first of them stood."""
    joined: list[Range] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return sorted(joined, key=lambda whole: next(at for at, part in enumerate(ranges) if whole[0] <= part[0] < whole[1]))


def partial_content(file: VirtualFile, ranges: Sequence[Range], *, media_type: str, boundary: str) -> tuple[VirtualFile, dict[str, str]]:
    """The body of a 206, itself a virtual file, and the headers that describe it.

    One range is its bytes; several are multipart/byteranges. `boundary` must not occur in the file: a hash that it cannot
    know, and that is the same for the same file, so that the body is too.
    """
    if len(ranges) == 1:
        described = {"Content-Type": media_type, "Content-Range": _content_range(ranges[0], file)}
        return VirtualFile((Excerpt(file, *ranges[0]),)), described
    segments: list[Segment] = []
    for part in ranges:
        head = f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {_content_range(part, file)}\r\n\r\n"
        segments += [Literal(head.encode("ascii")), Excerpt(file, *part), Literal(b"\r\n")]
    segments.append(Literal(f"--{boundary}--\r\n".encode("ascii")))
    return VirtualFile(tuple(segments)), {"Content-Type": f"multipart/byteranges; boundary={boundary}"}


def _content_range(part: Range, file: VirtualFile) -> str:
    return f"bytes {part[0]}-{part[1] - 1}/{file.nbytes}"
