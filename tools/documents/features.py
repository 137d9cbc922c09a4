"""The table of clients/README.md: which client has which feature."""

from __future__ import annotations

from collections.abc import Mapping

from clients.conformance.clients import CLIENTS
from clients.conformance.features import FEATURES
from tools.documents.tables import markdown_table


def features(reported: Mapping[str, set[str]]) -> str:
    """Return a row for each feature and a column for each client. `reported` has the features that the test of each client reported."""
    head = ["feature", "what it means", *(client.language for client in CLIENTS.values())]
    rows = [
        [feature, meaning, *("yes" if feature in reported[name] else "no" for name in CLIENTS)] for feature, meaning in FEATURES.items()
    ]
    return markdown_table(head, rows)
