"""Timing on a noisy machine: the candidates take turns, and the result is the median ratio of the times in each round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

Times = dict[str, list[float]]  # candidate -> seconds in each round


@dataclass(frozen=True)
class Figure:
    """A row of the results: a measurement, its reference, and an optional limit for their ratio."""

    label: str
    measured: str
    reference: str
    ratio: float | None
    limit: float | None
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        """Whether the ratio is within the limit, or None without a limit."""
        if self.limit is None or self.ratio is None:
            return None
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


def alternate(candidates: Mapping[str, Callable[[], object]], runs: int, *, rest_s: float = 0.3) -> Times:
    """Return the seconds of each candidate in each of `runs` rounds, after a warm-up round.

    A rest precedes each measurement, because threads of some libraries keep spinning for a while and would slow down the next candidate.
    """
    return alternate_timed({name: partial(_seconds, candidate) for name, candidate in candidates.items()}, runs, rest_s=rest_s)


def alternate_timed(candidates: Mapping[str, Callable[[], float]], runs: int, *, rest_s: float = 0.3) -> Times:
    """Do the same as `alternate` for candidates that return their own seconds."""
    times: Times = {name: [] for name in candidates}
    for run in range(runs + 1):
        for name, candidate in candidates.items():
            time.sleep(rest_s)
            seconds = candidate()
            if run:
                times[name].append(seconds)
    return times


def _seconds(candidate: Callable[[], object]) -> float:
    start = time.perf_counter()
    candidate()
    return time.perf_counter() - start


def ratio(times: Times, one: str, other: str) -> float:
    """Return the median over all rounds of the time of `one` divided by that of `other`."""
    return statistics.median(a / b for a, b in zip(times[one], times[other]))


def median(times: Times, name: str) -> float:
    """Return the median time of a candidate in seconds."""
    return statistics.median(times[name])
