"""The command line: `weight-init serve`, `init`, `recommend` and `schemes`. Results on stdout, words on stderr.

The options of `init` and `recommend` are the fields of a request to the service, so that both say the same things.
"""

from __future__ import annotations

import inspect
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Annotated, Any

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from service import __version__
from service.contract import catalogue
from service.contract.advice import recommend as advise
from service.contract.answer import Answer, answer
from service.contract.request import InitRequest, InvalidRequest, RecommendRequest, Request, described_parameter
from service.core.errors import InitError
from service.files.formats import DEFAULT_FORMAT, FORMATS, Format, find_format
from service.files.virtual import Buffer, VirtualFile, block_ranges
from service.settings import Settings

EXIT_IO, EXIT_INVALID = 1, 2

_BLOCK_BYTES = 1 << 20
_PROGRESS_FROM_BYTES = 32 << 20

app = typer.Typer(
    name="weight-init",
    help="Initialized weights for neural networks: the same bytes for the same request.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # [out, in] is a shape, not a style
)
_messages = Console(stderr=True)


def main() -> None:
    """Run the command line; what is wrong with a request ends it with status 2, what is wrong with a file with status 1."""
    try:
        app()
    except (InitError, InvalidRequest) as error:
        _fail(str(error), EXIT_INVALID)
    except ValidationError as error:
        _fail("; ".join(f"WEIGHT_INIT_{'_'.join(map(str, row['loc'])).upper()}: {row['msg']}" for row in error.errors()), EXIT_INVALID)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more at its end
        sys.exit(EXIT_IO)
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {error.strerror or error}", EXIT_IO)


def _fail(message: str, status: int) -> None:
    _messages.print(f"weight-init: {message}", style="red", highlight=False, markup=False, soft_wrap=True)
    sys.exit(status)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Initialized weights for neural networks: the same bytes for the same request."""


def _with_fields_of(model: type[Request]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of `model` and each parameter that may stand beside them."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters
        options = {
            name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(name, model))
            for name in (*model.model_fields, *model.parameter_names())
        }

        def run(**given: Any) -> None:
            fields = [(name, given.pop(name)) for name in options]
            command(model.from_text([(name, text) for name, text in fields if text is not None]), **given)

        keywords = [row.replace(kind=inspect.Parameter.KEYWORD_ONLY) for name, row in own.items() if name != "wanted"]
        run.__signature__ = inspect.Signature([*options.values(), *keywords])  # type: ignore[attr-defined]  # what typer reads
        run.__annotations__ = {row.name: row.annotation for row in (*options.values(), *keywords)}
        run.__doc__, run.__name__ = command.__doc__, command.__name__
        return run

    return decorate


def _option(name: str, model: type[Request]) -> Any:
    field = model.model_fields.get(name)
    panel = "Fields" if field else "Parameters of the scheme or the activation"
    text = field.description if field else described_parameter(name)
    return Annotated[str | None, typer.Option(f"--{name.replace('_', '-')}", help=text, rich_help_panel=panel, metavar=name.upper())]


@app.command()
@_with_fields_of(InitRequest)
def init(
    wanted: InitRequest,
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write; - for standard output")] = Path("-"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="say nothing but errors")] = False,
) -> None:
    """Write an initialized tensor to a file or a pipe.

    weight-init init --shape 512,784 --activation relu --seed 7 > w.npy
    """
    made = answer(wanted, _format(wanted, output), Settings().limits)
    if str(output) == "-":
        _refuse_terminal(made)
        _write(made, sys.stdout.buffer, quiet=quiet)
        sys.stdout.buffer.flush()
    else:
        _write_whole_or_not(made, output, quiet=quiet)
    if not quiet:
        _report(made)


def _format(wanted: InitRequest, output: Path) -> Format:
    """The format asked for, else that of the file's extension, else the default."""
    if wanted.format is not None:
        return find_format(wanted.format)
    extension = output.suffix.removeprefix(".")
    return next((row for row in FORMATS.values() if row.extension == extension), DEFAULT_FORMAT)


def _refuse_terminal(made: Answer) -> None:
    if sys.stdout.isatty() and made.format.name != "json":
        _fail(f"{made.format.name} is binary: write it to a file (-o {made.file_name}) or a pipe, or ask for --format json", EXIT_INVALID)


def _write_whole_or_not(made: Answer, output: Path, *, quiet: bool) -> None:
    """Write beside the name and rename at the end: an interrupted run leaves nothing under the name."""
    if not output.parent.is_dir() or output.is_dir():
        _fail(f"{output}: expected the name of a file in a folder that exists", EXIT_IO)
    temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            _write(made, file, quiet=quiet)
        os.replace(temporary, output)
    except BaseException:  # an interruption too
        temporary.unlink(missing_ok=True)
        raise


def _write(made: Answer, file: IO[bytes], *, quiet: bool) -> None:
    total = made.tensor.nbytes
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=_messages,
        transient=True,
        disable=quiet or total < _PROGRESS_FROM_BYTES or not _messages.is_terminal,
    ) as progress:
        task = progress.add_task(made.file_name, total=total)
        for block in _blocks(made.file):
            file.write(block)
            progress.advance(task, len(block))


def _blocks(file: VirtualFile | Iterator[Buffer]) -> Iterator[Buffer]:
    if not isinstance(file, VirtualFile):
        return file
    return (file.read(*part) for part in block_ranges(0, file.nbytes, _BLOCK_BYTES))


def _report(made: Answer) -> None:
    facts = made.metadata
    _messages.print(
        f"{facts['scheme']}, {facts['dtype']} {facts['shape']}, standard deviation {facts['stddev']:.6g}, seed {facts['seed']}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    for warning in facts["warnings"]:
        _messages.print(f"warning: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)


_JSON = Annotated[bool, typer.Option("--json", help="JSON, as the service answers it; without a terminal always")]


@app.command()
@_with_fields_of(RecommendRequest)
def recommend(wanted: RecommendRequest, json: _JSON = False) -> None:
    """Say which scheme fits an activation, and why."""
    advice = advise(wanted)
    if json or not sys.stdout.isatty():
        _print_json(advice)
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name in ("scheme", "formula", "stddev", "bound", "gain", "bias", "reason", "reference"):
        if advice[name] is not None:
            table.add_row(f"[bold]{name}[/]", str(advice[name]))
    for row in advice["alternatives"]:
        table.add_row("or", f"{row['scheme']} {row['parameters'] or ''}: {row['when']}")
    Console().print(table)


@app.command()
def schemes(json: _JSON = False) -> None:
    """List the schemes."""
    rows = catalogue.schemes()
    if json or not sys.stdout.isatty():
        _print_json({"schemes": rows})
        return
    table = Table("scheme", "formula", "what it does")
    for row in rows:
        table.add_row(row["name"], row["formula"], row["summary"])
    Console().print(table)


def _print_json(content: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="the address to listen on; WEIGHT_INIT_HOST, else 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="the port; WEIGHT_INIT_PORT, else 8000")] = None,
) -> None:
    """Serve over HTTP until interrupted."""
    import uvicorn  # only here: no other command needs it

    settings = Settings()
    uvicorn.run(
        "service.web.app:create_app",
        factory=True,
        host=host if host is not None else settings.host,
        port=port if port is not None else settings.port,
        server_header=False,
    )
