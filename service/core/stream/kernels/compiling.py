"""How the kernels are compiled, for which processors, and where the result is kept.

The bits must be those of the reference: so no fast-math, and no contraction into fused multiply-adds (LLVM keeps separate
operations separate unless it is told otherwise).
"""

from __future__ import annotations

import atexit
import hashlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba

if sys.byteorder != "little":
    raise ImportError("the kernels write words in pairs, as a little-endian machine reads them; the engine numpy works everywhere")

# Code is compiled for a level of processors, not for one model: a cache then serves every machine of the level, and an image can
# hold one for each (x86-64 psABI, section 3.1.1). At level 4 the vectors shall be as wide as they can be.
LEVELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "x86-64-v4": ("-prefer-256-bit", ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")),
    "x86-64-v3": ("", ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")),
    "x86-64-v2": ("", ("cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3")),
}
_ANY = "generic"  # on arm64 it has vectors


def levels_here() -> list[str]:
    """The levels for which this machine can compile; the code of the first ones may not run on it."""
    return [*LEVELS, _ANY] if platform.machine().lower() in ("x86_64", "amd64") else [_ANY]


def runs_here(level: str) -> bool:
    """Whether this processor is of the level."""
    has = llvm.get_host_cpu_features()
    return level == _ANY or all(has.get(need) for need in LEVELS[level][1])


def _choose_level() -> str:
    """Let Numba compile for the highest level of this processor, or for the one that NUMBA_CPU_NAME says."""
    if numba.config.CPU_NAME is None:
        numba.config.CPU_NAME = next(filter(runs_here, levels_here()))
    level: str = numba.config.CPU_NAME
    if numba.config.CPU_FEATURES is None:
        numba.config.CPU_FEATURES = LEVELS.get(level, ("", ()))[0]
    return level


LEVEL = _choose_level()  # here, because Numba looks but once, at its first function

# A polynomial is a chain of dependent operations, and a processor looks only so far ahead for others to do meanwhile. So each loop does
# so many vectors side by side; left to itself LLVM takes one. It changes the order of independent operations, and no bit.
_INTERLEAVED = 3
llvm.set_option("weight-init", f"-force-vector-interleave={_INTERLEAVED}")

_entries: list[tuple[Any, str]] = []

compiled = numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)
inlined = numba.njit(inline="always")


def entry(signature: str) -> Callable[[Any], Any]:
    """A compiled function that Python calls, with these types and no others: kept on disk with all that it calls."""

    def declare(function: Any) -> Any:
        dispatcher = compiled(function)
        _entries.append((dispatcher, signature))
        return dispatcher

    return declare


def compile_all() -> None:
    """Compile every entry, or load it; nothing is run, since the level may be another processor's."""
    for dispatcher, signature in _entries:
        dispatcher.compile(signature)


class KernelCache:
    """The folder of compiled code: one for each state of the sources, because Numba looks at one file of them only."""

    def __init__(self, folder: Path, level: str) -> None:
        self.folder = folder / _digest()
        self._marker = f"{level}.compiled"

    @property
    def is_complete(self) -> bool:
        """Whether all was compiled before."""
        return (self.folder / self._marker).exists()

    def use(self) -> None:
        """Load from it, and write to it what it lacks. A folder that cannot be written to is copied to one that can."""
        writable = self.folder if _is_writable(self.folder) else _copied(self.folder)
        if writable is None:
            return  # nothing can be kept: it is compiled at each start
        self.folder = writable
        numba.config.CACHE_DIR = str(writable)
        for dispatcher, _ in _entries:
            dispatcher.enable_caching()

    def complete(self) -> None:
        """Note that all is there."""
        if self.folder.is_dir():
            (self.folder / self._marker).touch()


def _digest() -> str:
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), here.parent / "quantiles.py"]
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:16]


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _copied(folder: Path) -> Path | None:
    """A copy in a temporary folder; None where there is no place for one."""
    try:
        copy = Path(tempfile.mkdtemp(prefix="weight-init-kernels-"))
    except OSError:
        return None
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    if folder.is_dir():
        shutil.copytree(folder, copy, dirs_exist_ok=True)
    return copy
