"""Imports run downwards only, from room to room, and a room loads without the libraries of those above it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each room may import itself and those before it. docs/architecture.md shows the same order, the other way up.
ROOMS = (
    "service.core.errors",
    "service.core.names",
    "service.core.references",
    "service.core.parameters",
    "service.core.recommendation",
    "service.concurrency",
    "service.core.stream",
    "service.core.tensors",
    "service.core.activations",
    "service.core.layers",
    "service.core.schemes",
    "service.core.initializer",
    "service.core.advice",
    "service.files",
    "service.contract",
    "service.settings",
    "service.web",
    "service.cli",
)

# room -> what must not be loaded by importing all of it
FORBIDDEN = {
    "service.concurrency": ["numpy", "service.core"],
    "service.core": ["fastapi", "starlette", "pydantic", "numba", "httpx", "orjson", "service.files", "service.contract", "service.web"],
    "service.files": ["fastapi", "starlette", "pydantic", "httpx", "service.contract", "service.web"],
    "service.contract": ["fastapi", "starlette", "uvicorn", "service.web"],
    "service.cli": ["fastapi", "starlette", "uvicorn", "service.web"],
}

PROGRAM = """
import importlib, sys
from pathlib import Path
room = importlib.import_module(sys.argv[1])
kernels = "service.core.stream.kernels"  # only they need Numba, and they are loaded on demand
for folder in map(Path, getattr(room, "__path__", [])):
    for file in folder.rglob("*.py"):
        name = ".".join((sys.argv[1], *file.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        if not name.startswith(kernels) and not name.endswith("__main__"):
            importlib.import_module(name)
loaded = {name for name in sys.argv[2:] if any(module == name or module.startswith(f"{name}.") for module in sys.modules)}
sys.exit(", ".join(sorted(loaded)) or 0)
"""


def room_of(module: str) -> str | None:
    return next((room for room in ROOMS if module == room or module.startswith(f"{room}.")), None)


def modules() -> dict[str, Path]:
    """Each module of the service, with its file."""
    files = sorted((ROOT / "service").rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imports() -> Iterator[tuple[str, str]]:
    """Each module of the service, with each module of the service that it imports, anywhere in it."""
    for module, file in modules().items():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((module, alias.name) for alias in node.names if alias.name.startswith("service."))
            elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "service":
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield module, inner if room_of(node.module) is None else node.module


def test_every_module_stands_in_a_room_and_every_room_is_there() -> None:
    assert {module for module in modules() if room_of(module) is None} == {"service", "service.__main__", "service.core"}
    assert {room_of(module) for module in modules()} - {None} == set(ROOMS)


def test_imports_run_downwards() -> None:
    upwards = [
        f"{module} imports {imported}"
        for module, imported in imports()
        if (own := room_of(module)) and (other := room_of(imported)) and ROOMS.index(other) > ROOMS.index(own)
    ]
    assert upwards == []


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_loads_without_the_libraries_of_those_above_it(room: str) -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM, room, *FORBIDDEN[room]], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{room} loads {run.stderr.strip()}"


def test_the_check_itself_can_fail() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM, "service.web", "fastapi"], capture_output=True, text=True, check=False)
    assert run.stderr.strip() == "fastapi"
