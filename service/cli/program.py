"""The program `weight-init`: its commands, and how it reports errors."""

from __future__ import annotations

import errno
import sys
from io import TextIOWrapper
from typing import Annotated

import typer
from pydantic import ValidationError

from service import __version__
from service.cli import checkpoint, init, kernels, manifest, recommend, serve
from service.cli.output import EXIT_INVALID, EXIT_IO, fail
from service.contract.errors import InvalidRequest
from service.core.errors import InitError
from service.settings import explain

_REMEDIES = {
    errno.ENOENT: "Create its folder first.",
    errno.EISDIR: "Give the name of a file, not the name of a folder.",
    errno.EACCES: "The folder must be writable, and so must the file if it exists.",
    errno.EROFS: "Write to another file system.",
    errno.ENOSPC: "Free some space, or write to another disk.",
    errno.EDQUOT: "Free some space, or write to another disk.",
    errno.EFBIG: "Raise the limit on file sizes (ulimit -f), or write to another file system.",
}

app = typer.Typer(
    name="weight-init",
    help="Initialized weights for neural networks: the same bytes for the same request.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # [out, in] is a shape, not markup
)
for _command in (
    init.init,
    checkpoint.checkpoint,
    checkpoint.checkpoints,
    manifest.manifest,
    recommend.recommend,
    recommend.schemes,
    kernels.kernels,
    serve.serve,
):
    app.command()(_command)


def main() -> None:
    """Run the command line.

    Exit with status 2 if the request or a setting is wrong, with 1 if a file cannot be written, and with 3 if a traced model has tensors
    that nothing says how to draw.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for terminals without characters such as ²
    try:
        app()
    except (InitError, InvalidRequest) as error:
        fail(str(error), EXIT_INVALID)
    except ValidationError as error:
        fail(explain(error), EXIT_INVALID)
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "")
        fail(f"{error.filename or 'output'}: {error.strerror or error}. {remedy}".rstrip(), EXIT_IO)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Initialized weights for neural networks: the same bytes for the same request."""
