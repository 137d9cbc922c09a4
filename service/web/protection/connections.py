"""Limits on connections: uvicorn's HTTP protocol, with the limits that it lacks, and with problems instead of its plain text.

They are below the application, because they apply without a complete request: to a head (the request line and headers) that is
too long or never ends, and to a response that is never read.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import sys
from asyncio import TimerHandle, Transport
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.settings import Settings
from service.web.body import LATE_BODY
from service.web.problems import problem

if sys.platform == "linux":
    import fcntl
    import termios

_EMPTY_LINE = re.compile(rb"\n\r?\n")  # the end of a head, and of trailers
_MAX_HELD_BYTES = 1 << 20
_GRACE_S = 1.0  # for the application to refuse a late body

_log = logging.getLogger("weight_init.web")


def _queued_bytes(sending: socket.socket) -> int:
    """Return how many bytes the system has not yet delivered to the client; 0 if it does not say."""
    if sys.platform != "linux" or sending.fileno() < 0:  # closed
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(sending.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one connection, and the number of connections."""

    max_connections: int
    max_head_bytes: int
    head_timeout_s: float
    reader_timeout_s: float


def protocol_under(settings: Settings) -> type[asyncio.Protocol]:
    """Return a protocol class for uvicorn's `http` setting."""
    limits = ConnectionLimits(settings.max_connections, settings.max_head_bytes, settings.head_timeout_s, settings.reader_timeout_s)
    return cast(type[asyncio.Protocol], partial(Connection, limits=limits))  # uvicorn only calls it


