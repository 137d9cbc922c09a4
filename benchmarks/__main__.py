"""`make bench`: measure everything and write RESULTS.md."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import fetching, fills, footprint, small_requests
from benchmarks.timing import Figure

RESULTS = Path(__file__).with_name("RESULTS.md")

SECTIONS: dict[str, tuple[str, Callable[[], list[Figure]]]] = {
    "fills": ("Filling a buffer in the process", fills.measure),
    "fetching": ("Fetching over HTTP", fetching.measure),
    "small": ("Small requests", small_requests.figures),
    "footprint": ("Memory, reach and start", footprint.measure),
}
_HEAD = ("what", "weight-init", "against", "ratio", "goal")


def main() -> None:
    """Measure the sections that are named, or all and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="only these; then RESULTS.md is not written")
    chosen = parser.parse_args().sections
    console, parts = Console(), []
    for name in chosen or SECTIONS:
        title, measure = SECTIONS[name]
        with console.status(f"{title} …"):
            figures = measure()
        console.print(_table(title, figures))
        parts.append(_markdown(title, figures))
    if not chosen:
        RESULTS.write_text("\n".join([_introduction(), *parts]), "utf-8")


def _cells(figure: Figure) -> tuple[str, ...]:
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    sign = "at least" if figure.at_least else "at most"
    goal = "" if figure.limit is None else f"{sign} {figure.limit:.2f}{'' if figure.is_met else ': missed'}"
    return figure.what, figure.measured, figure.reference, ratio, goal


def _table(title: str, figures: list[Figure]) -> Table:
    table = Table(*_HEAD, title=title)
    for figure in figures:
        table.add_row(*_cells(figure), style="red" if figure.is_met is False else None)
    return table


def _markdown(title: str, figures: list[Figure]) -> str:
    rows = [_HEAD, ("---",) * len(_HEAD), *map(_cells, figures)]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _introduction() -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "numba", "torch", "jax", "uvicorn"))
    return f"""# Results

Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}. Each ratio is the median, over several rounds of one run, of our time divided by
the other's in the same round (for rates: our rate by the other's); the times are medians. The machine has noisy neighbours: compare
ratios, not times.

- machine: {_processor()}, {os.cpu_count()} cores, {_memory()}, {platform.system()} {platform.machine()}
- Python {platform.python_version()}, {versions}
"""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


if __name__ == "__main__":
    main()
