"""Sharing equal work between threads and coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from service.concurrency.single_flight import SingleFlight

TIMEOUT_S = 30


def test_concurrent_threads_share_one_computation() -> None:
    flight: SingleFlight[int] = SingleFlight()
    started: list[Future[int]] = []
    all_joined = threading.Barrier(8)

    def start() -> Future[int]:
        started.append(Future())
        return started[-1]

    def join(_: int) -> int:
        future = flight.join("key", start)
        if all_joined.wait(TIMEOUT_S) == 0:  # true for one thread, once all have joined
            started[0].set_result(42)
        return future.result(TIMEOUT_S)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(join, range(8))) == [42] * 8
    assert len(started) == 1
    assert len(flight) == 0


def test_finished_work_is_started_again() -> None:
    flight: SingleFlight[int] = SingleFlight()

    def done(value: int) -> Callable[[], Future[int]]:
        def start() -> Future[int]:
            future: Future[int] = Future()
            future.set_result(value)
            return future

        return start

    assert [flight.join("key", done(value)).result() for value in (1, 2)] == [1, 2]


def test_work_that_fails_to_start_is_not_in_progress() -> None:
    flight: SingleFlight[int] = SingleFlight()

    def start() -> Future[int]:
        raise PermissionError

    for _ in range(2):
        with pytest.raises(PermissionError):
            flight.join("key", start)
    assert len(flight) == 0


def test_every_waiting_caller_gets_the_failure(caplog: pytest.LogCaptureFixture) -> None:
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
    assert caplog.text == "", "asyncio reports no exception that was never retrieved"


@pytest.mark.parametrize("ends_unwatched", [True, False])
def test_work_without_callers_is_cancelled_only_with_ends_unwatched(ends_unwatched: bool) -> None:
    async def scenario() -> None:
        flight: SingleFlight[int] = SingleFlight()
        future: Future[int] = Future()
        waiting = [asyncio.create_task(flight.wait("key", lambda: future, ends_unwatched=ends_unwatched)) for _ in range(2)]
        await asyncio.sleep(0)
        for number, task in enumerate(waiting):
            assert not future.cancelled(), f"{2 - number} callers are still waiting"
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert future.cancelled() is ends_unwatched
        assert len(flight) == (0 if ends_unwatched else 1)

    asyncio.run(scenario())


def test_late_callers_of_ended_work_do_not_keep_new_work_alive() -> None:
    async def scenario() -> None:
        flight: SingleFlight[int] = SingleFlight()
        first: Future[int] = Future()
        second: Future[int] = Future()
        late = asyncio.create_task(flight.wait("key", lambda: first, ends_unwatched=True))
        await asyncio.sleep(0)
        first.set_result(1)  # it has ended, and its caller does not know yet
        leaving = asyncio.create_task(flight.wait("key", lambda: second, ends_unwatched=True))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await late == 1
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert second.cancelled()

    asyncio.run(scenario())
