"""What can go wrong.

WeightInitError
├── ProblemError       the service refused the request, and says why
├── ConnectionFailed   no answer, or only the beginning of one
└── InvalidAnswer      an answer that is not one of weight-init
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class WeightInitError(Exception):
    """Any failure to get what was asked for."""


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of a request. `field` is its place, with dots between levels."""

    field: str
    expected: str
    received: str
    action: str


class ProblemError(WeightInitError):
    """The service, or something before it, refused the request. Its text is `detail`.

    `status` and `title` are those of HTTP; `errors` has an entry for each field at fault and may be empty.
    """

    def __init__(self, status: int, title: str, detail: str, errors: Sequence[FieldError] = ()) -> None:
        """From the fields of the answer."""
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = list(errors)
        super().__init__(status, title, detail, self.errors)  # all of them, so that it can be pickled

    def __str__(self) -> str:
        """What was expected, what was received and what to do."""
        return self.detail


class ConnectionFailed(WeightInitError):
    """No answer came, or the connection broke before all of it had come. To ask again is safe."""


class InvalidAnswer(WeightInitError):
    """What answered is not a weight-init service, or speaks a later version of it."""
