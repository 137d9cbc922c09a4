"""Limits on connections: uvicorn's HTTP protocol with the limits that it lacks, with TLS handshakes that count, and with problems.

The limits apply below the application, without a complete request: to a handshake that never ends, a head (the request line and
headers) that is too long or late, a late body, and a response that is never read.

Uvicorn has no settings for these. Its other protocol, on h11, limits the length of a head but not its time, and serves 40 % fewer small
requests per second. So this class overrides methods of uvicorn that are not documented, and pyproject.toml admits only the minor version
that the tests of each state of a connection have passed with.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
import sys
from asyncio import TimerHandle, Transport
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.settings import Settings
from service.web.problems import REFUSAL, HttpProblem

if sys.platform == "linux":
    import fcntl
    import termios

_EMPTY_LINE = re.compile(rb"\n\r?\n")  # the end of a head, and of trailers
# RFC 3986, section 3.2.2: an address in brackets, or a name, which may be empty; and a port
_HOST = re.compile(rb"(?:\[[0-9A-Fa-fv:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?")
_MAX_HELD_BYTES = 1 << 18  # the most that is read at once
_MAX_REFUSED_CONNECTIONS = 32  # more of them are not even told
_GRACE_S = 1.0  # for the application to refuse a late body
_PROBE_S = 0.5
_PATIENCE_S = 10.0  # with a client that may have left and cannot be asked
_BLOCK_BYTES = 1 << 20  # of a response, see responses/streaming.py
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_log = logging.getLogger("weight_init.web")


def _queued_bytes(sending: socket.socket) -> int:
    """Return how many bytes the system has not yet delivered to the client; 0 if it does not say."""
    if sys.platform != "linux" or sending.fileno() < 0:  # closed
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(sending.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0


def _hold_a_block(accepted: socket.socket) -> None:
    """Let the system's buffer of a Unix socket hold a block of a response. It takes 200 KiB by default, so server and client take turns."""
    if sys.platform == "linux" and accepted.family == socket.AF_UNIX:
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BLOCK_BYTES)  # the system takes less if its own limit is lower


def _taken_from(transport: Transport) -> socket.socket:
    """Return the socket of a transport that has not read yet, and end the transport."""
    accepted: socket.socket = transport.get_extra_info("socket")
    taken = socket.fromfd(accepted.fileno(), accepted.family, accepted.type)
    _release(transport)
    return taken


def _release(transport: Transport) -> None:
    """End a transport without telling its protocol."""
    transport.set_protocol(asyncio.Protocol())
    transport.abort()


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one connection, and the number of connections."""

    max_connections: int
    max_head_bytes: int
    head_timeout_s: float
    reader_timeout_s: float
    shutdown_timeout_s: float


def protocol_under(settings: Settings) -> type[asyncio.Protocol]:
    """Return a protocol class for uvicorn's `http` setting."""
    limits = ConnectionLimits(
        settings.max_connections, settings.max_head_bytes, settings.head_timeout_s, settings.reader_timeout_s, settings.shutdown_timeout_s
    )
    return cast(type[asyncio.Protocol], partial(Connection, limits=limits))  # uvicorn only calls it


class _Deadline:
    """Calls `on_late` when the time has passed, unless it is stopped before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, on_late: Callable[[], None]) -> None:
        self._loop, self._seconds, self._on_late = loop, seconds, on_late
        self._timer: TimerHandle | None = None

    def start(self, seconds: float | None = None) -> None:
        """Start the time, if it is not running."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds if seconds is None else seconds, self._pass)

    @property
    def is_running(self) -> bool:
        return self._timer is not None

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pass(self) -> None:
        self._timer = None
        self._on_late()


