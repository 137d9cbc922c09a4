"""Headers that every answer has, which tell a browser what it may not do with it."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeaders = tuple[tuple[bytes, bytes], ...]

# what pages of the origins that were named may send and read
CORS: dict[str, Any] = {
    "allow_methods": ("GET", "HEAD", "POST"),
    "allow_headers": (
        "Authorization", "Content-Type", "If-None-Match", "If-Range", "Range", "Traceparent", "Want-Repr-Digest", "X-Request-Id",
    ),
    "expose_headers": (
        "Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Repr-Digest", "Retry-After", "Weight-Init", "X-Request-Id",
    ),
}  # fmt: skip

_NOTHING = b"default-src 'none'; frame-ancestors 'none'"

# Swagger UI, from this server alone: a script and styles in the page itself, in which there is nothing of a request
_OF_THE_PAGES = (
    b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    b" connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_PAGES = frozenset({"/docs", "/docs/oauth2-redirect"})


def _with(policy: bytes) -> RawHeaders:
    return (
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", policy),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),  # a page that CORS allows may fetch it all the same
    )


_ORDINARY, _PAGE = _with(_NOTHING), _with(_OF_THE_PAGES)


class SecurityHeaders:
    """ASGI middleware: adds them to every answer, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = _PAGE if scope["path"] in _PAGES else _ORDINARY

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)
