"""Generated parts of the documents are current, and a stale one is noticed."""

from __future__ import annotations

import pytest

from tools.documents import openapi
from tools.documents.parts import PARTS, WHOLES, current_and_expected, with_parts


@pytest.mark.parametrize("path", [*PARTS, *WHOLES])
def test_a_document_is_current(path: str) -> None:
    current, expected = current_and_expected(path)
    assert current == expected, "run `make documents`"


def test_the_openapi_document_is_the_same_in_every_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = openapi.document()
    monkeypatch.setenv("WEIGHT_INIT_API_KEYS", "k" * 32)
    monkeypatch.setenv("WEIGHT_INIT_METRICS_PORT", "9000")
    assert openapi.document() == before


def test_a_stale_part_is_generated_anew() -> None:
    page = "before\n<!-- begin part -->\nold\n<!-- end part -->\nafter"
    assert with_parts(page, {"part": lambda: "new"}) == "before\n<!-- begin part -->\n\nnew\n\n<!-- end part -->\nafter"


def test_a_document_without_a_place_for_a_part_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected one `<!-- begin part -->`"):
        with_parts("nothing", {"part": lambda: "new"})
