"""Work whose result is not sent while it is computed: digests, tensors computed whole, gains of activations."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from service.concurrency.cores import usable_cores
from service.concurrency.interruption import submit_interruptible
from service.concurrency.single_flight import SingleFlight
from service.web.problems import HttpProblem

T = TypeVar("T")


class Computations:
    """Threads for such work, fewer than there are cores, so that it does not delay the blocks of responses.

    The CPU time of all work that is in progress or waits for a thread, as estimated before it starts, is at most `max_compute_s`. Work
    that is as short as a short response is done by the threads of those, `short_executor`, so that it need not wait for longer work.
    """

    def __init__(self, max_compute_s: float, *, threads: int, short_s: float, short_executor: Executor) -> None:
        self.max_compute_s = max_compute_s
        self._threads = max(1, min(threads, usable_cores() - 1))
        self._short_s, self._short_executor = short_s, short_executor
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="weight-init-computation")
        self._in_progress: SingleFlight[Any] = SingleFlight()
        self._lock = threading.Lock()
        self._accepted_s: list[float] = []  # the estimate of each work that has not ended

    async def run(self, key: Hashable, work: Callable[[], T], *, cost_s: float) -> T:
        """Return the result of `work`, done once for all concurrent callers with the same `key`. It stops when all of them have left.

        `cost_s` is its estimated CPU time. Raises HttpProblem 503 if there is too much other work, and what `work` raises.
        """
        result: T = await self._in_progress.wait(key, partial(self._start, work, cost_s), ends_unwatched=True)
        return result

    def _start(self, work: Callable[[], T], cost_s: float) -> Future[T]:
        if cost_s <= self._short_s:
            return submit_interruptible(self._short_executor, work)
        with self._lock:
            self._check_room(cost_s)
            self._accepted_s.append(cost_s)
        future = submit_interruptible(self._pool, work)
        future.add_done_callback(lambda _: self._end(cost_s))
        return future

    def _check_room(self, cost_s: float) -> None:
        accepted_s = sum(self._accepted_s)
        if self._accepted_s and accepted_s + cost_s > self.max_compute_s:
            wait_s = max(1, math.ceil(accepted_s / self._threads))
            raise HttpProblem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"computations: expected at most {self.max_compute_s:g} s of work at once (WEIGHT_INIT_MAX_COMPUTE_S); received another"
                f" {cost_s:.2g} s, beside {accepted_s:.2g} s in progress. Try again in {wait_s} s.",
                {"Retry-After": str(wait_s)},
            )

    def _end(self, cost_s: float) -> None:
        with self._lock:
            self._accepted_s.remove(cost_s)
