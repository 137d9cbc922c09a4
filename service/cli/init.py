"""`weight-init init`: write a tensor to a file or a pipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from service.cli.fields import with_fields_of
from service.cli.output import EXIT_INVALID, fail, say
from service.cli.writing import PROGRESS_FROM_BYTES, cleanup_before_signal, load_kernels_for, progress, with_kernels_if_too_slow
from service.contract.answer import Answer, answer
from service.contract.request import InitRequest
from service.files.formats import Format, find_format, format_of_file
from service.files.writing import STANDARD_OUTPUT, is_standard_output, write_file
from service.settings import Settings


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
    file_format = _format(request, output)
    result = with_kernels_if_too_slow(lambda: answer(request, file_format, settings.limits), settings, quiet=quiet)
    if is_standard_output(output):
        _refuse_terminal(result)
    load_kernels_for(result.total_seconds, settings, quiet=quiet)
    is_large = result.tensor.nbytes >= PROGRESS_FROM_BYTES
    with cleanup_before_signal(), progress(result.file_name, result.nbytes, shown=is_large and not quiet) as advance:
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


def _report(result: Answer) -> None:
    facts = result.metadata
    say(f"{facts['scheme']}, {facts['dtype']} {facts['shape']}, standard deviation {facts['stddev']:.6g}, seed {facts['seed']}")
    for warning in facts["warnings"]:
        say(f"warning: {warning}", typer.colors.YELLOW)
