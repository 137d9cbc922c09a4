"""The command line: `weight-init serve`, `init`, `recommend`, `schemes` and `kernels`. Results on stdout, words on stderr.

The options of `init` and `recommend` are the fields of a request to the service, so that both say the same things.
"""

from __future__ import annotations

import errno
import inspect
import ipaddress
import logging
import logging.config
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer
from pydantic import ValidationError

from service import __version__
from service.contract import catalogue
from service.contract.advice import recommendation_of
from service.contract.answer import Answer, answer
from service.contract.errors import InvalidRequest
from service.contract.reading import read_text
from service.contract.request import InitRequest, RecommendRequest, Request
from service.contract.vocabulary import described_parameter
from service.core.errors import InitError
from service.core.stream import engines
from service.files.formats import DEFAULT_FORMAT, FORMATS, Format, find_format
from service.files.writing import STANDARD_OUTPUT, Advance, is_standard_output, write_file
from service.settings import Settings

EXIT_IO, EXIT_INVALID = 1, 2

_log = logging.getLogger("weight_init")

_PROGRESS_FROM_BYTES = 32 << 20
_KERNELS_FROM_ELEMENTS = 1 << 25  # for which the reference takes about a second on two cores, and loading the kernels half of one
_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_REMEDIES = {
    errno.ENOENT: "Make its folder first.",
    errno.EISDIR: "Give the name of a file, not of a folder.",
    errno.EACCES: "The file, where there is one, and its folder must be writable.",
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
    rich_markup_mode=None,  # [out, in] is a shape, not a style
)


def main() -> None:
    """Run the command line; what is wrong with a request ends it with status 2, what is wrong with a file with status 1."""
    try:
        app()
    except (InitError, InvalidRequest) as error:
        _fail(str(error), EXIT_INVALID)
    except ValidationError as error:
        _fail("; ".join(f"WEIGHT_INIT_{'_'.join(map(str, row['loc'])).upper()}: {row['msg']}" for row in error.errors()), EXIT_INVALID)
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "")
        _fail(f"{error.filename or 'output'}: {error.strerror or error}. {remedy}".rstrip(), EXIT_IO)


def _fail(message: str, status: int) -> NoReturn:
    _say(f"weight-init: {message}", typer.colors.RED)
    sys.exit(status)


def _say(message: str, colour: str | None = None) -> None:
    typer.secho(message, err=True, fg=None if "NO_COLOR" in os.environ else colour)  # coloured only on a terminal


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
            command(read_text(model, [(name, text) for name, text in fields if text is not None]), **given)

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
        _fail(f"{made.format.name} is binary: write it to a file (-o {made.file_name}) or a pipe, or ask for --format json", EXIT_INVALID)


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
            _fail(f"WEIGHT_INIT_ENGINE=numba: the kernels cannot be loaded: {error}", EXIT_IO)


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
    _say(f"{facts['scheme']}, {facts['dtype']} {facts['shape']}, standard deviation {facts['stddev']:.6g}, seed {facts['seed']}")
    for warning in facts["warnings"]:
        _say(f"warning: {warning}", typer.colors.YELLOW)


_ADVISED = ("scheme", "formula", "stddev", "bound", "gain", "bias", "reason", "reference")
_JSON = Annotated[bool, typer.Option("--json", help="JSON, as the service answers it; without a terminal always")]


@app.command()
@_with_fields_of(RecommendRequest)
def recommend(wanted: RecommendRequest, json: _JSON = False) -> None:
    """Say which scheme fits an activation, and why."""
    advice = recommendation_of(wanted)
    if json or not sys.stdout.isatty():
        _print_json(advice)
        return
    shown = [(name, value) for name, value in advice.items() if name in _ADVISED]
    rows = [(name, str(value)) for name, value in shown if value is not None]
    rows += [("or", f"{row['scheme']} {row['parameters'] or ''}: {row['when']}") for row in advice["alternatives"]]
    _print_table(rows)


@app.command()
def schemes(json: _JSON = False) -> None:
    """List the schemes."""
    listed = catalogue.schemes()
    if json or not sys.stdout.isatty():
        _print_json(listed)
        return
    _print_table(((row["name"], row["formula"], row["summary"]) for row in listed["schemes"]), "scheme", "formula", "what it does")


def _print_json(content: Mapping[str, Any]) -> None:
    text = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    write_file(iter([text]), STANDARD_OUTPUT)  # not print, whose errors would come at Python's end


def _print_table(rows: Iterable[tuple[str, ...]], *header: str) -> None:
    from rich.console import Console  # only here, as above
    from rich.table import Column, Table

    table = Table(*header) if header else Table(Column(style="bold"), "", show_header=False, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)  # [out, in] is a shape here too


@app.command()
def kernels() -> None:
    """Compile the kernels for every level of processors, as for an image: no start has to wait for them then.

    They are kept in WEIGHT_INIT_KERNEL_CACHE, else in the user's cache.
    """
    from multiprocessing import get_context

    try:
        from service.core.stream.kernels.compiling import levels_here
    except ImportError as error:
        _fail(f"there is nothing to compile: {error}", EXIT_IO)

    for level in levels_here():
        os.environ["NUMBA_CPU_NAME"] = level  # at which Numba looks but once: so each level has a process of its own
        process = get_context("spawn").Process(target=_compile_kernels, args=(Settings().kernel_cache,))
        process.start()
        process.join()
        if process.exitcode:
            _fail(f"the kernels for {level} cannot be compiled", EXIT_IO)


def _compile_kernels(cache: Path | None) -> None:
    logging.basicConfig(format="%(message)s")
    logging.getLogger("weight_init").setLevel(logging.DEBUG)  # where there is nothing to compile, it says that they are ready
    engines.load_kernels(cache)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="the address to listen on; WEIGHT_INIT_HOST, else 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="the port; WEIGHT_INIT_PORT, else 8000")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="the processes that serve; WEIGHT_INIT_WORKERS, else 1")] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="a PEM file, for HTTPS; WEIGHT_INIT_TLS_CERTIFICATE")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="its private key; WEIGHT_INIT_TLS_KEY, else in the same file")] = None,
) -> None:
    """Serve over HTTP, or with a certificate over HTTPS, until interrupted."""
    import uvicorn  # only here: no other command needs it

    from service.web.connections import protocol_under
    from service.web.logs import logging_config
    from service.web.metrics import watched

    settings = Settings()
    host, workers = host if host is not None else settings.host, workers or settings.workers
    log_config = logging_config(settings.log_format, settings.log_level)
    logging.config.dictConfig(log_config)  # as uvicorn will, for what is said before
    if not settings.key_digests and not _is_loopback(host):
        _log.warning(
            "anybody who reaches %s may ask, as no keys are set: set WEIGHT_INIT_API_KEYS or WEIGHT_INIT_API_KEYS_FILE, or listen on"
            " 127.0.0.1 behind a proxy that asks who it is",
            host,
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # which uvicorn raises again when all is sent: it ended as it was told to
    with watched(host, settings.metrics_port, workers=workers):
        uvicorn.run(
            "service.web.app:create_app",
            factory=True,
            host=host,
            port=port if port is not None else settings.port,
            workers=workers,
            server_header=False,
            access_log=False,  # there is one of our own
            log_config=log_config,
            http=protocol_under(settings),
            ws="none",
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            ssl_certfile=tls_certificate or settings.tls_certificate,
            ssl_keyfile=tls_key or settings.tls_key,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
