"""Giving memory back after a rush. What blocks leave free between smaller things, glibc's allocator keeps, and the next rush adds
to it; asked for it, it gives whole free pages back (malloc_trim(3)). Other allocators are not asked.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable
from concurrent.futures import Executor

_REST_S = 1.0  # what the last answers used is free by then


def give_back_soon(executor: Executor) -> None:
    """Give it back after a rest, on a thread: it takes some milliseconds. Within a running event loop."""
    trim = _malloc_trim()
    if trim is not None:
        asyncio.get_running_loop().call_later(_REST_S, executor.submit, trim, 0)


def _malloc_trim() -> Callable[[int], int] | None:
    """glibc's; None where the C library has none."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return None
    return trim
