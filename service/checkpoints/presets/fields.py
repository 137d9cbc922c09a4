"""The fields of a config.json, a row each: kind, domain, default, and how to read one from JSON or from text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.core.errors import InvalidValue
from service.core.parameters import as_integer

Config = Mapping[str, Any]
Derive = Callable[[Config], Any]

MAX_INTEGER = 2**31
MAX_NUMBER = 10**6
MAX_ITEMS = 256  # of a list; no field needs more, and a manifest has at most a thousand rules
_MAX_TEXT = 256

_NOTHING = ("none", "null", "")


class Kind(StrEnum):
    """The type of a field."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    CHOICE = "choice"
    INTEGERS = "integers"  # a list
    INTEGER_OR_PAIR = "integer or pair"  # the length of a square, or its height and width


@dataclass(frozen=True)
class Field:
    """A field of a config.json. The default is `default`, or what `derive` makes of the fields before it.

    A field is `optional` if null is one of its values.
    """

    name: str
    default: Any
    summary: str
    kind: Kind = Kind.INTEGER
    minimum: int = 1
    choices: tuple[str, ...] = ()
    derive: Derive | None = None
    optional: bool = False

    @property
    def domain(self) -> str:
        """The allowed values, in words."""
        integer = f"an integer from {self.minimum} to 2^31"
        words = {
            Kind.INTEGER: integer,
            Kind.NUMBER: f"a number from {self.minimum} to 10^6",
            Kind.BOOLEAN: "true or false",
            Kind.TEXT: f"a printable text of at most {_MAX_TEXT} characters",
            Kind.CHOICE: f"one of {', '.join(self.choices)}",
            Kind.INTEGERS: f"a list of 1 to {MAX_ITEMS} integers from {self.minimum} to 2^31",
            Kind.INTEGER_OR_PAIR: f"{integer}, or a list of two",
        }[self.kind]
        return f"{words}, or null" if self.optional else words

    def read(self, value: object) -> Any:
        """Return a value of JSON, or None for null. Raises InvalidValue."""
        if value is None and (self.optional or self.derive is not None):
            return None
        if not self._is_valid(given := _integers(value)):
            raise self.invalid(value)
        return float(given) if self.kind is Kind.NUMBER else given

    def read_text(self, text: str) -> Any:
        """Return the value of a text, as in a query. Raises InvalidValue."""
        return self.read(self._parsed(text))

    def invalid(self, value: object) -> InvalidValue:
        """Return the error for a value outside the domain."""
        return InvalidValue(self.name, expected=self.domain, received=value, action=f"{self.name} is {self.summary}.")

    def _is_valid(self, value: object) -> bool:
        match self.kind:
            case Kind.INTEGER:
                return self._is_integer(value)
            case Kind.NUMBER:
                return isinstance(value, int | float) and not isinstance(value, bool) and self.minimum <= value <= MAX_NUMBER
            case Kind.BOOLEAN:
                return isinstance(value, bool)
            case Kind.TEXT:
                return isinstance(value, str) and len(value) <= _MAX_TEXT and value.isprintable()
            case Kind.CHOICE:
                return value in self.choices
            case Kind.INTEGERS:
                return isinstance(value, tuple) and 1 <= len(value) <= MAX_ITEMS and all(map(self._is_integer, value))
        return self._is_integer(value) or (isinstance(value, tuple) and len(value) == 2 and all(map(self._is_integer, value)))

    def _is_integer(self, value: object) -> bool:
        return type(value) is int and self.minimum <= value <= MAX_INTEGER

    def _parsed(self, text: str) -> object:
        """Return the value that a text stands for, or the text itself if it stands for none of this kind."""
        if text.strip().casefold() in _NOTHING and (self.optional or self.derive is not None):
            return None
        if self.kind in (Kind.TEXT, Kind.CHOICE):
            return text
        inner = text.strip()
        bracketed = inner[:1] + inner[-1:] in ("[]", "()")
        try:
            if bracketed or "," in inner:
                return json.loads(f"[{inner.strip('()[]').rstrip(', ')}]")
            return json.loads(inner.casefold())
        except (ValueError, RecursionError):
            return text


def _integers(value: object) -> Any:
    """Return 4.0 as 4, as some languages write it, and a list as a tuple."""
    return tuple(map(as_integer, value)) if isinstance(value, list | tuple) else as_integer(value)
