"""What can be wrong with a request, said so that a person can mend it.

    InitError
    ├── InvalidValue      a value outside its domain, or a field that does not fit the others
    ├── UnknownName       a scheme, an activation or a parameter that nobody knows
    ├── Unsupported       each value is fine, but this combination has no answer
    └── TooLarge          more than a limit allows, found before anything is allocated

Every error names the field, what was expected, what was received and what to do. None of them knows of status codes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InitError(ValueError):
    """A request that cannot be answered. `field` is its place, dots between levels: `scheme.stddev`."""

    def __init__(self, field: str, *, expected: str, received: object, action: str) -> None:
        self.field = field
        self.expected = expected
        self.received = _shown(received)
        self.action = action
        super().__init__(f"{field}: expected {expected}; received {self.received}. {action}")


class InvalidValue(InitError):
    """A value outside its domain, or a field that does not fit the others."""


class UnknownName(InitError):
    """A scheme, an activation or a parameter that nobody knows."""


class Unsupported(InitError):
    """Each value is fine, but this combination has no answer."""


class TooLarge(InitError):
    """More than a limit allows. Raised before anything is allocated."""


def unknown_name(field: str, received: str, known: Iterable[str], *, kind: str, listed: Iterable[str] | None = None) -> UnknownName:
    """The error for a name that is not among `known`: the nearest of them, or, where none is near, all (or those `listed`).

    >>> print(unknown_name("scheme", "he_norml", ["zeros", "he_normal"], kind="scheme"))
    scheme: expected the name of a scheme; received 'he_norml'. Did you mean 'he_normal'?
    """
    names = list(known)
    near = difflib.get_close_matches(received, names, n=3, cutoff=0.6)
    action = f"Did you mean {_either(near)}?" if near else f"Known: {', '.join(listed or sorted(names))}."
    return UnknownName(field, expected=f"the name of {_article(kind)} {kind}", received=received, action=action)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _either(names: list[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def _shown(value: object, longest: int = 120) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
