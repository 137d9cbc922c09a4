"""Routes whose endpoints take the request and return the response."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send


class DirectRoute(APIRoute):
    """A route without FastAPI's dependencies, validation and serialization."""

    def __init__(self, path: str, endpoint: Callable[[Request], Coroutine[Any, Any, Response]], **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        self.app = _asgi_app(endpoint)


def _asgi_app(endpoint: Callable[[Request], Coroutine[Any, Any, Response]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return app


def direct_router() -> APIRouter:
    """Return a router of such routes. Their names become method names in generated clients."""
    return APIRouter(route_class=DirectRoute, generate_unique_id_function=lambda route: route.name)
