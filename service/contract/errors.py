"""Errors for fields of the wrong type. The core raises its own errors for values outside their domain."""

from __future__ import annotations

from typing_extensions import TypedDict

from service.core.errors import InitError


class FieldError(TypedDict):
    """What is wrong with one field. `field` is its path, with dots between levels."""

    field: str
    expected: str
    received: str
    action: str


def field_error(error: InitError) -> FieldError:
    """Convert an error of the core."""
    return {"field": error.field, "expected": error.expected, "received": error.received, "action": error.action}


class InvalidRequest(Exception):
    """A request with fields of the wrong type. `malformed`: it is not JSON."""

    def __init__(self, errors: list[FieldError], *, malformed: bool = False) -> None:
        self.errors = errors
        self.malformed = malformed
        super().__init__(" ".join("{field}: expected {expected}; received {received}. {action}".format(**error) for error in errors))
