"""Finds values that code draws with the generators of Python or NumPy. The recorder sees operations of torch alone, so it takes such a
value for one that is computed."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from service.checkpoints.tracing.sources import Traced


@dataclass
class _Use:
    """Whether code has drawn from a generator."""

    found: bool = False


def without_foreign_draws(trace: Callable[[], Traced]) -> Traced:
    """Trace a model. If its code draws outside torch, trace it again: what differs then was drawn, and nothing says how."""
    with _watching() as use:
        first = trace()
    if not use.found:
        return first
    again = {entry["name"]: entry for entry in trace().entries}
    drawn = {entry["name"] for entry in first.entries if entry != again.get(entry["name"])}
    entries = [{"name": entry["name"], "shape": entry["shape"]} if entry["name"] in drawn else entry for entry in first.entries]
    untraced = [entry["name"] for entry in entries if entry["name"] in drawn.union(first.untraced)]
    return replace(first, entries=entries, untraced=untraced)


@contextmanager
def _watching() -> Iterator[_Use]:
    """Find out whether generators are used: the shared ones by their states, those of default_rng when they are made."""
    use, before, original = _Use(), _states(), np.random.default_rng

    def default_rng(*args: Any, **kwargs: Any) -> Any:
        use.found = True
        return original(*args, **kwargs)

    np.random.default_rng = default_rng
    try:
        yield use
    finally:
        np.random.default_rng = original
        use.found |= _states() != before


def _states() -> tuple[bytes, object]:
    return pickle.dumps(np.random.get_state()), random.getstate()
