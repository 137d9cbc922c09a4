"""The examples of a page: finds fenced blocks and console sessions, runs commands, and compares output with the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ADDRESS = "http://127.0.0.1:8000"


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def sessions(block: str) -> list[tuple[str, str]]:
    """Return each command of a console block with the output that the page shows. Continuation lines begin with `> `."""
    parts = re.findall(r"^\$ (.*\n(?:> .*\n)*)((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    return [(re.sub(r"^> ", "", command, flags=re.MULTILINE).removesuffix("\n"), output) for command, output in parts]


def shell(command: str, server_url: str, folder: Path) -> str:
    """Run a command, with the address in the page replaced by `server_url`. Return its stdout and stderr. It must succeed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.replace(ADDRESS, server_url)],
        cwd=folder,
        env=os.environ | {"PATH": path, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def is_shown(output: str, shown: str) -> bool:
    """Return whether the output is what the page shows, where … stands for any text."""
    return re.fullmatch(".*".join(re.escape(part) for part in re.split("…\n?", shown)), output, re.DOTALL) is not None
