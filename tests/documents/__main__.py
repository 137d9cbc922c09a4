"""Write the generated documents, and the generated parts of others; with --check compare them, and fail where one is old."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tests.documents import openapi, readme, stream

ROOT = Path(__file__).parents[2]

# document -> the name of a part -> what makes it
PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "docs/schemes.md": {"schemes": readme.schemes},
    "docs/activations.md": {"activations": readme.activations},
    "docs/settings.md": {"settings": readme.settings},
    "service/core/stream/STREAM.md": {
        "float32 coefficients": stream.float32_coefficients,
        "float64 coefficients": stream.float64_coefficients,
        "vectors": stream.vectors,
    },
}

# document -> what makes the whole of it
WHOLES: dict[str, Callable[[], str]] = {"clients/openapi.json": openapi.document}


def made(path: str) -> tuple[str, str]:
    """The page as it is, and as it should be."""
    document = ROOT / path
    page = document.read_text("utf-8") if document.exists() else ""
    return page, WHOLES[path]() if path in WHOLES else renewed(page, PARTS[path])


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
    for path in (*PARTS, *WHOLES):
        page, new = made(path)
        if new == page:
            continue
        if "--check" in arguments:
            print(f"{path} is old: run `make documents`", file=sys.stderr)
            old = 1
        else:
            (ROOT / path).write_text(new, "utf-8")
            print(f"wrote {path}")
    return old


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
