"""Results in order, computed on several threads a little ahead of who takes them."""

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
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_results_come_in_the_order_of_the_parts_whichever_is_ready_first() -> None:
    second_is_ready = threading.Event()

    def compute(start: int, stop: int) -> int:
        if start == 0:
            assert second_is_ready.wait(TIMEOUT_S)
        if start == 1:
            second_is_ready.set()
        return stop

    assert list(computed_ahead(compute, parts(50), threads=2)) == list(range(1, 51))


def test_as_many_are_computed_at_once_as_there_are_threads() -> None:
    meeting = threading.Barrier(3)  # broken unless three are there at once
    assert len(list(computed_ahead(lambda *_: meeting.wait(TIMEOUT_S), parts(12), threads=3))) == 12


def test_of_endless_parts_no_more_are_held_than_two_for_each_thread() -> None:
    begun = parts()
    results = computed_ahead(lambda start, _: start, begun, threads=3)
    assert [next(results) for _ in range(100)] == list(range(100))
    assert next(begun) == (100 + 2 * 3, 101 + 2 * 3)
    results.close()


def test_no_part_is_an_end() -> None:
    assert list(computed_ahead(lambda start, _: start, parts(0))) == []


@pytest.mark.parametrize("fails", [False, True])
def test_when_it_is_closed_or_fails_no_further_part_is_begun(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    begun, is_ending = [], threading.Event()

    class Pool(ThreadPoolExecutor):
        """Lets the part that is being computed end when the waiting ones could have been cancelled."""

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            is_ending.set()
            super().shutdown(wait)

    def compute(start: int, _: int) -> None:
        begun.append(start)
        if start == 1:
            assert is_ending.wait(TIMEOUT_S)
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
    assert begun in ([0], [0, 1])


def test_a_failure_comes_in_its_place() -> None:
    results = computed_ahead(lambda start, _: 6 // (3 - start), parts(9), threads=2)
    assert list(itertools.islice(results, 3)) == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
