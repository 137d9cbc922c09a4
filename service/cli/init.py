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
from service.core.stream import engines
from service.files.formats import DEFAULT_FORMAT, FORMATS, Format, find_format
from service.files.writing import STANDARD_OUTPUT, Advance, is_standard_output, write_file
from service.settings import Settings

_PROGRESS_FROM_BYTES = 32 << 20
_KERNELS_FROM_ELEMENTS = 1 << 25  # for which the reference takes about a second on two cores, and loading the kernels half of one
_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@with_fields_of(InitRequest)
def init(
    wanted: InitRequest,
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write; - for standard output")] = STANDARD_OUTPUT,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="say nothing but errors")] = False,
) -> None:
    """Write an initialized tensor to a file or a pipe.

    weight-init init --shape 512,784 --activation relu --seed 7 > w.npy
    """
    settings = Settings()
    made = answer(wanted, _format(wanted, output), settings.limits)
    if is_standard_output(output):
        _refuse_terminal(made)
    _load_kernels(made, settings, quiet=quiet)
    with _cleaned_up_before_a_signal_ends_it(), _progress(made, quiet=quiet) as advance:
        write_file(made.file, output, advance=advance)
    if not quiet:
        _report(made)


def _format(wanted: InitRequest, output: Path) -> Format:
    """The format asked for, else that of the file's extension, else the default."""
    if wanted.format is not None:
        return find_format(wanted.format)
    extension = output.suffix.removeprefix(".")
    return next((row for row in FORMATS.values() if row.extension == extension), DEFAULT_FORMAT)


def _refuse_terminal(made: Answer) -> None:
    if os.isatty(1) and made.format.name != "json":  # sys.stdout is None where it is closed
        fail(f"{made.format.name} is binary: write it to a file (-o {made.file_name}) or a pipe, or ask for --format json", EXIT_INVALID)


def _load_kernels(made: Answer, settings: Settings, *, quiet: bool) -> None:
    """Load the compiled kernels where they are asked for, or where the reference would take longer than loading them."""
    if settings.engine == "numpy" or (settings.engine == "auto" and made.tensor.size < _KERNELS_FROM_ELEMENTS):
        return
    if not quiet:
        logging.basicConfig(format="%(message)s", level=logging.INFO)  # the first time on a machine they are compiled
    try:
        engines.load_kernels(settings.kernel_cache)
    except Exception as error:  # whatever it is, the reference gives the same bytes
        if settings.engine == "numba":
            fail(f"WEIGHT_INIT_ENGINE=numba: the kernels cannot be loaded: {error}", EXIT_IO)


@contextmanager
def _progress(made: Answer, *, quiet: bool) -> Iterator[Advance]:
    """A bar on a terminal while something large is written; the value takes the number of bytes that were."""
    if quiet or made.tensor.nbytes < _PROGRESS_FROM_BYTES or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # only here: to load it takes as long as to make a million elements
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield partial(progress.advance, progress.add_task(made.file_name, total=made.tensor.nbytes))


class _Ended(BaseException):
    """A signal asks the process to end."""


@contextmanager
def _cleaned_up_before_a_signal_ends_it() -> Iterator[None]:
    """Let a signal unwind what runs, then end the process as it would have: a shell sees 130 or 143, and its loop ends too."""
    signals = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]  # `nohup` stays in force

    def end(number: int, _: object) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)  # a second one may not interrupt the cleaning up
        raise _Ended(number)

    before = {number: signal.signal(number, end) for number in signals}
    try:
        yield
    except _Ended as ended:
        (number,) = ended.args
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        sys.exit(128 + number)  # reached where its own signals do not end a process: the first one of a container
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(made: Answer) -> None:
    facts = made.metadata
    say(f"{facts['scheme']}, {facts['dtype']} {facts['shape']}, standard deviation {facts['stddev']:.6g}, seed {facts['seed']}")
    for warning in facts["warnings"]:
        say(f"warning: {warning}", typer.colors.YELLOW)
