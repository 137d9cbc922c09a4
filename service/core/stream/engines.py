"""Selects the engine: NumPy or the compiled kernels. Both give the same bytes.

Loading the kernels takes a second, and compiling them on first use takes many. So they are loaded on request only: the NumPy engine
computes until `load_kernels` returns.
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
    """Return the engine in use: a module with the names that numpy_engine.py exports."""
    return _current


def load_kernels(cache: Path | None = None) -> None:
    """Use the kernels from now on. `cache` is the folder for compiled code, or else the default one. Raise ImportError without Numba."""
    global _current
    with _loading:
        if _current is numpy_engine:
            from service.core.stream import kernels  # imported here, because Numba takes half a second and may be missing

            kernels.load(cache or default_cache())
            _current = kernels


def is_loading() -> bool:
    """Return whether a thread is loading the kernels. Soon they will compute what takes the NumPy engine too long."""
    return _loading.locked() and _current is numpy_engine


def use_numpy() -> None:
    """Use the NumPy engine from now on."""
    global _current
    _current = numpy_engine


def default_cache() -> Path | None:
    """Return the folder for compiled code in the user's cache folder (XDG Base Directory Specification); None without a home folder."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not folder.is_absolute():  # which the specification demands
        folder = Path(os.path.expanduser("~"), ".cache")  # the user may have no home folder, as in a container
    return folder / "weight-init" if folder.is_absolute() else None