class Connection(HttpToolsProtocol):
    """A connection with `limits`.

    It awaits either the head of the next request or the body of the current one. Each has a deadline, also after the response.
    """

    def __init__(self, *args: Any, limits: ConnectionLimits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._awaits_head = True
        self._held = bytearray()  # received during a response whose request is complete; not parsed before its turn
        self._overhead_bytes = 0  # heads, chunk sizes and trailers since the last byte of a body
        self._head_deadline: TimerHandle | None = None
        self._body_deadline: TimerHandle | None = None
        self._reader_deadline: TimerHandle | None = None

    @override
    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # uvicorn narrows the type, too
        super().connection_made(transport)
        if len(self.connections) > self._limits.max_connections:
            limit = self._limits.max_connections
            detail = f"connections: expected at most {limit} (WEIGHT_INIT_MAX_CONNECTIONS); received another. Try again in a second."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "1"})
            return
        self._await_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_awaiting_head()
        self._stop_awaiting_body()
        self._stop_awaiting_reader()
        self._held.clear()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._held += data
        self._parse_held()

    def _parse_held(self) -> None:
        """Parse what is held, up to the end of a request whose response is still in progress.

        Uvicorn queues the requests of a pipeline, and each takes some KiB of memory. So they are parsed one by one: each piece ends at an
        empty line, so that at most one request begins in it.
        """
        while self._held and not self.transport.is_closing():
            if self._awaits_head and self._is_answering:
                self._hold()
                return
            empty_line = _EMPTY_LINE.search(self._held)
            piece = bytes(self._held[: empty_line.end() if empty_line else len(self._held)])
            del self._held[: len(piece)]
            self._parse(piece)
        if not self.transport.is_closing():
            self._await_rest()

    def _hold(self) -> None:
        self.flow.pause_reading()
        if len(self._held) > _MAX_HELD_BYTES:  # the application resumes reading when it asks for the body or the disconnect
            self.transport.abort()

    def _parse(self, piece: bytes) -> None:
        self._overhead_bytes += len(piece)
        super().data_received(piece)
        if self._overhead_bytes > self._limits.max_head_bytes and not self.transport.is_closing():
            self._refuse_head()

    def _await_rest(self) -> None:
        """Set a deadline for what is missing of a request."""
        if not self._awaits_head:
            self._await_body()
        elif self._head_deadline is None and not self._is_answering:
            self._await_head()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._held:
            self._parse_held()

    @override
    def on_headers_complete(self) -> None:
        self._stop_awaiting_head()
        self._awaits_head = False
        # The received bytes may include the body and further requests, so count those of the head alone.
        if self._overhead_bytes > self._limits.max_head_bytes:
            self._overhead_bytes = len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
            if self._overhead_bytes > self._limits.max_head_bytes:
                raise ValueError("head too long")  # stops the parser, which calls send_400_response
        self._overhead_bytes = 0
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._overhead_bytes = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._awaits_head = True
        self._overhead_bytes = 0
        self._stop_awaiting_body()
        super().on_message_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        if self._overhead_bytes > self._limits.max_head_bytes:
            self._refuse_head()
        else:
            detail = "request: expected HTTP/1.1; received something else. Check the client's protocol."
            self._refuse(HTTPStatus.BAD_REQUEST, detail)

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    @override
    def resume_writing(self) -> None:
        self._stop_awaiting_reader()
        super().resume_writing()

    @override
    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._await_reader()  # the closing transport keeps the unread rest of the response for the client

    @property
    def _is_answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete  # no cycle before the first request

    def _await_head(self) -> None:
        self._head_deadline = self.loop.call_later(self._limits.head_timeout_s, self._head_is_late)

    def _stop_awaiting_head(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _head_is_late(self) -> None:
        limit_s = self._limits.head_timeout_s
        detail = (
            f"headers: expected all of them within {limit_s:g} s (WEIGHT_INIT_HEAD_TIMEOUT_S); received an incomplete request."
            " Send it without pauses."
        )
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, detail)

    def _await_body(self) -> None:
        if self._body_deadline is None:
            self._body_deadline = self.loop.call_later(self._limits.head_timeout_s, self._body_is_late)

    def _stop_awaiting_body(self) -> None:
        if self._body_deadline is not None:
            self._body_deadline.cancel()
            self._body_deadline = None

    def _body_is_late(self) -> None:
        """Let the application refuse a late body. Disconnect the client if it does not, or if the client has its response already."""
        if self._is_answering and not self.cycle.response_started and LATE_BODY not in self.cycle.scope:
            self.cycle.scope[LATE_BODY] = True  # type: ignore[literal-required]  # a scope may have other keys
            self.cycle.message_event.set()
            self._body_deadline = self.loop.call_later(_GRACE_S, self._body_is_late)
            return
        _log.info("disconnected a client that did not send its body within %g s (WEIGHT_INIT_HEAD_TIMEOUT_S)", self._limits.head_timeout_s)
        self.transport.abort()

    def _await_reader(self) -> None:
        unread = self._unread_bytes()
        if unread and self._reader_deadline is None:
            self._reader_deadline = self.loop.call_later(self._limits.reader_timeout_s, self._check_reader, unread)

    def _stop_awaiting_reader(self) -> None:
        if self._reader_deadline is not None:
            self._reader_deadline.cancel()
            self._reader_deadline = None

    def _check_reader(self, unread_before: int) -> None:
        """Disconnect a client that has read nothing since the last check. A slow one may stay."""
        self._reader_deadline = None
        if self._unread_bytes() < unread_before:
            self._await_reader()
            return
        limit_s = self._limits.reader_timeout_s
        _log.warning("disconnected a client that read nothing for %g s (WEIGHT_INIT_READER_TIMEOUT_S)", limit_s)
        self.transport.abort()  # close() would wait until the client has read the rest

    def _unread_bytes(self) -> int:
        """Return the number of unread bytes, here and in the system's buffer.

        The bytes here do not show a slow reader, because the system takes more of them only when much of its buffer is empty.
        """
        return self.transport.get_write_buffer_size() + _queued_bytes(self.transport.get_extra_info("socket"))

    def _refuse_head(self) -> None:
        limit = self._limits.max_head_bytes
        detail = (
            f"URL and headers: expected at most {limit} bytes (WEIGHT_INIT_MAX_HEAD_BYTES); received more."
            " Send the fields in the body of a POST, or fewer headers."
        )
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def _refuse(self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> None:
        """Send a problem and close. During another response only close, because the client would take the problem for a part of that."""
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
