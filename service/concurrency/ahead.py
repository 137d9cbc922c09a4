"""Computes results on several threads ahead of their consumer, and yields them in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from service.concurrency.cores import usable_cores

T = TypeVar("T")
Part = tuple[int, int]

_threads = usable_cores()


def computing_threads() -> int:
    """Return the number of threads that one computation takes: one per core, unless a program limits it."""
    return _threads


@contextmanager
def computing_threads_limited_to(threads: int) -> Iterator[None]:
    """Let a computation in this process take at most this many threads."""
    global _threads
    before, _threads = _threads, threads
    try:
        yield
    finally:
        _threads = before


def submitted_ahead(
    submit: Callable[[int, int], Future[T]], parts: Iterable[Part], limit: Callable[[], int]
) -> Generator[Future[T], None, None]:
    """Yield the future of each part, in the order of the parts, and keep up to `limit()` of them submitted ahead.

    Closing the generator cancels the parts that were submitted and have not started.
    """
    remaining = iter(parts)
    waiting: deque[Future[T]] = deque()
    try:
        while True:
            while len(waiting) < limit() and (part := next(remaining, None)) is not None:
                waiting.append(submit(*part))
            if not waiting:
                return
            yield waiting.popleft()
    finally:
        for future in waiting:
            future.cancel()


def computed_ahead(compute: Callable[[int, int], T], parts: Iterable[Part], *, threads: int | None = None) -> Generator[T, None, None]:
    """Yield `compute(*part)` for each part, in the order of the parts, computed by `threads` threads.

    The default is `computing_threads()`.

    At most two results per thread wait for the consumer, so memory does not grow with the number of parts. When the generator ends,
    fails or is closed, it starts no further part and leaves no thread behind.
    """
    threads = threads or computing_threads()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="weight-init")

    def submit(start: int, stop: int) -> Future[T]:
        return pool.submit(compute, start, stop)

    try:
        for future in submitted_ahead(submit, parts, lambda: 2 * threads + 1):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
