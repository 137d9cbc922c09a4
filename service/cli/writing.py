"""What the commands that write files share: the compiled kernels, the progress bar, and cleaning up at a signal."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from service.cli.output import EXIT_IO, fail
from service.core.errors import TooSlow
from service.core.stream import engines
from service.files.writing import Advance
from service.settings import Settings

T = TypeVar("T")

PROGRESS_FROM_BYTES = 32 << 20
_KERNELS_FROM_S = 1.0  # of CPU time of the NumPy engine; loading the kernels takes half of it
_TERMINATING_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def load_kernels_for(seconds: float, settings: Settings, *, quiet: bool) -> None:
    """Load the compiled kernels if the settings ask for them, or if the work takes this much CPU time without them."""
    if settings.engine == "numba" or (settings.engine == "auto" and seconds > _KERNELS_FROM_S):
        load_kernels(settings, quiet=quiet)


def load_kernels(settings: Settings, *, quiet: bool) -> None:
    """Load the compiled kernels."""
    if not quiet:
        logging.basicConfig(format="%(message)s", level=logging.INFO)  # because the first run on a machine compiles them
    try:
        engines.load_kernels(settings.kernel_cache)
    except Exception as error:  # any error, because the NumPy engine gives the same bytes
        if settings.engine == "numba":
            fail(f"WEIGHT_INIT_ENGINE=numba: cannot load the kernels: {error}", EXIT_IO)


def with_kernels_if_too_slow(open_request: Callable[[], T], settings: Settings, *, quiet: bool) -> T:
    """Return what a request opens. If it would take the NumPy engine too long, load the compiled kernels first. Raises InitError."""
    try:
        return open_request()
    except TooSlow:
        if settings.engine == "numpy":
            raise
        load_kernels(settings, quiet=quiet)
        return open_request()


@contextmanager
def progress(title: str, nbytes: int | None, *, shown: bool) -> Iterator[Advance]:
    """Show a progress bar on a terminal. The value advances it by a number of bytes."""
    if not shown or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # imported here: importing it takes as long as computing a million elements
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield partial(bar.advance, bar.add_task(title, total=nbytes))


class _Terminated(BaseException):
    """A signal asks the process to end."""


@contextmanager
def cleanup_before_signal() -> Iterator[None]:
    """Clean up when a signal arrives. Then the same signal ends the process: a shell sees 130 or 143, and stops its loop too."""
    signals = [number for number in _TERMINATING_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores SIGHUP

    def end(number: int, _: object) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)  # because a second signal must not interrupt the cleanup
        raise _Terminated(number)

    previous = {number: signal.signal(number, end) for number in signals}
    try:
        yield
    except _Terminated as error:
        (number,) = error.args
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        sys.exit(128 + number)  # reached only by the first process of a container, which its own signals do not end
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
