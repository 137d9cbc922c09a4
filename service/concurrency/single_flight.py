"""Equal work that is asked for at the same time is done once, and all who asked share the result."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The work in progress, by key. Threads and coroutines may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, Future[T]] = {}
        self._waiting: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._running)

    def join(self, key: Hashable, start: Callable[[], Future[T]]) -> Future[T]:
        """Return the future of the work in progress under `key`, or of the work that `start` begins.

        `start` must only begin the work, since other callers wait meanwhile. What it raises is raised here, and nothing is in progress.
        """
        with self._lock:
            running = self._running.get(key)
            if running is not None:
                return running
            future = self._running[key] = start()
        future.add_done_callback(lambda _: self._end(key))  # outside the lock: for a future that is done, it is called at once
        return future

    async def wait(self, key: Hashable, start: Callable[[], Future[T]], *, ends_unwatched: bool = False) -> T:
        """Join, and wait for the result. A caller that is cancelled leaves the work to the others.

        `ends_unwatched`: when the last of them leaves, the work is cancelled.
        """
        future = self.join(key, start)
        self._waiting[key] += 1
        waiter = asyncio.wrap_future(future)
        waiter.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(waiter)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
                if ends_unwatched:
                    future.cancel()  # without effect on work that has ended

    def _end(self, key: Hashable) -> None:
        with self._lock:
            del self._running[key]


def _retrieve(done: asyncio.Future[T]) -> None:
    """Look at an exception that nobody may be left to see, or asyncio reports it as forgotten."""
    if not done.cancelled():
        done.exception()
