"""What a connection may do: uvicorn's own protocol, with limits where it has none, and problems where it sends plain text.

Below the application, since there is no request yet: heads that are long or never end, answers that are never read.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from asyncio import TimerHandle, Transport
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.settings import Settings
from service.web.problems import problem

if sys.platform == "linux":
    import fcntl
    import termios

_log = logging.getLogger("weight_init.web")


def _queued_bytes(sending: socket.socket) -> int:
    """What the system has not yet brought to the other side; 0 where it does not say so."""
    if sys.platform != "linux":
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(sending.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0


@dataclass(frozen=True)
class ConnectionLimits:
    """Of one connection, but for `max_connections`."""

    max_connections: int
    max_head_bytes: int
    head_timeout_s: float
    reader_timeout_s: float


def protocol_under(settings: Settings) -> type[asyncio.Protocol]:
    """For uvicorn's `http`."""
    limits = ConnectionLimits(settings.max_connections, settings.max_head_bytes, settings.head_timeout_s, settings.reader_timeout_s)
    return cast(type[asyncio.Protocol], partial(Connection, limits=limits))  # uvicorn does no more than call it


class Connection(HttpToolsProtocol):
    """One connection under `limits`.

    Its request is in one of two states: its head is awaited (from the last request on), or its body is.
    """

    def __init__(self, *args: Any, limits: ConnectionLimits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._awaits_head = True
        self._besides = 0  # bytes of heads, chunk sizes and trailers since the last that was content
        self._head_deadline: TimerHandle | None = None
        self._reader_deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has connected."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.max_connections:
            most = self._limits.max_connections
            detail = f"busy: expected at most {most} connections (WEIGHT_INIT_MAX_CONNECTIONS); there are more. Connect again in a second."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "1"})
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._stop_awaiting_head()
        self._stop_awaiting_reader()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        if self.transport.is_closing():
            return
        self._besides += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._besides > self._limits.max_head_bytes:
            self._refuse_head()
        elif self._awaits_head and self._head_deadline is None and not self._is_answering:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The head of a request is there."""
        self._stop_awaiting_head()
        self._awaits_head = False
        # what was received may hold the body, and other requests, too
        if self._besides > self._limits.max_head_bytes:
            self._besides = len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
            if self._besides > self._limits.max_head_bytes:
                raise ValueError("a head too long")  # ends the parser, which ends in send_400_response
        self._besides = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._besides = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._awaits_head = True
        self._besides = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """A request that is not HTTP, or whose head is too long."""
        if self._besides > self._limits.max_head_bytes:
            self._refuse_head()
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, "request: expected a request of HTTP/1.1; received what is none. Send it anew.")

    def pause_writing(self) -> None:
        """The client does not read as fast as it is sent to."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """It has read."""
        self._stop_awaiting_reader()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """The client asks for nothing more; what it has not read of the last answer is still kept for it."""
        super().timeout_keep_alive_handler()
        self._await_reader()

    @property
    def _is_answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete  # there is none before the first request

    def _await_head(self) -> None:
        self._head_deadline = self.loop.call_later(self._limits.head_timeout_s, self._head_is_late)

    def _stop_awaiting_head(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _head_is_late(self) -> None:
        limit_s = self._limits.head_timeout_s
        detail = f"head: expected the whole of it within {limit_s:g} s (WEIGHT_INIT_HEAD_TIMEOUT_S); received a part. Send it at once."
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, detail)

    def _await_reader(self) -> None:
        unread = self._unread_bytes()
        if unread and self._reader_deadline is None:
            self._reader_deadline = self.loop.call_later(self._limits.reader_timeout_s, self._look_at_reader, unread)

    def _stop_awaiting_reader(self) -> None:
        if self._reader_deadline is not None:
            self._reader_deadline.cancel()
            self._reader_deadline = None

    def _look_at_reader(self, unread_before: int) -> None:
        """However slow it is, it may stay while it reads at all."""
        self._reader_deadline = None
        if self._unread_bytes() < unread_before:
            self._await_reader()
            return
        limit_s = self._limits.reader_timeout_s
        _log.warning("a client read nothing for %g s (WEIGHT_INIT_READER_TIMEOUT_S): disconnected", limit_s)
        self.transport.abort()  # to close it would wait until the client has read the rest

    def _unread_bytes(self) -> int:
        """Here and in the system, whose buffer takes more only when much of it is empty: of a slow reader nothing is seen here for long."""
        return self.transport.get_write_buffer_size() + _queued_bytes(self.transport.get_extra_info("socket"))

    def _refuse_head(self) -> None:
        most = self._limits.max_head_bytes
        detail = f"head: expected at most {most} bytes (WEIGHT_INIT_MAX_HEAD_BYTES); received more. Send a body, or fewer headers."
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def _refuse(self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> None:
        """Answer with a problem and close; in the midst of another answer only close, lest this one be taken for a part of it."""
        if self.transport.is_closing():
            return
        if self.pipeline or (self._is_answering and self.cycle.response_started):
            self.transport.abort()
            return
        _log.info("%s: %s", status.value, detail)
        refusal = problem(status, detail, headers={**(headers or {}), "Connection": "close", "X-Content-Type-Options": "nosniff"})
        head = b"".join(name + b": " + value + b"\r\n" for name, value in refusal.raw_headers)
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + bytes(refusal.body))
        self.transport.close()
