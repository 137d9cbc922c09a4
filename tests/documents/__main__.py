"""Write the generated parts of the documents; with --check compare them, and fail where one is old."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tests.documents import readme, stream

ROOT = Path(__file__).parents[2]

# document -> the name of a part -> what makes it
PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"schemes": readme.schemes, "activations": readme.activations, "settings": readme.settings},
    "service/core/STREAM.md": {
        "float32 coefficients": stream.float32_coefficients,
        "float64 coefficients": stream.float64_coefficients,
        "vectors": stream.vectors,
    },
}


def renewed(page: str, parts: dict[str, Callable[[], str]]) -> str:
    """The page with each part between `<!-- begin NAME -->` and `<!-- end NAME -->` made anew."""
    for name, make in parts.items():
        begin, end = f"<!-- begin {name} -->\n", f"\n<!-- end {name} -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise SystemExit(f"expected one place for '{name}'; found {page.count(begin)} beginnings and {page.count(end)} ends")
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{make()}\n{end}{rest.partition(end)[2]}"
    return page


def main(arguments: list[str]) -> int:
    """The exit status: 1 when a compared document is old."""
    old = 0
    for path, parts in PARTS.items():
        document = ROOT / path
        page = document.read_text("utf-8")
        new = renewed(page, parts)
        if new == page:
            continue
        if "--check" in arguments:
            print(f"{path} is old: run `make documents`", file=sys.stderr)
            old = 1
        else:
            document.write_text(new, "utf-8")
            print(f"wrote {path}")
    return old


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
