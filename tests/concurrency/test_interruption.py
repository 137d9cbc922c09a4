"""Work stops when its future is cancelled, whether it has begun or not."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from service.concurrency.interruption import Interrupted, Interruption, stop_if_unwatched, submit_interruptible

TIMEOUT_S = 30


def test_work_without_an_interruption_never_stops() -> None:
    stop_if_unwatched()


def test_returns_the_result_or_raises_the_error_of_the_work() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert submit_interruptible(pool, lambda: 42).result(TIMEOUT_S) == 42
        with pytest.raises(ZeroDivisionError):
            submit_interruptible(pool, lambda: 1 / 0).result(TIMEOUT_S)


def test_work_in_progress_stops_the_next_time_it_asks() -> None:
    begun = threading.Event()

    def work() -> None:
        begun.set()
        while not threading.Event().wait(0.001):
            stop_if_unwatched()

    with ThreadPoolExecutor(1) as pool:
        future = submit_interruptible(pool, work)
        assert begun.wait(TIMEOUT_S)
        future.cancel()
        with pytest.raises(Interrupted):
            future.result(TIMEOUT_S)


def test_work_that_has_not_begun_is_never_done() -> None:
    go_on, done = threading.Event(), list[int]()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(go_on.wait, TIMEOUT_S)
        future = submit_interruptible(pool, lambda: done.append(1))
        assert future.cancel()
        go_on.set()
    assert not done
    with pytest.raises(CancelledError):
        future.result(TIMEOUT_S)


def test_an_interruption_ends_with_its_work() -> None:
    interruption = Interruption()
    interruption.request()
    with pytest.raises(Interrupted):
        interruption.run(lambda: pytest.fail("it was done"))
    stop_if_unwatched()
