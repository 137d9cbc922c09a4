"""Generated parts of the documents are current, and a stale one is noticed."""

from __future__ import annotations

import pytest

from tests.documents.__main__ import PARTS, ROOT, renewed


@pytest.mark.parametrize("path", PARTS)
def test_a_document_is_current(path: str) -> None:
    page = (ROOT / path).read_text("utf-8")
    assert renewed(page, PARTS[path]) == page


def test_a_stale_part_is_made_anew() -> None:
    page = "before\n<!-- begin part -->\nold\n<!-- end part -->\nafter"
    assert renewed(page, {"part": lambda: "new"}) == "before\n<!-- begin part -->\n\nnew\n\n<!-- end part -->\nafter"


def test_a_missing_place_is_an_error() -> None:
    with pytest.raises(SystemExit, match="expected one place"):
        renewed("nothing", {"part": lambda: "new"})
