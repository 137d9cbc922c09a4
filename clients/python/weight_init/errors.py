"""The errors of the client.

WeightInitError
├── ProblemError       the service refused the request and says why
├── ConnectionFailed   no response, or an incomplete one
│   └── TimedOut       no data arrived within the timeout
└── InvalidAnswer      a response that does not come from weight-init
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """An error in one field of a request. `field` is its path, with dots between levels."""

    field: str
    expected: str
    received: str
    action: str


class WeightInitError(Exception):
    """The base of all errors. Its message is `detail`.

    `status` is the HTTP status, or 0 if no response arrived. `title` sums up the error in two or three words. `errors` has an entry
    for each field at fault; it is empty if no field is.
    """

    def __init__(self, detail: str, *, status: int = 0, title: str = "No Answer", errors: Sequence[FieldError] = ()) -> None:
        """`detail` says what was expected, what was received and what to do."""
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = list(errors)


class ProblemError(WeightInitError):
    """The service, or a proxy in front of it, refused the request.

    `retry_after_s`: if the service is busy (503) or limits the request rate (429), the seconds to wait before a retry; otherwise None.
    """

    def __init__(
        self, detail: str, *, status: int = 0, title: str = "", errors: Sequence[FieldError] = (), retry_after_s: int | None = None
    ) -> None:
        """The arguments come from the fields of the response."""
        super().__init__(detail, status=status, title=title, errors=errors)
        self.retry_after_s = retry_after_s


class ConnectionFailed(WeightInitError):
    """No response arrived, or the connection broke before it was complete. It is safe to retry."""


class TimedOut(ConnectionFailed):
    """The service could not be reached, or sent no data, within the timeout. The client does not retry this."""


class InvalidAnswer(WeightInitError):
    """The response does not come from a weight-init service, or comes from a newer version that the client does not understand."""

    def __init__(self, detail: str, *, status: int = 200) -> None:
        """`status` is the HTTP status of the response."""
        super().__init__(detail, status=status, title="Invalid Answer")
