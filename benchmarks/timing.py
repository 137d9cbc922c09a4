"""Timing on a noisy machine: the candidates take turns, and what counts is the median of the ratios of neighbours."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

Seconds = dict[str, list[float]]


@dataclass(frozen=True)
class Figure:
    """A line of the results: `measured` against `reference`, with the limit that it must keep, if there is one."""

    what: str
    measured: str
    reference: str
    ratio: float | None
    limit: float | None
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        """None where there is no limit."""
        if self.limit is None or self.ratio is None:
            return None
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


def alternate(candidates: Mapping[str, Callable[[], object]], runs: int, *, rest_s: float = 0.3) -> Seconds:
    """The seconds of each candidate in each of `runs` rounds, after one that does not count.

    Each begins after a rest: a library's threads go on spinning for a while after their work, on the cores of whoever is next.
    """
    return alternate_timed({name: partial(_seconds, candidate) for name, candidate in candidates.items()}, runs, rest_s=rest_s)


def alternate_timed(candidates: Mapping[str, Callable[[], float]], runs: int, *, rest_s: float = 0.3) -> Seconds:
    """The same for candidates that say themselves how many seconds they took."""
    taken: Seconds = {name: [] for name in candidates}
    for run in range(runs + 1):
        for name, candidate in candidates.items():
            time.sleep(rest_s)
            seconds = candidate()
            if run:
                taken[name].append(seconds)
    return taken


def _seconds(candidate: Callable[[], object]) -> float:
    begin = time.perf_counter()
    candidate()
    return time.perf_counter() - begin


def ratio(taken: Seconds, one: str, other: str) -> float:
    """The median of the ratios within each round."""
    return statistics.median(a / b for a, b in zip(taken[one], taken[other]))


def median(taken: Seconds, name: str) -> float:
    """The median time in seconds."""
    return statistics.median(taken[name])
