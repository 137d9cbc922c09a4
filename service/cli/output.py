"""What the command line prints: results on stdout, words on stderr, and the status with which it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import orjson
import typer

from service.files.writing import STANDARD_OUTPUT, write_file

EXIT_IO, EXIT_INVALID = 1, 2


def fail(message: str, status: int) -> NoReturn:
    """End with a message and a status."""
    say(f"weight-init: {message}", typer.colors.RED)
    sys.exit(status)


def say(message: str, colour: str | None = None) -> None:
    """Print a line on stderr."""
    typer.secho(message, err=True, fg=None if "NO_COLOR" in os.environ else colour)  # coloured only on a terminal


def print_json(content: Mapping[str, Any]) -> None:
    """Print a JSON document."""
    text = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    write_file(iter([text]), STANDARD_OUTPUT)  # not print, whose errors would come at Python's end


def print_table(rows: Iterable[tuple[str, ...]], *header: str) -> None:
    """Print a table; with the names of its columns, or the first of them in bold."""
    from rich.console import Console  # only here: to load it takes as long as to make a million elements
    from rich.table import Column, Table

    table = Table(*header) if header else Table(Column(style="bold"), "", show_header=False, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)  # [out, in] is a shape here too
