"""`weight-init init`: write a tensor to a file or a pipe."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from service.cli.fields import with_fields_of
from service.cli.output import EXIT_INVALID, EXIT_IO, fail, say
from service.contract.answer import Answer, answer
from service.contract.request import InitRequest
from service.core.errors import TooSlow
from service.core.stream import engines
from service.files.formats import Format, find_format, format_of_file
from service.files.writing import STANDARD_OUTPUT, Advance, is_standard_output, write_file
from service.settings import Settings

_PROGRESS_FROM_BYTES = 32 << 20
_KERNELS_FROM_S = 1.0  # of CPU time of the NumPy engine; loading the kernels takes half of it
_TERMINATING_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@with_fields_of(InitRequest)
def init(
    request: InitRequest,
    output: Annotated[Path, typer.Option("--output", "-o", help="file to write, or - for standard output")] = STANDARD_OUTPUT,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print only errors")] = False,
) -> None:
    """Write an initialized tensor to a file or a pipe.

    weight-init init --shape 512,784 --activation relu --seed 7 > w.npy
    """
    settings = Settings()
    result = _answer(request, _format(request, output), settings, quiet=quiet)
    if is_standard_output(output):
        _refuse_terminal(result)
    if settings.engine == "numba" or (settings.engine == "auto" and result.total_seconds > _KERNELS_FROM_S):
        _load_kernels(settings, quiet=quiet)
    with _cleanup_before_signal(), _progress(result, quiet=quiet) as advance:
        write_file(result.file, output, advance=advance)
    if not quiet:
        _report(result)


def _format(request: InitRequest, output: Path) -> Format:
    """Return the requested format, or the one of the file's extension, or the default. Raises UnknownName or InvalidValue."""
    return format_of_file(output.name) if request.format is None else find_format(request.format)


def _refuse_terminal(result: Answer) -> None:
    if os.isatty(1) and result.format.name != "json":  # not sys.stdout, which is None if it is closed
        fail(
            f"output: expected a file or a pipe; received a terminal. {result.format.name} is binary: write it to a file"
            f" (-o {result.file_name}), or use --format json.",
            EXIT_INVALID,
        )


def _answer(request: InitRequest, file_format: Format, settings: Settings, *, quiet: bool) -> Answer:
    """Return the answer. If it would take the NumPy engine too long, load the compiled kernels. Raises InitError."""
    try:
        return answer(request, file_format, settings.limits)
    except TooSlow:
        if settings.engine == "numpy":
            raise
        _load_kernels(settings, quiet=quiet)
        return answer(request, file_format, settings.limits)


def _load_kernels(settings: Settings, *, quiet: bool) -> None:
    """Load the compiled kernels."""
    if not quiet:
        logging.basicConfig(format="%(message)s", level=logging.INFO)  # because the first run on a machine compiles them
    try:
        engines.load_kernels(settings.kernel_cache)
    except Exception as error:  # any error, because the NumPy engine gives the same bytes
        if settings.engine == "numba":
            fail(f"WEIGHT_INIT_ENGINE=numba: cannot load the kernels: {error}", EXIT_IO)


@contextmanager
def _progress(result: Answer, *, quiet: bool) -> Iterator[Advance]:
    """Show a progress bar on a terminal while a large file is written. The value advances it by a number of bytes."""
    if quiet or result.tensor.nbytes < _PROGRESS_FROM_BYTES or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # imported here: importing it takes as long as computing a million elements
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield partial(progress.advance, progress.add_task(result.file_name, total=result.nbytes))


class _Terminated(BaseException):
    """A signal asks the process to end."""


@contextmanager
def _cleanup_before_signal() -> Iterator[None]:
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


def _report(result: Answer) -> None:
    facts = result.metadata
    say(f"{facts['scheme']}, {facts['dtype']} {facts['shape']}, standard deviation {facts['stddev']:.6g}, seed {facts['seed']}")
    for warning in facts["warnings"]:
        say(f"warning: {warning}", typer.colors.YELLOW)
