"""Computing on every core what one thread takes in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def usable_cores() -> int:
    """The cores that this process may run on, which in a container or under `taskset` are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def computed_ahead(
    compute: Callable[[int, int], T], parts: Iterable[tuple[int, int]], *, threads: int | None = None
) -> Generator[T, None, None]:
    """`compute(*part)` of each part, in the order of the parts, by `threads` threads (one a core).

    At most twice as many results as threads wait to be taken: memory does not grow with the number of parts. When it ends,
    fails or is closed, no further part is begun and no thread is left.
    """
    threads = threads or usable_cores()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="weight-init")
    waiting: deque[Future[T]] = deque()
    try:
        for part in parts:
            waiting.append(pool.submit(compute, *part))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
