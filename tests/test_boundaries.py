"""Imports run downwards only: core, files, contract, web, command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

# room -> what must not be loaded after importing all of it
FORBIDDEN = {
    "service.core": ["fastapi", "starlette", "pydantic", "numba", "httpx", "orjson", "service.files", "service.contract", "service.web"],
    "service.files": ["fastapi", "starlette", "pydantic", "httpx", "service.contract", "service.web"],
    "service.contract": ["fastapi", "starlette", "uvicorn", "service.web"],
    "service.cli": ["fastapi", "starlette", "uvicorn", "service.web"],
}

PROGRAM = """
import importlib, sys
from pathlib import Path
room = importlib.import_module(sys.argv[1])
kernels = "service.core.stream.kernels"  # they alone are Numba's, and are loaded when they are asked for
for folder in map(Path, getattr(room, "__path__", [])):
    for file in folder.rglob("*.py"):
        name = ".".join((sys.argv[1], *file.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        if not name.startswith(kernels) and not name.endswith("__main__"):
            importlib.import_module(name)
loaded = {name for name in sys.argv[2:] if any(module == name or module.startswith(f"{name}.") for module in sys.modules)}
sys.exit(", ".join(sorted(loaded)) or 0)
"""


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_loads_without_what_stands_above_it(room: str) -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM, room, *FORBIDDEN[room]], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{room} loads {run.stderr.strip()}"


def test_the_check_itself_can_fail() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM, "service.web", "fastapi"], capture_output=True, text=True, check=False)
    assert run.stderr.strip() == "fastapi"
