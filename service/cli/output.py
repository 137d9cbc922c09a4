"""What the command line prints (results on stdout, messages on stderr), and its exit statuses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import orjson
import typer

from service.files.writing import STANDARD_OUTPUT, write_file

EXIT_IO, EXIT_INVALID, EXIT_UNTRACED = 1, 2, 3


def fail(message: str, status: int) -> NoReturn:
    """Print a message and exit with a status."""
    say(f"weight-init: {message}", typer.colors.RED)
    sys.exit(status)


def say(message: str, colour: str | None = None) -> None:
    """Print a line on stderr, in colour if it is a terminal and NO_COLOR is not set."""
    typer.secho(message, err=True, fg=None if "NO_COLOR" in os.environ else colour)


def print_json(content: Mapping[str, Any]) -> None:
    """Print a JSON document."""
    write_json(content, STANDARD_OUTPUT)  # not print(), whose errors may only appear when Python exits


def write_json(content: Mapping[str, Any], output: Path) -> None:
    """Write a JSON document to a file, or to standard output for `-`. Raises OSError."""
    write_file(iter([orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)]), output)


def print_table(rows: Iterable[tuple[str, ...]], *header: str) -> None:
    """Print a table with a header, or without one and with its first column in bold."""
    from rich.console import Console  # imported here: importing it takes as long as computing a million elements
    from rich.table import Column, Table

    table = Table(*header) if header else Table(Column(style="bold"), "", show_header=False, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)  # [out, in] is a shape, not markup


def size(nbytes: int) -> str:
    """Return a number of bytes in words, such as 107.1 MB."""
    from rich.filesize import decimal  # imported here, as above

    return decimal(nbytes)
