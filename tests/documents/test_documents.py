"""Generated documents are current, and stale parts are replaced."""

from __future__ import annotations

import pytest

from tools.documents import openapi
from tools.documents.parts import PARTS, WHOLES, current_and_expected, with_parts


@pytest.mark.parametrize("path", [*PARTS, *WHOLES])
def test_a_document_is_current(path: str) -> None:
    current, expected = current_and_expected(path)
    assert current == expected, "run `make documents`"


def test_the_openapi_document_is_the_same_in_every_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    default = openapi.document()
    monkeypatch.setenv("WEIGHT_INIT_API_KEYS", "k" * 32)
    monkeypatch.setenv("WEIGHT_INIT_METRICS_PORT", "9000")
    assert openapi.document() == default


def test_replaces_a_stale_part() -> None:
    page = "before\n<!-- begin part -->\nold\n<!-- end part -->\nafter"
    assert with_parts(page, {"part": lambda: "new"}) == "before\n<!-- begin part -->\n\nnew\n\n<!-- end part -->\nafter"


def test_rejects_a_document_without_markers_for_a_part() -> None:
    with pytest.raises(ValueError, match="expected one `<!-- begin part -->`"):
        with_parts("nothing", {"part": lambda: "new"})
