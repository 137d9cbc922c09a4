"""Who may ask: those who know one of the keys, where there are any."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.problems import problem

CLIENT = "weight_init.client"  # where the scope says whose key it was: a part of its digest
PROBES = frozenset({"/healthz", "/readyz"})  # asked by machines that have no key, and often

# the documentation is the same for everybody, and a browser can send no key before it shows the page
_OPEN = PROBES | {"/", "/docs", "/docs/oauth2-redirect", "/openapi.json"}
_OPEN_FILES = "/static-offline-docs/"

_REFUSAL = (
    "Authorization: expected `Bearer <key>` with a key of this service; received {received}."
    " Send the header Authorization: Bearer <key>; the operator has the keys."
)


class Access:
    """ASGI middleware: a request needs `Authorization: Bearer <key>`. Of the keys only SHA-256 digests are known."""

    def __init__(self, app: ASGIApp, *, digests: Collection[bytes]) -> None:
        self._app = app
        self._digests = tuple(digests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, unless it needs a key and has none."""
        if scope["type"] != "http" or scope["path"] in _OPEN or scope["path"].startswith(_OPEN_FILES):
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        digest = _digest(given[0]) if len(given) == 1 else None
        if digest is not None and self._is_known(digest):
            scope[CLIENT] = digest.hex()[:16]
            await self._app(scope, receive, send)
            return
        received = "none" if not given else "one that is not" if len(given) == 1 else f"{len(given)} of them"
        headers = {"WWW-Authenticate": 'Bearer realm="weight-init"' + (', error="invalid_token"' if given else "")}
        refusal = problem(HTTPStatus.UNAUTHORIZED, _REFUSAL.format(received=received), headers=headers)
        await refusal(scope, receive, send)

    def _is_known(self, digest: bytes) -> bool:
        """Compared with all, each in constant time, so that the time does not tell which, or how much of it, was right."""
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0


def _digest(authorization: bytes) -> bytes | None:
    scheme, _, key = authorization.partition(b" ")
    return hashlib.sha256(key.strip(b" ")).digest() if scheme.lower() == b"bearer" else None
