"""Asking until the whole answer has come: what to ask next, and when, apart from the asking.

A flow is a generator that yields each Attempt to make. Whoever runs it sends it the Head of the answer, then the parts of its body,
then b"", to which it yields the next Attempt or returns the result. When a connection breaks or cannot be made, ConnectionFailed is
thrown into it instead of what it waits for.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from weight_init.answer import Head, problem_in
from weight_init.errors import ConnectionFailed, InvalidAnswer, ProblemError, TimedOut
from weight_init.files import whole_or_nothing
from weight_init.incoming import Incoming, IncomingFile
from weight_init.request import Request

T = TypeVar("T")

_FIRST_PAUSE_S = 0.1
_MOST_DOUBLINGS = 9  # of it: to 51 s
_LONGEST_PAUSE_S = 60

Flow = Generator[Any, Any, T]  # of Attempt, and between them None


@dataclass(frozen=True)
class Attempt:
    """A request to send, after a pause."""

    request: Request
    pause_s: float


def exchange(request: Request, incoming: Incoming[T], retries: int) -> Flow[T]:
    """Get the whole answer, asking again at most `retries` times in a row; bytes that had not come before begin a new row.

    Raises ProblemError, ConnectionFailed, InvalidAnswer.
    """
    progress = _Progress()
    failures, pause_s = 0, 0.0
    while True:
        try:
            head: Head = yield Attempt(progress.rest_of(request), pause_s)
            match head.status:
                case HTTPStatus.OK:
                    progress.begin(head)
                    incoming.begin(head)
                case HTTPStatus.PARTIAL_CONTENT:
                    progress.resume(head)
                case _:
                    raise problem_in(head, (yield from _body()))
            while part := (yield):
                incoming.add(part)
                if progress.advance(part):
                    failures = 0
            return incoming.complete()
        except (ConnectionFailed, ProblemError) as error:
            pause_s = _pause_s(error, failures)
            if failures >= retries or pause_s > _LONGEST_PAUSE_S:
                raise
        failures += 1


def download(path: Path, request: Request, retries: int) -> Flow[dict[str, Any]]:
    """The same into a file, which appears when it is whole. Raises OSError too."""
    with whole_or_nothing(path) as file:
        return (yield from exchange(request, IncomingFile(file), retries))


class _Progress:
    """How much has come of which body."""

    def __init__(self) -> None:
        self._nbytes = self._most = 0
        self._etag: str | None = None

    def rest_of(self, request: Request) -> Request:
        """The request for what is still missing; for all, where the rest cannot be had."""
        return request.from_byte(self._nbytes, self._etag) if self._etag and self._nbytes else request

    def begin(self, head: Head) -> None:
        """A body begins, the first or another."""
        self._nbytes, self._etag = 0, head.lasting_etag

    def resume(self, head: Head) -> None:
        """The rest follows. Raises InvalidAnswer when it is another than what was asked for."""
        if self._etag is None or not head.is_rest(self._nbytes, self._etag):
            raise InvalidAnswer(
                f"Expected the same file from byte {self._nbytes} on; received a part of another, or another part"
                f" (Content-Range: {head.headers.get('Content-Range')}). Check the proxy if there is one.",
                status=head.status,
            )

    def advance(self, part: bytes) -> bool:
        """Count a part. Whether there is more now than ever before, which a body that always begins anew has but once."""
        self._nbytes += len(part)
        grown = self._nbytes > self._most
        self._most = max(self._most, self._nbytes)
        return grown


def _body() -> Generator[None, bytes, bytes]:
    body = bytearray()
    while part := (yield):
        body += part
    return bytes(body)


def _pause_s(error: ConnectionFailed | ProblemError, failures: int) -> float:
    """The seconds after which it may help to ask again."""
    if isinstance(error, ProblemError):
        return math.inf if error.retry_after_s is None else error.retry_after_s
    return math.inf if isinstance(error, TimedOut) else _FIRST_PAUSE_S * 2 ** min(failures, _MOST_DOUBLINGS)
