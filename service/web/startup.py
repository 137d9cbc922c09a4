"""What happens before the first request, and how `/readyz` knows of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from service.core import engines
from service.settings import Settings

_log = logging.getLogger("weight_init")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the kernels: with the engine `numba` before anything is served, with `auto` while the reference serves already."""
    settings: Settings = app.state.settings
    loading = asyncio.create_task(_load(settings))
    app.state.is_ready = loading.done
    if settings.engine == "numba":
        await loading
    yield
    await loading  # a thread that compiles cannot be interrupted


async def _load(settings: Settings) -> None:
    if settings.engine == "numpy":
        return
    try:
        await asyncio.to_thread(engines.load_kernels, settings.kernel_cache)
    except Exception:  # whatever it is, the reference gives the same bytes
        if settings.engine == "numba":
            raise
        _log.exception("the kernels cannot be loaded: the reference engine serves, more slowly")
