"""Stops work that nobody waits for any more. Python cannot stop a thread, so long work asks now and then whether it should stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from typing import TypeVar

from typing_extensions import override

T = TypeVar("T")


class Interrupted(Exception):
    """The work was stopped, because nobody waits for its result."""


class Interruption:
    """Whether one piece of work should stop. Any thread may request it."""

    def __init__(self) -> None:
        self._requested = threading.Event()

    def request(self) -> None:
        """Make the work stop the next time it asks."""
        self._requested.set()

    def run(self, work: Callable[[], T]) -> T:
        """Do the work on this thread. Raise Interrupted if it stops, or if it should not begin."""
        token = _current.set(self)
        try:
            self.check()
            return work()
        finally:
            _current.reset(token)

    def check(self) -> None:
        """Raise Interrupted if it was requested."""
        if self._requested.is_set():
            raise Interrupted


_current: ContextVar[Interruption | None] = ContextVar("interruption", default=None)


def stop_if_unwatched() -> None:
    """Raise Interrupted if nobody waits for the work of this thread any more. Long work calls it at least once a second."""
    interruption = _current.get()
    if interruption is not None:
        interruption.check()


class _Work(Future[T]):
    """A future whose `cancel` also interrupts work that has begun."""

    def __init__(self) -> None:
        super().__init__()
        self._interruption = Interruption()

    @override
    def cancel(self) -> bool:
        self._interruption.request()
        return super().cancel()

    def do(self, work: Callable[[], T]) -> None:
        """Do the work on this thread, unless it was cancelled before it began."""
        if not self.set_running_or_notify_cancel():
            return
        try:
            result = self._interruption.run(work)
        except BaseException as error:
            self.set_exception(error)
        else:
            self.set_result(result)


def submit_interruptible(executor: Executor, work: Callable[[], T]) -> Future[T]:
    """Submit work. Cancelling its future cancels it before it begins, and interrupts it after."""
    future = _Work[T]()
    executor.submit(future.do, work)
    return future
