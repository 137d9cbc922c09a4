"""The examples of a page: fenced blocks, and console sessions, whose commands are run and held against what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ADDRESS = "http://127.0.0.1:8000"


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def sessions(block: str) -> list[tuple[str, str]]:
    """Each command of a console block, with the output that the page shows for it; its further lines begin with `> `."""
    parts = re.findall(r"^\$ (.*\n(?:> .*\n)*)((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    return [(re.sub(r"^> ", "", command, flags=re.MULTILINE).removesuffix("\n"), output) for command, output in parts]


def shell(command: str, server_url: str, folder: Path) -> str:
    """What a command prints, on either output, with the address of the page replaced; it must succeed."""
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
    """Whether it is what the page shows, where … stands for whatever is left out."""
    return re.fullmatch(".*".join(re.escape(part) for part in re.split("…\n?", shown)), output, re.DOTALL) is not None
