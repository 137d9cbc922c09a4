"""Computing results on several threads ahead of their consumer."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.concurrency import ahead
from service.concurrency.ahead import computed_ahead

TIMEOUT_S = 60


def parts(count: int | None = None) -> Iterator[tuple[int, int]]:
    return ((start, start + 1) for start in itertools.islice(itertools.count(), count))


@pytest.fixture(autouse=True)
def _leaves_no_thread_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_yields_results_in_the_order_of_the_parts() -> None:
    second_is_ready = threading.Event()

    def compute(start: int, stop: int) -> int:
        if start == 0:
            assert second_is_ready.wait(TIMEOUT_S)
        if start == 1:
            second_is_ready.set()
        return stop

    assert list(computed_ahead(compute, parts(50), threads=2)) == list(range(1, 51))


def test_computes_one_part_per_thread_at_the_same_time() -> None:
    barrier = threading.Barrier(3)  # breaks unless three threads wait at once
    assert len(list(computed_ahead(lambda *_: barrier.wait(TIMEOUT_S), parts(12), threads=3))) == 12


def test_holds_at_most_two_results_per_thread_of_endless_parts() -> None:
    remaining = parts()
    results = computed_ahead(lambda start, _: start, remaining, threads=3)
    assert [next(results) for _ in range(100)] == list(range(100))
    assert next(remaining) == (100 + 2 * 3, 101 + 2 * 3)
    results.close()


def test_yields_nothing_without_parts() -> None:
    assert list(computed_ahead(lambda start, _: start, parts(0))) == []


@pytest.mark.parametrize("fails", [False, True], ids=["closed", "failed"])
def test_starts_no_further_part_after_a_failure_or_when_closed(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    started, shutting_down = [], threading.Event()

    class Pool(ThreadPoolExecutor):
        """A pool that lets the running part finish only after the waiting parts have been cancelled."""

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            shutting_down.set()
            super().shutdown(wait)

    def compute(start: int, _: int) -> None:
        started.append(start)
        if start == 1:
            assert shutting_down.wait(TIMEOUT_S)
        elif fails:
            raise ArithmeticError(f"part {start}")

    monkeypatch.setattr(ahead, "ThreadPoolExecutor", Pool)
    results = computed_ahead(compute, parts(), threads=1)
    if fails:
        with pytest.raises(ArithmeticError, match="part 0"):
            next(results)
    else:
        next(results)
        results.close()
    assert started in ([0], [0, 1])


def test_raises_a_failure_in_the_order_of_the_parts() -> None:
    results = computed_ahead(lambda start, _: 6 // (3 - start), parts(9), threads=2)
    assert list(itertools.islice(results, 3)) == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
