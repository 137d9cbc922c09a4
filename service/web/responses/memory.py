"""Returns memory to the system after a load peak.

Blocks leave free memory between smaller allocations. glibc's allocator keeps it, and the next peak adds to it. malloc_trim(3) returns
whole free pages. On other allocators nothing is done.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable
from concurrent.futures import Executor

_DELAY_S = 1.0  # by then the memory of the last responses is free


def release_soon(executor: Executor) -> None:
    """Return memory after a delay, on a thread because it takes some milliseconds. Call it within a running event loop."""
    trim = _malloc_trim()
    if trim is not None:
        asyncio.get_running_loop().call_later(_DELAY_S, executor.submit, trim, 0)


def _malloc_trim() -> Callable[[int], int] | None:
    """Return glibc's malloc_trim, or None if the C library has none."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return None
    return trim
