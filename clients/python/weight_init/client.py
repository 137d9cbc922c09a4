"""The blocking and the asynchronous client. Only this module sends and receives bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import closing
from typing import Any, Self, TypeVar

import httpx

from weight_init.base import BaseClient
from weight_init.exchange import Attempt, Flow
from weight_init.response import ResponseHead
from weight_init.weights import Weights

T = TypeVar("T")
Object = dict[str, Any]
Rows = list[dict[str, Any]]


class Client(BaseClient[Weights, Object, Rows]):
    """A client of a weight-init service. Threads may share it. Close it, or use it in a `with` statement.

    Every method raises ProblemError when the service refuses the request, ConnectionFailed when no complete response arrives, and
    InvalidAnswer when the response does not come from a weight-init service. All three are subclasses of WeightInitError.
    """

    _http: httpx.Client

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return this client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def _connect(self, uds: str | None, **options: Any) -> None:
        self._http = httpx.Client(transport=None if uds is None else httpx.HTTPTransport(uds=uds), **options)

    def _run(self, flow: Flow[T]) -> T:
        with closing(flow):
            try:
                attempt: Attempt = next(flow)
                while True:
                    time.sleep(attempt.pause_s)
                    try:
                        with self._http.stream(**vars(attempt.request)) as response:
                            flow.send(ResponseHead(response.status_code, response.headers))
                            for part in response.iter_raw():
                                flow.send(part)
                        attempt = flow.send(b"")
                    except httpx.RequestError as error:
                        attempt = flow.throw(self._failure(error))
            except StopIteration as end:
                result: T = end.value
                return result


class AsyncClient(BaseClient[Coroutine[Any, Any, Weights], Coroutine[Any, Any, Object], Coroutine[Any, Any, Rows]]):
    """The asyncio counterpart of `Client`: await every method. Tasks may share it. Close it with `aclose` or `async with`.

    `download` writes each part to the file as it arrives. Other tasks run in between.
    """

    _http: httpx.AsyncClient

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return this client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.aclose()

    def _connect(self, uds: str | None, **options: Any) -> None:
        self._http = httpx.AsyncClient(transport=None if uds is None else httpx.AsyncHTTPTransport(uds=uds), **options)

    async def _run(self, flow: Flow[T]) -> T:
        with closing(flow):
            try:
                attempt: Attempt = next(flow)
                while True:
                    await asyncio.sleep(attempt.pause_s)
                    try:
                        async with self._http.stream(**vars(attempt.request)) as response:
                            flow.send(ResponseHead(response.status_code, response.headers))
                            async for part in response.aiter_raw():
                                flow.send(part)
                        attempt = flow.send(b"")
                    except httpx.RequestError as error:
                        attempt = flow.throw(self._failure(error))
            except StopIteration as end:
                result: T = end.value
                return result
