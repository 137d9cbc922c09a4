"""What happens before the first request and after the last one is welcome, and how `/readyz` knows of it."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import FrameType

from fastapi import FastAPI

from service.core.stream import engines
from service.settings import Settings
from service.web.monitoring import metrics

_log = logging.getLogger("weight_init")


@dataclass
class Readiness:
    """Whether requests are welcome."""

    is_loading: bool = False
    is_ending: bool = False

    @property
    def obstacle(self) -> str:
        """Why they are not; nothing when they are."""
        if self.is_ending:
            return "This server is ending. Ask another one."
        return "The kernels are being loaded. Ask again in a second." if self.is_loading else ""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the kernels: with the engine `numba` before anything is served, with `auto` while the reference serves already."""
    settings: Settings = app.state.settings
    readiness: Readiness = app.state.readiness
    readiness.is_loading = True
    loading = asyncio.create_task(_load(settings, readiness))
    if settings.engine == "numba":
        await loading
    with _drained(readiness, settings.drain_delay):
        yield
    await loading  # a thread that compiles cannot be interrupted


async def _load(settings: Settings, readiness: Readiness) -> None:
    try:
        if settings.engine != "numpy":
            await asyncio.to_thread(engines.load_kernels, settings.kernel_cache)
    except Exception:  # whatever it is, the reference gives the same bytes
        if settings.engine == "numba":
            raise
        _log.exception("the kernels cannot be loaded: the reference engine serves, more slowly")
    metrics.set_engine()
    readiness.is_loading = False


@contextmanager
def _drained(readiness: Readiness, delay_s: float) -> Iterator[None]:
    """On SIGTERM say first that no more requests are welcome, for so long that who balances the load has heard of it; then let it end.

    A second signal ends it at once.
    """
    if threading.current_thread() is not threading.main_thread():  # only there are signals heard
        yield
        return
    loop = asyncio.get_running_loop()
    end = signal.getsignal(signal.SIGTERM)  # uvicorn's, which stops listening

    def drain(number: int, frame: FrameType | None) -> None:
        readiness.is_ending = True
        signal.signal(signal.SIGTERM, end)
        loop.call_soon_threadsafe(loop.call_later, delay_s, signal.raise_signal, number)

    signal.signal(signal.SIGTERM, drain)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, end)
