"""Which bytes a Range header asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re
from http import HTTPStatus

from service.web.problems import HttpProblem

_SINGLE = re.compile(r"bytes=(\d{0,20})-(\d{0,20})", re.ASCII | re.IGNORECASE)


def requested_range(header: str | None, nbytes: int) -> tuple[int, int] | None:
    """The bytes [start, stop) of a file of `nbytes`; None for the whole file, also where the header cannot be read.

    Several ranges at once are answered with the whole, as the RFC allows. Raises HttpProblem 416 when the range begins
    behind the end.
    """
    match = _SINGLE.fullmatch((header or "").replace(" ", ""))
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":
        start, stop = max(0, nbytes - int(last)), nbytes
    else:
        start, stop = int(first), min(nbytes, int(last) + 1) if last else nbytes
        if last and int(last) < start:
            return None
    if start >= stop:
        raise HttpProblem(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"Range: expected a range within the {nbytes} bytes of the file; received {header!r}. Ask for bytes=0-{nbytes - 1} or less.",
            {"Content-Range": f"bytes */{nbytes}"},
        )
    return start, stop
