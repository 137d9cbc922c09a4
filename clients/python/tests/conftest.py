"""Fixtures that run each test with both clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import pytest
from weight_init import AsyncClient, Client


class BlockingAsyncClient:
    """Wraps an AsyncClient in the interface of Client, so that tests can call either."""

    def __init__(self, url: str | None = None, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(url, **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *arguments, **fields: self._runner.run(method(*arguments, **fields))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._runner:
            self._runner.run(self._client.aclose())


KINDS: dict[str, Any] = {"Client": Client, "AsyncClient": BlockingAsyncClient}


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of the client class."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def connect(kind: str) -> Any:
    """The constructor of the client, with the arguments of `Client`."""
    return KINDS[kind]
