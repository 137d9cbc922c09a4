"""`python -m tools.golden.check --engine numpy|numba` computes every golden answer on this machine. It fails if any differs.

It needs no test framework, so it also runs where only the service itself is installed, or a part of it.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from service.core.stream import engines
from tools.golden.answers import FILE, Request, golden_answer


def main(arguments: list[str] | None = None) -> int:
    """Print what was checked where, and each request whose answer differs. Return the exit status."""
    engine = _engine(arguments)
    print(_machine(), flush=True)
    rows, start = json.loads(FILE.read_text("utf-8")), time.monotonic()
    _use(engine)
    different = list(_different(rows))
    for request in different:
        print(f"differs: {json.dumps(request)}")
    print(f"{engine}: {len(different)} of {len(rows)} answers differ, after {time.monotonic() - start:.0f} s")
    return 1 if different else 0


def _engine(arguments: list[str] | None) -> str:
    """Return the engine that the command line names. Matrices are remembered, so those of a second engine would not be computed."""
    parser = argparse.ArgumentParser(prog="python -m tools.golden.check", description="Compute every golden answer on this machine.")
    parser.add_argument("--engine", choices=("numpy", "numba"), required=True, help="the NumPy engine, or the compiled kernels")
    return str(parser.parse_args(arguments).engine)


def _machine() -> str:
    """Return the machine and the versions that the answers may not depend on."""
    return f"{platform.machine()}, Python {platform.python_version()}, NumPy {_version('numpy')}, Numba {_version('numba')}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # the NumPy engine does without Numba
        return "none"


def _use(engine: str) -> None:
    if engine == "numba":
        engines.load_kernels()
    else:
        engines.use_numpy()


def _different(rows: list[dict[str, Any]]) -> Iterator[Request]:
    """Yield each request whose answer differs. Count them on a terminal, because a slow machine takes minutes."""
    for number, row in enumerate(rows, 1):
        if sys.stderr.isatty():
            print(f"{number} of {len(rows)}", end="\r", file=sys.stderr, flush=True)
        if golden_answer(row["request"]) != row["answer"]:
            yield row["request"]


if __name__ == "__main__":
    sys.exit(main())
