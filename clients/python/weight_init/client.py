"""The clients: the only place where bytes are sent and received, once blocking and once not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import closing
from typing import Any, Self, TypeVar

import httpx

from weight_init.answer import Head
from weight_init.calls import Calls
from weight_init.exchange import Attempt, Flow
from weight_init.weights import Weights

T = TypeVar("T")
Object = dict[str, Any]
Rows = list[dict[str, Any]]


class Client(Calls[Weights, Object, Rows]):
    """A connection to a weight-init service. Threads may share it. Close it, or use it in a `with` statement.

    Every method raises ProblemError when the service refuses the request, ConnectionFailed when no whole answer comes, and
    InvalidAnswer when something else than a weight-init service answers: all are kinds of WeightInitError.
    """

    _http: httpx.Client

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _connect(self, **options: Any) -> None:
        self._http = httpx.Client(**options)

    def _run(self, flow: Flow[T]) -> T:
        with closing(flow):
            try:
                attempt: Attempt = next(flow)
                while True:
                    time.sleep(attempt.pause_s)
                    try:
                        with self._http.stream(**vars(attempt.request)) as response:
                            flow.send(Head(response.status_code, response.headers))
                            for part in response.iter_raw():
                                flow.send(part)
                        attempt = flow.send(b"")
                    except httpx.RequestError as error:
                        attempt = flow.throw(self._failure(error))
            except StopIteration as end:
                result: T = end.value
                return result


class AsyncClient(Calls[Coroutine[Any, Any, Weights], Coroutine[Any, Any, Object], Coroutine[Any, Any, Rows]]):
    """The same for asyncio: `await` what every method returns. Tasks may share it; close it with `aclose` or `async with`.

    `download` writes to its file as the parts arrive, and lets others run between them.
    """

    _http: httpx.AsyncClient

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.aclose()

    def _connect(self, **options: Any) -> None:
        self._http = httpx.AsyncClient(**options)

    async def _run(self, flow: Flow[T]) -> T:
        with closing(flow):
            try:
                attempt: Attempt = next(flow)
                while True:
                    await asyncio.sleep(attempt.pause_s)
                    try:
                        async with self._http.stream(**vars(attempt.request)) as response:
                            flow.send(Head(response.status_code, response.headers))
                            async for part in response.aiter_raw():
                                flow.send(part)
                        attempt = flow.send(b"")
                    except httpx.RequestError as error:
                        attempt = flow.throw(self._failure(error))
            except StopIteration as end:
                result: T = end.value
                return result
