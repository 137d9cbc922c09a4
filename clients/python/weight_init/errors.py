"""What can go wrong.

WeightInitError
├── ProblemError       the service refused the request, and says why
├── ConnectionFailed   no answer, or only the beginning of one
│   └── TimedOut       nothing came for too long
└── InvalidAnswer      an answer that is not one of weight-init
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of a request. `field` is its place, with dots between levels."""

    field: str
    expected: str
    received: str
    action: str


class WeightInitError(Exception):
    """Any failure to get what was asked for. Its text is `detail`.

    `status` is that of HTTP, 0 where no answer came; `title` says it in two or three words. `errors` has an entry for each field
    at fault, and is empty where none is.
    """

    def __init__(self, detail: str, *, status: int = 0, title: str = "No Answer", errors: Sequence[FieldError] = ()) -> None:
        """`detail`: what was expected, what was received and what to do."""
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = list(errors)


class ProblemError(WeightInitError):
    """The service, or something before it, refused the request.

    `retry_after_s`: when it is busy (503) or asked too often (429), the seconds after which it may be asked again; else None.
    """

    def __init__(
        self, detail: str, *, status: int = 0, title: str = "", errors: Sequence[FieldError] = (), retry_after_s: int | None = None
    ) -> None:
        """From the fields of the answer."""
        super().__init__(detail, status=status, title=title, errors=errors)
        self.retry_after_s = retry_after_s


class ConnectionFailed(WeightInitError):
    """No answer came, or the connection broke before all of it had come. To ask again is safe."""


class TimedOut(ConnectionFailed):
    """The service could not be reached in time, or sent nothing for so long. It was asked once."""


class InvalidAnswer(WeightInitError):
    """What answered is not a weight-init service, or speaks a later version of it."""

    def __init__(self, detail: str, *, status: int = 200) -> None:
        """Of an answer that seemed to be one."""
        super().__init__(detail, status=status, title="Invalid Answer")
