"""Headers of every response, which restrict what a browser and a cache may do with it."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeaders = tuple[tuple[bytes, bytes], ...]

# What pages of the allowed origins may send and read.
CORS: dict[str, Any] = {
    "allow_methods": ("GET", "HEAD", "POST"),
    "allow_headers": (
        "Authorization", "Content-Type", "If-None-Match", "If-Range", "Range", "Traceparent", "Want-Repr-Digest", "X-Request-Id",
    ),
    "expose_headers": (
        "Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Repr-Digest", "Retry-After", "Weight-Init", "X-Request-Id",
    ),
}  # fmt: skip

_API_POLICY = b"default-src 'none'; frame-ancestors 'none'"

# Swagger UI comes from this server alone. Its page has an inline script and inline styles, which contain nothing from a request.
_DOCS_POLICY = (
    b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    b" connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_DOCS_PATHS = frozenset({"/docs", "/docs/oauth2-redirect"})


def _headers_with(policy: bytes) -> RawHeaders:
    return (
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", policy),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),  # pages that CORS allows can still fetch it
    )


_API_HEADERS, _DOCS_HEADERS = _headers_with(_API_POLICY), _headers_with(_DOCS_POLICY)


class SecurityHeaders:
    """ASGI middleware that adds these headers to every response, including errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and add the headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = _DOCS_HEADERS if scope["path"] in _DOCS_PATHS else _API_HEADERS

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class PrivateCaching:
    """ASGI middleware that lets only the cache of the client keep responses (RFC 9111, section 5.2.2.7)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and say `private` in its response instead of `public`."""

        async def send_private(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, value.replace(b"public", b"private") if name == b"cache-control" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        await self._app(scope, receive, send_private)
