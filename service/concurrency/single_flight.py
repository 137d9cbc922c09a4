"""Does equal work once when several callers request it at the same time, and gives all of them the result."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The work in progress, by key. Threads and coroutines may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, Future[T]] = {}
        self._waiting: Counter[Future[T]] = Counter()  # callers of each work, since one that has ended may still have some

    def __len__(self) -> int:
        return len(self._running)

    def join(self, key: Hashable, start: Callable[[], Future[T]]) -> Future[T]:
        """Return the future of the work in progress under `key`. If there is none, start it.

        `start` has to return soon, because other callers wait meanwhile. If it raises, the exception passes through and no work is in
        progress.
        """
        with self._lock:
            running = self._running.get(key)
            if running is not None:
                return running
            future = self._running[key] = start()
        future.add_done_callback(partial(self._end, key))  # without the lock, because a future that is done calls it at once
        return future

    async def wait(self, key: Hashable, start: Callable[[], Future[T]], *, ends_unwatched: bool = False) -> T:
        """Join, and wait for the result. Cancelling one caller does not disturb the others.

        With `ends_unwatched`, the work is cancelled when the last caller stops waiting. Callers that come later start it anew, even if it
        has not ended yet.
        """
        future = self.join(key, start)
        self._waiting[future] += 1
        waiter = asyncio.wrap_future(future)
        waiter.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(waiter)
        finally:
            self._waiting[future] -= 1
            if not self._waiting[future]:
                del self._waiting[future]
                if ends_unwatched:
                    self._end(key, future)
                    future.cancel()  # has no effect on finished work

    def _end(self, key: Hashable, future: Future[T]) -> None:
        with self._lock:
            if self._running.get(key) is future:
                del self._running[key]


def _retrieve(done: asyncio.Future[T]) -> None:
    """Retrieve the exception. Otherwise asyncio logs it as never retrieved if all callers have left."""
    if not done.cancelled():
        done.exception()
