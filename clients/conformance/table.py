"""Client × feature, for clients/README.md."""

from __future__ import annotations

from collections.abc import Mapping

from clients.conformance.clients import CLIENTS
from clients.conformance.features import FEATURES

_BEGIN, _END = "<!-- begin features -->", "<!-- end features -->"


def table(shown: Mapping[str, set[str]]) -> str:
    """A row for each feature, a column for each client."""
    head = ["feature", "what it means", *(client.language for client in CLIENTS.values())]
    rows = [[feature, meaning, *("yes" if feature in shown[name] else "no" for name in CLIENTS)] for feature, meaning in FEATURES.items()]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def with_table(page: str, content: str) -> str:
    """The page with the table in its place. Raises ValueError where it has none."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"expected a page with {_BEGIN} and {_END}")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"
