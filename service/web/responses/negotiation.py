"""Content negotiation: the format that an Accept header prefers (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from service.files.formats import DEFAULT_FORMAT, FORMATS, Format
from service.web.problems import HttpProblem


@dataclass(frozen=True)
class _MediaRange:
    media_type: str
    quality: float

    def matches(self, media_type: str) -> bool:
        kind, _, subtype = self.media_type.partition("/")
        return self.media_type in ("*/*", media_type) or (subtype == "*" and media_type.startswith(f"{kind}/"))

    @property
    def specificity(self) -> int:
        return 0 if self.media_type == "*/*" else 1 if self.media_type.endswith("/*") else 2


@lru_cache(maxsize=256)  # a client sends the same header with every request
def accepted_format(accept: str | None) -> Format:
    """Return the format that `accept` prefers. A tie goes to the default, then to the first in the table. Raises HttpProblem 406."""
    ranges = [_media_range(item) for item in (accept or "").split(",") if item.strip()] or [_MediaRange("*/*", 1.0)]
    best = max(FORMATS.values(), key=lambda row: (_quality(row, ranges), row is DEFAULT_FORMAT))
    if _quality(best, ranges) <= 0:
        raise HttpProblem(
            HTTPStatus.NOT_ACCEPTABLE,
            f"Accept: expected one of {', '.join(row.media_type for row in FORMATS.values())}; received {accept!r}."
            " Send Accept: */*, or set the field `format`.",
        )
    return best


def _quality(row: Format, ranges: list[_MediaRange]) -> float:
    """Return the quality of the most specific range that matches, or 0. The other names of a format must match exactly."""
    matching = [item for item in ranges if item.matches(row.media_type) or item.media_type in row.also_accepts]
    return max(matching, key=lambda item: item.specificity).quality if matching else 0.0


def _media_range(item: str) -> _MediaRange:
    media_type, *parameters = (part.strip() for part in item.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().casefold() == "q":
            quality = _quality_value(value.strip())
    return _MediaRange(media_type.casefold(), quality)


def _quality_value(text: str) -> float:
    """Return a quality from 0 to 1. An invalid one counts as 0, so that it selects nothing."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= 1 else 0.0
