"""One request and its response: what is measured of them, and the ids under which the log records them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter

from starlette.types import Message, Receive, Scope, Send

ANSWER = "weight_init.answer"  # scope key under which a route stores its answer, for the metrics

_CLIENT_CLOSED_REQUEST = 499  # nginx's status for a client that disconnects before the response begins
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")  # printable ASCII, so that no id can forge a line of the log
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context


@dataclass(frozen=True)
class RequestIds:
    """The id of a request, and the id of its trace if it has one."""

    request_id: str
    trace_id: str | None


# The ids of the request that the current task serves, for everything it logs.
current_ids: ContextVar[RequestIds | None] = ContextVar("current_ids", default=None)


def request_ids(headers: Iterable[tuple[bytes, bytes]]) -> RequestIds:
    """Return the id in `X-Request-Id`, or a fresh one if it is missing or invalid, and the trace id of a valid `traceparent`."""
    request_id = trace_id = None
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode("ascii")
        elif name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
            trace_id = match[1].decode("ascii")
    return RequestIds(request_id or secrets.token_hex(8), trace_id)


class Exchange:
    """Measures one request from its first byte to the end of its response.

    Pass `receive` and `send` to the application in place of the server's. `on_stream` is called when a response has more than one block.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, on_stream: Callable[[], None]) -> None:
        self._receive, self._send, self._on_stream = receive, send, on_stream
        self._start_s = perf_counter()
        self.scope = scope
        self.path: str = scope["path"]
        self.ids = request_ids(scope["headers"])
        self.status = _CLIENT_CLOSED_REQUEST  # until the response begins
        self.first_byte_s: float | None = None
        self.duration_s = 0.0
        self.sent_bytes = 0
        self.is_streamed = False
        self.is_whole = False
        self.client_left = False  # before the response began

    @property
    def has_begun(self) -> bool:
        """Whether the status has been sent."""
        return self.first_byte_s is not None

    async def receive(self) -> Message:
        """Forward a message of the request, and notice when the client leaves."""
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self.has_begun:
            self.client_left = True
        return message

    async def send(self, message: Message) -> None:
        """Forward a message of the response, and measure it. A client that has left gets none."""
        if self.client_left:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.first_byte_s = perf_counter() - self._start_s
            message["headers"] = [*message["headers"], (b"x-request-id", self.ids.request_id.encode("ascii"))]
            await self._send(message)
            return
        more = message.get("more_body", False)
        if more and not self.is_streamed:
            self.is_streamed = True
            self._on_stream()
        await self._send(message)
        if self.scope["method"] != "HEAD":  # the server drops the body of a HEAD response
            self.sent_bytes += len(message.get("body", b""))
        self.is_whole = not more

    def end(self) -> None:
        """Record the duration. Nothing more is sent."""
        self.duration_s = perf_counter() - self._start_s
