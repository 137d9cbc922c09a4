"""Errors for fields of the wrong type. The core raises its own errors for values outside their domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from service.core.errors import InitError


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field. `field` is its path, with dots between levels."""

    field: str
    expected: str
    received: str
    action: str

    @classmethod
    def of(cls, error: InitError) -> Self:
        """Convert an error of the core."""
        return cls(error.field, error.expected, error.received, error.action)

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected}; received {self.received}. {self.action}"


class InvalidRequest(Exception):
    """A request with fields of the wrong type. `malformed`: it is not JSON."""

    def __init__(self, errors: list[FieldError], *, malformed: bool = False) -> None:
        self.errors = errors
        self.malformed = malformed
        super().__init__(" ".join(map(str, errors)))
