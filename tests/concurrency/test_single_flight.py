"""Equal work is done once, by threads and by coroutines, and whoever leaves early disturbs nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from service.concurrency.single_flight import SingleFlight

TIMEOUT_S = 30


def test_threads_that_ask_at_the_same_time_share_one_computation() -> None:
    flight: SingleFlight[int] = SingleFlight()
    begun: list[Future[int]] = []
    others_joined = threading.Barrier(8)

    def start() -> Future[int]:
        begun.append(Future())
        return begun[-1]

    def ask(_: int) -> int:
        future = flight.join("key", start)
        if others_joined.wait(TIMEOUT_S) == 0:  # one of them, when all have joined
            begun[0].set_result(42)
        return future.result(TIMEOUT_S)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [42] * 8
    assert len(begun) == 1
    assert len(flight) == 0


def test_work_that_has_ended_is_begun_anew() -> None:
    flight: SingleFlight[int] = SingleFlight()

    def done(value: int) -> Callable[[], Future[int]]:
        def start() -> Future[int]:
            future: Future[int] = Future()
            future.set_result(value)
            return future

        return start

    assert [flight.join("key", done(value)).result() for value in (1, 2)] == [1, 2]


def test_work_that_cannot_begin_leaves_nothing_in_progress() -> None:
    flight: SingleFlight[int] = SingleFlight()

    def start() -> Future[int]:
        raise PermissionError

    for _ in range(2):
        with pytest.raises(PermissionError):
            flight.join("key", start)
    assert len(flight) == 0


def test_a_failure_is_everybodys(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        flight: SingleFlight[int] = SingleFlight()
        future: Future[int] = Future()
        waiting = [asyncio.create_task(flight.wait("key", lambda: future)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        future.set_exception(ArithmeticError("broken"))
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert [str(result) for result in results[1:]] == ["broken", "broken"]

    asyncio.run(scenario())
    assert caplog.text == "", "no exception was forgotten"


@pytest.mark.parametrize("ends_unwatched", [True, False])
def test_work_that_nobody_waits_for_ends_only_if_it_is_told_to(ends_unwatched: bool) -> None:
    async def scenario() -> None:
        flight: SingleFlight[int] = SingleFlight()
        future: Future[int] = Future()
        waiting = [asyncio.create_task(flight.wait("key", lambda: future, ends_unwatched=ends_unwatched)) for _ in range(2)]
        await asyncio.sleep(0)
        for number, task in enumerate(waiting):
            assert not future.cancelled(), f"{2 - number} still wait"
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert future.cancelled() is ends_unwatched
        assert len(flight) == (0 if ends_unwatched else 1)

    asyncio.run(scenario())
