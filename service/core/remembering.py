"""Remembers the results of a function, and its refusals too, so that a request that is refused costs its work only once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import update_wrapper
from typing import Generic, TypeVar

from service.core.errors import InitError

R = TypeVar("R")


class Remembering(Generic[R]):
    """A function that remembers its most recent results and refusals (InitError), by its arguments, which are hashable."""

    def __init__(self, function: Callable[..., R], size: int) -> None:
        self._function, self._size = function, size
        self._outcomes: OrderedDict[tuple[Hashable, ...], tuple[R] | InitError] = OrderedDict()
        self._lock = threading.Lock()
        update_wrapper(self, function)

    def __call__(self, *arguments: Hashable) -> R:
        """Return the result for these arguments, or raise the refusal."""
        outcome = self._known(arguments)
        if outcome is None:
            outcome = self._find_out(arguments)
            self._remember(arguments, outcome)
        if isinstance(outcome, InitError):
            raise _copy_of(outcome)
        return outcome[0]

    def knows(self, *arguments: Hashable) -> bool:
        """Return whether a call with these arguments would only remember."""
        return arguments in self._outcomes

    def _known(self, arguments: tuple[Hashable, ...]) -> tuple[R] | InitError | None:
        with self._lock:
            outcome = self._outcomes.get(arguments)
            if outcome is not None:
                self._outcomes.move_to_end(arguments)
            return outcome

    def _find_out(self, arguments: tuple[Hashable, ...]) -> tuple[R] | InitError:
        try:
            return (self._function(*arguments),)
        except InitError as error:
            return _copy_of(error)

    def _remember(self, arguments: tuple[Hashable, ...], outcome: tuple[R] | InitError) -> None:
        with self._lock:
            self._outcomes[arguments] = outcome
            if len(self._outcomes) > self._size:
                self._outcomes.popitem(last=False)


def remembering(size: int) -> Callable[[Callable[..., R]], Remembering[R]]:
    """Decorate a function so that it remembers its last `size` outcomes."""
    return lambda function: Remembering(function, size)


def _copy_of(error: InitError) -> InitError:
    """Return an equal error without a traceback, whose frames would keep their variables in memory."""
    copy = type(error).__new__(type(error), *error.args)
    vars(copy).update(vars(error))
    return copy
