"""Which format an Accept header asks for (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from service.files.formats import DEFAULT_FORMAT, FORMATS, Format
from service.web.problems import HttpProblem


@dataclass(frozen=True)
class _Range:
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
    """The format that `accept` prefers; among equals the default, then the order of the table. Raises HttpProblem 406."""
    ranges = [_range(item) for item in (accept or "").split(",") if item.strip()] or [_Range("*/*", 1.0)]
    best = max(FORMATS.values(), key=lambda row: (_quality(row, ranges), row is DEFAULT_FORMAT))
    if _quality(best, ranges) <= 0:
        raise HttpProblem(
            HTTPStatus.NOT_ACCEPTABLE,
            f"Accept: expected one of {', '.join(row.media_type for row in FORMATS.values())}; received {accept!r}."
            " Send Accept: */*, or name the format in the field `format`.",
        )
    return best


def _quality(row: Format, ranges: list[_Range]) -> float:
    """The quality of the most specific range that matches; 0 when none does. Its other names count where they are named."""
    matching = [item for item in ranges if item.matches(row.media_type) or item.media_type in row.also_accepts]
    return max(matching, key=lambda item: item.specificity).quality if matching else 0.0


def _range(item: str) -> _Range:
    media_type, *parameters = (part.strip() for part in item.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().casefold() == "q":
            quality = _number(value.strip())
    return _Range(media_type.casefold(), quality)


def _number(text: str) -> float:
    """A quality, 0 to 1; what is not one counts as 0, so that it chooses nothing."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= 1 else 0.0
