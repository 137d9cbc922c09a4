"""Which of the two engines computes: the reference in NumPy, or the compiled kernels. Both give the same bytes.

The kernels must be loaded, which takes a second, or the first time on a machine be compiled, which takes many. So nobody gets them
unasked: until `load_kernels` has returned, the reference computes.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import ModuleType

from service.core.stream import numpy_engine

_current: ModuleType = numpy_engine
_loading = threading.Lock()


def current() -> ModuleType:
    """The engine: a module with `name`, `fill`, `fill_at` and `round_into`, as numpy_engine.py describes them."""
    return _current


def load_kernels(cache: Path | None = None) -> None:
    """Let the kernels compute from now on. `cache`: the folder for compiled code. Raises ImportError without Numba."""
    global _current
    with _loading:
        if _current is numpy_engine:
            from service.core.stream import kernels  # here, because Numba takes half a second to import, and may be missing

            kernels.load(cache or default_cache())
            _current = kernels


def use_numpy() -> None:
    """Let the reference compute from now on."""
    global _current
    _current = numpy_engine


def default_cache() -> Path:
    """Where a user's programs keep what they can make again (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "weight-init"
