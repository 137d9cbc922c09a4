"""The errors of a request, worded for the person who has to fix it.

    InitError
    ├── InvalidValue      a value outside its domain, or a field that conflicts with another
    ├── UnknownName       an unknown name, such as that of a scheme or a dtype
    ├── Unsupported       valid values in a combination that has no answer
    └── TooLarge          a request above a limit, found before anything is allocated

Every error names the field, what was expected, what was received and what to do. HTTP status codes are left to the caller.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Self


class InitError(ValueError):
    """A request that cannot be answered. `field` is the path of the wrong field, with dots between levels: `scheme.stddev`."""

    def __init__(self, field: str, *, expected: str, received: object, action: str) -> None:
        self.field = field
        self.expected = expected
        self.received = _shortened(received)
        self.action = action
        super().__init__(f"{field}: expected {expected}; received {self.received}. {action}")

    def within(self, place: str) -> Self:
        """Return the same error for a field of an object that stands at `place`, such as `tensors[3]`."""
        located = type(self).__new__(type(self))
        located.__dict__ |= vars(self)
        located.field = f"{place}.{self.field}"
        located.args = (f"{place}.{self}",)
        return located


class InvalidValue(InitError):
    """A value outside its domain, or a field that conflicts with another."""


class UnknownName(InitError):
    """An unknown name, such as that of a scheme or a dtype."""


class Unsupported(InitError):
    """Valid values in a combination that has no answer."""


class TooLarge(InitError):
    """A request above a limit. Raised before anything is allocated."""


class TooSlow(TooLarge):
    """A request whose computation would take too long, with the engine in use."""


class Busy(RuntimeError):
    """A valid request that has to wait until other work has ended."""


def unknown_name(
    field: str,
    received: str,
    known: Iterable[str],
    *,
    kind: str,
    listed: Iterable[str] | None = None,
    similarity: float = 0.7,
    key: Callable[[str], str] = str,
) -> UnknownName:
    """Return the error for a name that is not among `known`.

    It suggests the closest names whose keys are similar. If none is, it lists them all, or only those in `listed`. The similarity is
    the share of the characters that both have in common; below 0.7 it suggests names of another meaning.

    >>> print(unknown_name("scheme", "he_norml", ["zeros", "he_normal"], kind="scheme"))
    scheme: expected the name of a scheme; received 'he_norml'. Did you mean 'he_normal'?
    """
    names = list(known)
    by_key = {key(name): name for name in reversed(names)}
    closest = [by_key[match] for match in difflib.get_close_matches(key(received), by_key, n=3, cutoff=similarity)]
    action = f"Did you mean {_either(closest)}?" if closest else f"Known: {', '.join(listed or sorted(names))}."
    return UnknownName(field, expected=f"the name of {_article(kind)} {kind}", received=received, action=action)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _either(names: list[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def _shortened(value: object, max_length: int = 120) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= max_length else f"{text[:max_length]}… ({len(text)} characters)"
