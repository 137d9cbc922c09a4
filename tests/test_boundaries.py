"""Each part of the service imports only parts below it, and loads without the libraries of the parts above."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the lowest to the highest. Each part may import itself and the parts before it.
PARTS = (
    "service.core.errors",
    "service.core.names",
    "service.core.references",
    "service.core.parameters",
    "service.core.recommendation",
    "service.core.remembering",
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
    "service.checkpoints",
    "service.settings",
    "service.web",
    "service.cli",
)

# part -> packages and modules that importing the whole part must not load
FORBIDDEN = {
    "service.concurrency": ["numpy", "service.core"],
    "service.core": ["fastapi", "starlette", "pydantic", "numba", "httpx", "orjson", "service.files", "service.contract", "service.web"],
    "service.files": ["fastapi", "starlette", "pydantic", "httpx", "service.contract", "service.web"],
    "service.contract": ["fastapi", "starlette", "uvicorn", "service.web"],
    "service.checkpoints": ["fastapi", "starlette", "uvicorn", "torch", "transformers", "timm", "service.web"],
    "service.web": ["torch", "transformers", "timm", "safetensors"],
    "service.cli": ["torch", "transformers", "timm", "fastapi", "starlette", "uvicorn", "service.web"],
}

PROGRAM = """
import importlib, sys
from pathlib import Path
part = importlib.import_module(sys.argv[1])
on_demand = ("service.core.stream.kernels", "service.checkpoints.tracing")  # need Numba and torch, and are loaded on demand
for folder in map(Path, getattr(part, "__path__", [])):
    for file in folder.rglob("*.py"):
        name = ".".join((sys.argv[1], *file.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        if not name.startswith(on_demand) and not name.endswith("__main__"):
            importlib.import_module(name)
loaded = {name for name in sys.argv[2:] if any(module == name or module.startswith(f"{name}.") for module in sys.modules)}
sys.exit(", ".join(sorted(loaded)) or 0)
"""


def part_of(module: str) -> str | None:
    return next((part for part in PARTS if module == part or module.startswith(f"{part}.")), None)


def modules() -> dict[str, Path]:
    """Return the file of each module of the service, by its name."""
    files = sorted((ROOT / "service").rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imports() -> Iterator[tuple[str, str]]:
    """Yield each module of the service with each module of the service that it imports, at any level of the code."""
    for module, file in modules().items():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((module, alias.name) for alias in node.names if alias.name.startswith("service."))
            elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "service":
                for alias in node.names:
                    submodule = f"{node.module}.{alias.name}"
                    yield module, submodule if part_of(node.module) is None else node.module


def test_every_module_belongs_to_a_part_and_every_part_exists() -> None:
    assert {module for module in modules() if part_of(module) is None} == {"service", "service.__main__", "service.core"}
    assert {part_of(module) for module in modules()} - {None} == set(PARTS)


def test_no_module_imports_a_part_above_its_own() -> None:
    upwards = [
        f"{module} imports {imported}"
        for module, imported in imports()
        if (own := part_of(module)) and (other := part_of(imported)) and PARTS.index(other) > PARTS.index(own)
    ]
    assert upwards == []


@pytest.mark.parametrize("part", FORBIDDEN)
def test_a_part_loads_without_the_libraries_of_the_parts_above(part: str) -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM, part, *FORBIDDEN[part]], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{part} loads {run.stderr.strip()}"


def test_the_check_detects_a_forbidden_library() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM, "service.web", "fastapi"], capture_output=True, text=True, check=False)
    assert run.stderr.strip() == "fastapi"
