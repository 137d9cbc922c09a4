"""Both clients, in one shape: a test that is written once holds for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import pytest
from weight_init import AsyncClient, Client


class Awaited:
    """An AsyncClient that is waited for: a Client to whoever uses it."""

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


KINDS: dict[str, Any] = {"Client": Client, "AsyncClient": Awaited}


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which client."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def connect(kind: str) -> Any:
    """What makes one, as `Client` does."""
    return KINDS[kind]
