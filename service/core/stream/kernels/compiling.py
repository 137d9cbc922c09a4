"""Compiles the kernels for a level of processors.

The bits have to equal those of the NumPy engine. So there is no fast-math and no contraction into fused multiply-adds. LLVM keeps
separate operations separate by default.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core.sigutils import normalize_signature

if sys.byteorder != "little":
    raise ImportError("the kernels need a little-endian machine; the NumPy engine works everywhere")

# Code is compiled for a level of processors (x86-64 psABI, section 3.1.1), not for one model. So one cache serves every machine of the
# level, and an image can hold the code for each level. The option of level 4 allows vectors of 512 bits.
LEVELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "x86-64-v4": ("-prefer-256-bit", ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")),
    "x86-64-v3": ("", ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")),
    "x86-64-v2": ("", ("cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3")),
}
_GENERIC = "generic"  # includes vector instructions on arm64


def levels_here() -> list[str]:
    """Return the levels that this machine can compile for, highest first. It may be unable to run the highest ones."""
    return [*LEVELS, _GENERIC] if platform.machine().lower() in ("x86_64", "amd64") else [_GENERIC]


def runs_here(level: str) -> bool:
    """Return whether this processor supports the level, or takes the name of a processor that someone else chose."""
    features, (_, needed) = llvm.get_host_cpu_features(), LEVELS.get(level, ("", ()))
    return all(features.get(name) for name in needed)


def _choose_level() -> str:
    """Make Numba compile for NUMBA_CPU_NAME if it is set, else for the highest level that this processor supports."""
    if numba.config.CPU_NAME is None:
        numba.config.CPU_NAME = next(filter(runs_here, levels_here()))
    level: str = numba.config.CPU_NAME
    if numba.config.CPU_FEATURES is None:
        numba.config.CPU_FEATURES = LEVELS.get(level, ("", ()))[0]
    return level


LEVEL = _choose_level()  # at import, because Numba reads the setting only once, for its first function

# Each step of a polynomial waits for the one before, so a loop has to interleave several vectors to keep the processor busy. By default
# LLVM takes one. Interleaving reorders independent operations only, so it changes no bit.
_INTERLEAVED_VECTORS = 3
llvm.set_option("weight-init", f"-force-vector-interleave={_INTERLEAVED_VECTORS}")

_entries: list[tuple[Any, tuple[Any, ...]]] = []  # each with the types of its arguments

compiled = numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)
inlined = numba.njit(inline="always")


def entry(signature: str) -> Callable[[Any], Any]:
    """Declare a compiled function that Python calls with exactly these types. It is cached on disk, with the functions that it calls."""

    def declare(function: Any) -> Any:
        dispatcher = compiled(function)
        types, _ = normalize_signature(signature)  # Numba compiles anew for types, and keeps code under what it was compiled for
        _entries.append((dispatcher, types))
        return dispatcher

    return declare


def compile_all() -> None:
    """Compile or load every entry without running any, because this processor may not support the level."""
    for dispatcher, types in _entries:
        dispatcher.compile(types)


def keep_in(folder: Path) -> None:
    """Let Numba load the entries from a folder, and write what it compiles to it."""
    numba.config.CACHE_DIR = str(folder)
    for dispatcher, _ in _entries:
        dispatcher.enable_caching()


def compile_anew() -> None:
    """Compile every entry, also if it is loaded."""
    for dispatcher, types in _entries:
        dispatcher.recompile()
        dispatcher.compile(types)  # those that could not be loaded


def number_compiled() -> int:
    """Return how many entries were compiled, because they were not in the folder."""
    return sum(sum(dispatcher.stats.cache_misses.values()) for dispatcher, _ in _entries)
