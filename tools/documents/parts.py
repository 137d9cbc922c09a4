"""The generated documents and parts of documents, with their generators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tools.documents import checkpoints, depth, openapi, stream, tables

ROOT = Path(__file__).parents[2]

Generator = Callable[[], str]

# document -> the name of a part -> its generator
PARTS: dict[str, dict[str, Generator]] = {
    "docs/schemes.md": {"library layers": tables.library_layers, "schemes": tables.schemes},
    "docs/activations.md": {"activations": tables.activations},
    "docs/layers.md": {"layers": tables.layers},
    "docs/checkpoints.md": {"presets": checkpoints.presets, "architectures": checkpoints.architectures},
    "docs/settings.md": {"settings": tables.settings},
    "service/core/stream/STREAM.md": {
        "float32 coefficients": stream.float32_coefficients,
        "float64 coefficients": stream.float64_coefficients,
        "vectors": stream.vectors,
    },
}

# document -> the generator of the whole document
WHOLES: dict[str, Generator] = {"clients/openapi.json": openapi.document, "docs/depth.svg": depth.picture}


def current_and_expected(path: str) -> tuple[str, str]:
    """Return the text of a document as it is, and as the generators write it."""
    document = ROOT / path
    current = document.read_text("utf-8") if document.exists() else ""
    return current, WHOLES[path]() if path in WHOLES else with_parts(current, PARTS[path])


def with_parts(page: str, parts: Mapping[str, Generator]) -> str:
    """Return the page with each part between `<!-- begin NAME -->` and `<!-- end NAME -->` replaced by its generator's text."""
    for name, generate in parts.items():
        begin, end = f"<!-- begin {name} -->\n", f"\n<!-- end {name} -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(
                f"{name}: expected one `{begin.strip()}` and one `{end.strip()}`; received {page.count(begin)} and {page.count(end)}. "
                "Mark the place of the part in the document."
            )
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{generate()}\n{end}{rest.partition(end)[2]}"
    return page
