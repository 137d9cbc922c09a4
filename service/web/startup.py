"""Loads the kernels at the start, drains requests before the end, and tells `/readyz` about both."""

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

from service.concurrency.ahead import computing_threads_limited_to
from service.concurrency.cores import usable_cores
from service.core.stream import engines
from service.settings import Settings
from service.web import signals
from service.web.monitoring import metrics

_log = logging.getLogger("weight_init")


@dataclass
class Readiness:
    """Whether the service is ready for requests."""

    is_loading: bool = False
    is_shutting_down: bool = False

    @property
    def reason_not_ready(self) -> str:
        """Why the service is not ready; empty when it is."""
        if self.is_shutting_down:
            return "This server is shutting down. Send requests to another one."
        return "The kernels are loading. Try again in a second." if self.is_loading else ""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the kernels at the start and drain requests at the end.

    With engine `numba`, nothing is served until the kernels are loaded. With `auto`, the NumPy engine serves meanwhile.
    """
    settings: Settings = app.state.settings
    readiness: Readiness = app.state.readiness
    readiness.is_loading = True
    with signals.handled(app.state.keys):
        loading = asyncio.create_task(_load(settings, readiness))
        if settings.engine == "numba":
            await loading
        # A computation on several threads may not take the core that responses need.
        with computing_threads_limited_to(max(1, usable_cores() - 1)), _draining_on_sigterm(readiness, settings.drain_delay):
            yield
        await loading  # the thread that compiles them cannot be interrupted


async def _load(settings: Settings, readiness: Readiness) -> None:
    try:
        if settings.engine != "numpy":
            await asyncio.to_thread(engines.load_kernels, settings.kernel_cache)
    except Exception:  # any failure: the NumPy engine gives the same bytes
        if settings.engine == "numba":
            raise
        _log.exception("failed to load the kernels: the NumPy engine serves instead, more slowly")
    metrics.set_engine()
    readiness.is_loading = False


@contextmanager
def _draining_on_sigterm(readiness: Readiness, delay_s: float) -> Iterator[None]:
    """On SIGTERM, report 503 at `/readyz` for `delay_s`, so that load balancers notice. Then let uvicorn shut down.

    A second SIGTERM ends the delay. Uvicorn then accepts no more connections, and finishes the responses it is sending.
    """
    if threading.current_thread() is not threading.main_thread():  # Python handles signals only in the main thread
        yield
        return
    loop = asyncio.get_running_loop()
    shut_down = signal.getsignal(signal.SIGTERM)  # uvicorn's handler

    def drain(number: int, frame: FrameType | None) -> None:
        readiness.is_shutting_down = True
        signal.signal(signal.SIGTERM, shut_down)
        loop.call_soon_threadsafe(loop.call_later, delay_s, signal.raise_signal, number)

    signal.signal(signal.SIGTERM, drain)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, shut_down)
