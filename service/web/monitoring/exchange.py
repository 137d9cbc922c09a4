"""One request and its answer, as they look from outside: what is measured of them, and by which names they are found again."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter

from starlette.types import Message, Scope, Send

ANSWER = "weight_init.answer"  # where a route leaves in the scope what it answers

_CLIENT_LEFT = 499  # as nginx calls it when no status was sent
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")  # what a proxy or a client may call a request: nothing that could look like another line
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context


@dataclass(frozen=True)
class Names:
    """What a request is called: its own id, and that of the trace it is a part of, if any."""

    request_id: str
    trace_id: str | None


# in each task the names of the request that it serves, for whatever is logged meanwhile
current_names: ContextVar[Names | None] = ContextVar("current_names", default=None)


def names_in(headers: Iterable[tuple[bytes, bytes]]) -> Names:
    """From `X-Request-Id`, if it is sane, else a fresh one; and `traceparent`, which is ignored if it is not valid."""
    request_id = trace_id = None
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode("ascii")
        elif name == b"traceparent" and (found := _TRACEPARENT.fullmatch(value)):
            trace_id = found[1].decode("ascii")
    return Names(request_id or secrets.token_hex(8), trace_id)


class Exchange:
    """What is measured between a request and the end of its answer. `send` stands between the application and the server.

    `on_stream` is called when an answer turns out to come in several pieces.
    """

    def __init__(self, scope: Scope, send: Send, on_stream: Callable[[], None]) -> None:
        self._send, self._on_stream = send, on_stream
        self._began = perf_counter()
        self.scope = scope
        self.path: str = scope["path"]
        self.names = names_in(scope["headers"])
        self.status = _CLIENT_LEFT  # until there is an answer
        self.first_byte_s: float | None = None
        self.duration_s = 0.0
        self.sent_bytes = 0
        self.is_streamed = False
        self.is_whole = False

    @property
    def has_begun(self) -> bool:
        """Whether a status was sent."""
        return self.first_byte_s is not None

    async def send(self, message: Message) -> None:
        """Pass it on, and note it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.first_byte_s = perf_counter() - self._began
            message["headers"] = [*message["headers"], (b"x-request-id", self.names.request_id.encode("ascii"))]
            await self._send(message)
            return
        more = message.get("more_body", False)
        if more and not self.is_streamed:
            self.is_streamed = True
            self._on_stream()
        await self._send(message)
        if self.scope["method"] != "HEAD":  # whose content the server keeps back
            self.sent_bytes += len(message.get("body", b""))
        self.is_whole = not more

    def end(self) -> None:
        """Nothing more will be sent."""
        self.duration_s = perf_counter() - self._began
