"""Decides what to request next, and when, until a response is complete. It does no I/O itself.

A flow is a generator that yields each Attempt to make. Its runner sends it the ResponseHead, then the parts of the body, then b"". The flow
then yields the next Attempt or returns the result. When a connection fails or breaks, the runner throws ConnectionFailed into the flow.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from weight_init.errors import ConnectionFailed, InvalidAnswer, ProblemError, TimedOut
from weight_init.files import atomic_write
from weight_init.receivers import FileReceiver, Receiver
from weight_init.request import Request
from weight_init.response import ResponseHead, parse_problem

T = TypeVar("T")

_FIRST_PAUSE_S = 0.1
_MAX_DOUBLINGS = 9  # up to 51 s
_LONGEST_PAUSE_S = 60

Flow = Generator[Any, Any, T]  # yields an Attempt, then None for each part it receives


@dataclass(frozen=True)
class Attempt:
    """A request to send after a pause."""

    request: Request
    pause_s: float


def exchange(request: Request, receiver: Receiver[T], retries: int) -> Flow[T]:
    """Get the complete response, with at most `retries` retries in a row. New bytes reset the count.

    Raises ProblemError, ConnectionFailed, InvalidAnswer.
    """
    progress = _Progress()
    failures, pause_s = 0, 0.0
    while True:
        try:
            head: ResponseHead = yield Attempt(progress.next_request(request), pause_s)
            match head.status:
                case HTTPStatus.OK:
                    progress.begin(head)
                    receiver.begin(head)
                case HTTPStatus.PARTIAL_CONTENT:
                    progress.resume(head)
                case _:
                    raise parse_problem(head, (yield from _read_body()))
            while part := (yield):
                receiver.add(part)
                if progress.advance(part):
                    failures = 0
            return receiver.complete()
        except (ConnectionFailed, ProblemError) as error:
            pause_s = _pause_s(error, failures)
            if failures >= retries or pause_s > _LONGEST_PAUSE_S:
                raise
        failures += 1


def download(path: Path, request: Request, retries: int) -> Flow[dict[str, Any]]:
    """Like `exchange`, but into a file, which appears once it is complete. Also raises OSError."""
    with atomic_write(path) as file:
        return (yield from exchange(request, FileReceiver(file), retries))


class _Progress:
    """Tracks which body is being received, and how much of it has arrived."""

    def __init__(self) -> None:
        self._nbytes = self._max_nbytes = 0
        self._etag: str | None = None

    def next_request(self, request: Request) -> Request:
        """Return the request for the missing rest, or for everything if the body cannot be resumed."""
        return request.from_byte(self._nbytes, self._etag) if self._etag and self._nbytes else request

    def begin(self, head: ResponseHead) -> None:
        """Start a new body."""
        self._nbytes, self._etag = 0, head.resume_etag

    def resume(self, head: ResponseHead) -> None:
        """Continue the body. Raises InvalidAnswer if the response is not the requested rest."""
        if self._etag is None or not head.continues_from(self._nbytes, self._etag):
            raise InvalidAnswer(
                f"Expected the rest of the same file from byte {self._nbytes} on; received another file or range"
                f" (Content-Range: {head.headers.get('Content-Range')}). Check the proxy if there is one.",
                status=head.status,
            )

    def advance(self, part: bytes) -> bool:
        """Count a part. Return whether more bytes have arrived than ever before, so that starting over is not progress."""
        self._nbytes += len(part)
        is_new_maximum = self._nbytes > self._max_nbytes
        self._max_nbytes = max(self._max_nbytes, self._nbytes)
        return is_new_maximum


def _read_body() -> Generator[None, bytes, bytes]:
    body = bytearray()
    while part := (yield):
        body += part
    return bytes(body)


def _pause_s(error: ConnectionFailed | ProblemError, failures: int) -> float:
    """Return the seconds to wait before a retry; infinity if a retry cannot help."""
    if isinstance(error, ProblemError):
        return math.inf if error.retry_after_s is None else error.retry_after_s
    return math.inf if isinstance(error, TimedOut) else _FIRST_PAUSE_S * 2 ** min(failures, _MAX_DOUBLINGS)
