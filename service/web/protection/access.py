"""API keys. If the service has any, requests must carry one of them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.problems import problem

CLIENT = "weight_init.client"  # scope key for the client: the first digits of its key's digest
PROBES = frozenset({"/healthz", "/readyz"})  # requested often, by programs without a key

# The documentation is public: a browser cannot send a key before it shows the page.
_PUBLIC_PATHS = PROBES | {"/", "/docs", "/docs/oauth2-redirect", "/openapi.json"}
_PUBLIC_FILES = "/static-offline-docs/"

_REFUSAL = (
    "Authorization: expected one header `Bearer <key>` with a valid key; received {received}."
    " Ask the operator for a key, and send the header Authorization: Bearer <key>."
)


class Access:
    """ASGI middleware that requires `Authorization: Bearer <key>`. It has only the SHA-256 digests of the keys."""

    def __init__(self, app: ASGIApp, *, digests: Collection[bytes]) -> None:
        self._app = app
        self._digests = tuple(digests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request if its path is public or its key is valid. Otherwise answer 401."""
        if scope["type"] != "http" or scope["path"] in _PUBLIC_PATHS or scope["path"].startswith(_PUBLIC_FILES):
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        digest = _digest(given[0]) if len(given) == 1 else None
        if digest is not None and self._is_valid(digest):
            scope[CLIENT] = digest.hex()[:16]
            await self._app(scope, receive, send)
            return
        received = "none" if not given else "an invalid one" if len(given) == 1 else f"{len(given)} headers"
        headers = {"WWW-Authenticate": 'Bearer realm="weight-init"' + (', error="invalid_token"' if given else "")}
        refusal = problem(HTTPStatus.UNAUTHORIZED, _REFUSAL.format(received=received), headers=headers)
        await refusal(scope, receive, send)

    def _is_valid(self, digest: bytes) -> bool:
        """Compare with every key, each in constant time, so that the time reveals nothing about the keys."""
        return sum(hmac.compare_digest(digest, valid) for valid in self._digests) > 0


def _digest(authorization: bytes) -> bytes | None:
    scheme, _, key = authorization.partition(b" ")
    return hashlib.sha256(key.strip(b" ")).digest() if scheme.lower() == b"bearer" else None
