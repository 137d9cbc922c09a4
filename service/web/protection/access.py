"""API keys. If the service has any, requests must carry one of them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.problems import problem
from service.web.protection.rates import Limiter, address_of, too_many

CLIENT = "weight_init.client"  # scope key for the client: the first digits of its key's digest
FAILURES = "100/minute"  # the rate of requests without a valid key from one address, if no rate is set
PROBES = frozenset({"/healthz", "/readyz"})  # requested often, by programs without a key

# The documentation is public: a browser cannot send a key before it shows the page.
_PUBLIC_PATHS = PROBES | {"/", "/docs", "/docs/oauth2-redirect", "/openapi.json"}
_PUBLIC_FILES = "/static-offline-docs/"

_REFUSAL = (
    "Authorization: expected one header `Bearer <key>` with a valid key; received {received}."
    " Ask the operator for a key, and send the header Authorization: Bearer <key>."
)


class Keys:
    """The SHA-256 digests of the valid keys, which may change while requests are served."""

    def __init__(self, digests: Collection[bytes]) -> None:
        self._digests = tuple(digests)

    def __len__(self) -> int:
        return len(self._digests)

    def replace(self, digests: Collection[bytes]) -> None:
        """Let the next requests use other keys."""
        self._digests = tuple(digests)

    def has(self, digest: bytes) -> bool:
        """Compare with every key, each in constant time, so that the time reveals nothing about the keys."""
        return sum(hmac.compare_digest(digest, valid) for valid in self._digests) > 0


class Access:
    """ASGI middleware that requires `Authorization: Bearer <key>`.

    It limits the requests of one address that have no valid key. A valid key is always served, whatever others at its address send.
    """

    def __init__(self, app: ASGIApp, *, keys: Keys, failures: Limiter) -> None:
        self._app = app
        self._keys = keys
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request if its path is public or its key is valid. Otherwise answer 401, or 429 if that happens too often."""
        if scope["type"] != "http" or scope["path"] in _PUBLIC_PATHS or scope["path"].startswith(_PUBLIC_FILES):
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        digest = _digest(given[0]) if len(given) == 1 else None
        if digest is not None and self._keys.has(digest):
            scope[CLIENT] = digest.hex()[:16]
            await self._app(scope, receive, send)
            return
        refusal = await self._refusal(given, scope)
        await refusal(scope, receive, send)

    async def _refusal(self, given: list[bytes], scope: Scope) -> Response:
        wait_s = await self._failures.wait_s(f"without a key: {address_of(scope)}")
        if wait_s is not None:
            return too_many("Authorization", self._failures, "without a valid key from one address", wait_s)
        received = "none" if not given else "an invalid one" if len(given) == 1 else f"{len(given)} headers"
        headers = {"WWW-Authenticate": 'Bearer realm="weight-init"' + (', error="invalid_token"' if given else "")}
        return problem(HTTPStatus.UNAUTHORIZED, _REFUSAL.format(received=received), headers=headers)


def _digest(authorization: bytes) -> bytes | None:
    scheme, _, key = authorization.partition(b" ")
    return hashlib.sha256(key.strip(b" ")).digest() if scheme.lower() == b"bearer" else None
