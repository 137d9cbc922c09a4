"""Measure the benchmarks and write RESULTS.md: `make bench`."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import pkgutil
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.timing import Figure

RESULTS = Path(__file__).with_name("RESULTS.md")

# Name -> title and function. A function is imported only when it runs, because some need other frameworks.
SECTIONS = {
    "fills": ("Filling a buffer in this process", "benchmarks.fills:measure"),
    "fetching": ("Fetching over HTTP", "benchmarks.fetching:measure"),
    "small": ("Small requests", "benchmarks.small_requests:figures"),
    "footprint": ("Memory, random access and startup", "benchmarks.footprint:measure"),
    "clients": ("Clients", "benchmarks.clients:measure"),
    "checkpoints": ("Whole models", "benchmarks.checkpoints:measure"),
    "load": ("Under load", "benchmarks.load:measure"),
    "attacks": ("Under attack", "benchmarks.attacks:measure"),
}
_HEAD = ("benchmark", "weight-init", "reference", "ratio", "goal")


def main() -> None:
    """Measure the given sections, or all of them, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="sections to measure; RESULTS.md keeps the others")
    chosen = parser.parse_args().sections
    console, page = Console(), RESULTS.read_text("utf-8") if chosen else _introduction()
    for name in chosen or SECTIONS:
        title, function = SECTIONS[name]
        with console.status(f"{title} …"):
            figures: list[Figure] = pkgutil.resolve_name(function)()
        console.print(_table(title, figures))
        page = _with_section(page, title, _markdown(title, figures))
        RESULTS.write_text(page, "utf-8")


def _with_section(page: str, title: str, section: str) -> str:
    """Return the page with the section of this title replaced, or the section appended."""
    before, _, rest = page.partition(f"## {title}\n")
    following = re.search(r"^## .*", rest, re.DOTALL | re.MULTILINE)
    return f"{before.rstrip()}\n\n{section}" + (f"\n{following[0]}" if following else "")


def _cells(figure: Figure) -> tuple[str, ...]:
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    sign = "at least" if figure.at_least else "at most"
    goal = "" if figure.limit is None else f"{sign} {figure.limit:.2f}{'' if figure.is_met else ' (missed)'}"
    return figure.label, figure.measured, figure.reference, ratio, goal


def _table(title: str, figures: list[Figure]) -> Table:
    table = Table(*_HEAD, title=title)
    for figure in figures:
        table.add_row(*_cells(figure), style="red" if figure.is_met is False else None)
    return table


def _markdown(title: str, figures: list[Figure]) -> str:
    rows = [_HEAD, ("---",) * len(_HEAD), *map(_cells, figures)]
    return f"## {title}\n\nMeasured on {datetime.now(UTC):%Y-%m-%d}.\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _introduction() -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "numba", "torch", "jax", "uvicorn"))
    return f"""# Results

`make bench` writes this page, and `python -m benchmarks <section>` updates one section. Each ratio divides the time of weight-init by that
of the reference in the same round (for rates, the rate of weight-init by that of the reference). Ratios and times are medians over several
rounds of one run. The machine has noisy neighbours, so compare ratios, not times.

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