class Connection(HttpToolsProtocol):
    """A connection with `limits`.

    It awaits the TLS handshake if there is one, then either the head of the next request or the body of the current one. Each has a
    deadline, also after the response.
    """

    def __init__(self, *args: Any, limits: ConnectionLimits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._awaits_head = True
        self._held = bytearray()  # received during a response whose request is complete; not parsed before its turn
        self._overhead_bytes = 0  # heads, chunk sizes and trailers since the last byte of a body
        self._client_has_ended = False  # it sends no more, but may read
        self._has_refused = False  # further data is discarded
        self._refusal_of_head: tuple[HTTPStatus, str] | None = None
        self._handshake: asyncio.Task[None] | None = None  # the loop itself keeps no reference
        self._head = _Deadline(self.loop, limits.head_timeout_s, self._head_is_late)
        self._body = _Deadline(self.loop, limits.head_timeout_s, self._body_is_late)
        self._reader = _Deadline(self.loop, limits.reader_timeout_s, self._check_reader)
        self._end = _Deadline(self.loop, limits.shutdown_timeout_s, self._end_is_late)
        self._unread_before = 0
        self._probe = _Deadline(self.loop, _PROBE_S, self._probe_client)

    # ---- beginning and end

    @override
    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # uvicorn narrows the type, too
        if transport.get_extra_info("sslcontext") is not None:
            self._begin(transport)
        elif len(self.connections) >= self._limits.max_connections + _MAX_REFUSED_CONNECTIONS:
            _release(transport)
        elif self.config.ssl is None:
            self._begin(transport)
        else:
            self.connections.add(self)  # so that the handshake counts, and ends with the server
            self._handshake = self.loop.create_task(self._shake_hands(_taken_from(transport)))

    async def _shake_hands(self, accepted: socket.socket) -> None:
        """Make the TLS handshake, which calls `connection_made` again."""
        try:
            await self.loop.connect_accepted_socket(
                lambda: self,
                accepted,
                ssl=cast(ssl.SSLContext, self.config.ssl),
                ssl_handshake_timeout=self._limits.head_timeout_s,
                ssl_shutdown_timeout=self._limits.reader_timeout_s,
            )
        except OSError as error:  # TLS errors, too
            _log.info("a TLS handshake failed: %s", error)
        finally:
            if self.transport is None:
                self.connections.discard(self)

    def _begin(self, transport: Transport) -> None:
        _hold_a_block(transport.get_extra_info("socket"))
        super().connection_made(transport)
        limit = self._limits.max_connections
        if len(self.connections) > limit:
            detail = f"connections: expected at most {limit} (WEIGHT_INIT_MAX_CONNECTIONS); received another. Try again in a second."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "1"})
        else:
            self._head.start()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        for deadline in (self._head, self._body, self._reader, self._end, self._probe):
            deadline.stop()
        self._held.clear()
        super().connection_lost(exc)

    @override
    def shutdown(self) -> None:
        if self.transport is None and self._handshake is not None:
            self._handshake.cancel()
            return
        super().shutdown()
        self._end.start()

    def _end_is_late(self) -> None:
        _log.warning(
            "disconnected a client %g s after the shutdown began (WEIGHT_INIT_SHUTDOWN_TIMEOUT_S)", self._limits.shutdown_timeout_s
        )
        self.transport.abort()

    @override
    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn returns None
        """Return whether to keep the connection for its response. A client may close its own direction first (RFC 9112, section 9.6).

        With TLS, the event loop closes both.
        """
        self._client_has_ended = self._is_answering and self._awaits_head and self.config.ssl is None
        self._probe_later()
        return self._client_has_ended

    def _probe_later(self) -> None:
        if self._client_has_ended and self._is_answering:
            self._probe.start(_PATIENCE_S if self._has_no_interim_responses else _PROBE_S)

    def _probe_client(self) -> None:
        """Send an interim response, which a client that has left answers with a reset. Otherwise it looks like one that waits."""
        if self.transport.is_closing() or not self._is_answering or self.cycle.response_started:
            return
        if self._has_no_interim_responses:
            self.transport.abort()
        else:
            self.transport.write(_CONTINUE)
            self._probe_later()

    @property
    def _has_no_interim_responses(self) -> bool:
        return bool(self.cycle.scope["http_version"] == "1.0")

    # ---- receiving

    @override
    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self._has_refused:
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

    def _parse_anew(self, head: bytes) -> None:
        """Parse a head with a new parser, as the old one stops at an error and at an upgrade."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        super().data_received(head)

    def _await_rest(self) -> None:
        """Set a deadline for what is missing of a request."""
        if not self._awaits_head:
            self._body.start()
        elif not self._is_answering:
            self._head.start()

    @override
    def on_headers_complete(self) -> None:
        self._head.stop()
        self._awaits_head = False
        # The received bytes may include the body and further requests, so count those of the head alone.
        if self._overhead_bytes > self._limits.max_head_bytes:
            self._overhead_bytes = len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
            if self._overhead_bytes > self._limits.max_head_bytes:
                raise ValueError("head too long")  # stops the parser, which calls send_400_response
        self._overhead_bytes = 0
        if not self._has_refused:  # otherwise the head is the one of _refuse
            self._check_head()
        super().on_headers_complete()

    def _check_head(self) -> None:
        """Let the parser stop at a head that HTTP/1.1 forbids, and that proxies may read differently."""
        version = self.parser.get_http_version()
        hosts = [value for name, value in self.headers if name == b"host"]
        if version not in ("1.0", "1.1"):
            detail = f"request: expected HTTP/1.1; received HTTP/{version}. Use HTTP/1.1."
            self._refusal_of_head = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, detail
        elif len(hosts) > 1 or (not hosts and version == "1.1"):
            detail = f"Host: expected one header (RFC 9112, section 3.2); received {len(hosts) or 'none'}. Send one."
            self._refusal_of_head = HTTPStatus.BAD_REQUEST, detail
        elif hosts and not _HOST.fullmatch(hosts[0]):
            detail = "Host: expected a host name or an address, and a port if it is not the usual one; received something else."
            self._refusal_of_head = HTTPStatus.BAD_REQUEST, f"{detail} Correct the URL."
        if self._refusal_of_head is not None:
            raise ValueError("head refused")  # stops the parser, which calls send_400_response

    @override
    def on_body(self, body: bytes) -> None:
        self._overhead_bytes = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._awaits_head = True
        self._overhead_bytes = 0
        self._body.stop()
        super().on_message_complete()

    # Uvicorn has a hook for WebSocket, which this service does not speak. The parser takes what follows the head of an upgrade for another
    # protocol, so that a body would become a request of its own.

    @override
    def _should_upgrade(self) -> bool:
        return True

    @override
    def handle_websocket_upgrade(self) -> None:
        """Ignore the header Upgrade (RFC 9110, section 7.8): parse the head again without it. The parser has stopped at its end."""
        method = self.scope["method"]
        if method == "CONNECT":
            self._refuse(
                HTTPStatus.METHOD_NOT_ALLOWED, "method: expected GET, HEAD or POST; received CONNECT. This service is not a proxy."
            )
            return
        lines = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        request_line = b"%b %b HTTP/%b" % (method.encode("ascii"), self.url, self.scope["http_version"].encode("ascii"))
        self._parse_anew(b"\r\n".join([request_line, *lines, b"", b""]))

    # ---- responding

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._held:
            self._parse_held()
        self._probe_later()
        if self._client_has_ended and not self._is_answering:
            self.transport.close()
        if self.transport.is_closing():
            self._await_reader()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    @override
    def resume_writing(self) -> None:
        self._reader.stop()
        super().resume_writing()

    @override
    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._await_reader()  # the closing transport keeps the unread rest of the response for the client

    @property
    def _is_answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete  # no cycle before the first request

    def _await_reader(self) -> None:
        if not self._reader.is_running and (unread := self._unread_bytes()):
            self._unread_before = unread
            self._reader.start()

    def _check_reader(self) -> None:
        """Disconnect a client that has read nothing since the last check. A slow one may stay."""
        if self._unread_bytes() < self._unread_before:
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

    # ---- refusing

    @override
    def send_400_response(self, msg: str) -> None:
        if self._refusal_of_head is not None:
            self._refuse(*self._refusal_of_head)
        elif self._overhead_bytes > self._limits.max_head_bytes:
            self._refuse_head()
        else:
            detail = "request: expected HTTP/1.1; received something else. Check the client's protocol."
            self._refuse(HTTPStatus.BAD_REQUEST, detail)

    def _head_is_late(self) -> None:
        limit_s = self._limits.head_timeout_s
        detail = (
            f"headers: expected all of them within {limit_s:g} s (WEIGHT_INIT_HEAD_TIMEOUT_S); received an incomplete request."
            " Send it without pauses."
        )
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, detail)

    def _body_is_late(self) -> None:
        """Let the application refuse a late body. Disconnect the client if it does not, or if the client has its response already."""
        limit_s = self._limits.head_timeout_s
        if self._is_answering and not self.cycle.response_started and REFUSAL not in self.cycle.scope:
            detail = f"body: expected all of it within {limit_s:g} s (WEIGHT_INIT_HEAD_TIMEOUT_S); received a part. Send it without pauses."
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, detail)
            self._body.start(_GRACE_S)
            return
        _log.info("disconnected a client that did not send its body within %g s (WEIGHT_INIT_HEAD_TIMEOUT_S)", limit_s)
        self.transport.abort()

    def _refuse_head(self) -> None:
        limit = self._limits.max_head_bytes
        detail = (
            f"URL and headers: expected at most {limit} bytes (WEIGHT_INIT_MAX_HEAD_BYTES); received more."
            " Send the fields in the body of a POST, or fewer headers."
        )
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def _refuse(self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> None:
        """Let the application send a problem, so that it is counted and logged, and close. A complete request gets its response instead."""
        self._has_refused = True
        self._held.clear()
        refusal = HttpProblem(status, detail, {**(headers or {}), "Connection": "close"})
        if not self._is_answering:
            self._overhead_bytes = 0
            self._parse_anew(b"GET / HTTP/1.1\r\n\r\n")  # stands for a request that cannot be read
            self.cycle.scope |= {"method": "-", "path": "-", REFUSAL: refusal}  # type: ignore[misc]  # its task has not begun yet
        elif not self._awaits_head:
            self.cycle.scope[REFUSAL] = refusal  # type: ignore[literal-required]  # for the application, which awaits the body
            self.cycle.message_event.set()
        self.cycle.keep_alive = False
