"""Generated parts of the documents are current, and a stale one is noticed."""

from __future__ import annotations

import pytest

from tests.documents import openapi
from tests.documents.__main__ import PARTS, WHOLES, made, renewed


@pytest.mark.parametrize("path", [*PARTS, *WHOLES])
def test_a_document_is_current(path: str) -> None:
    page, new = made(path)
    assert page == new


def test_the_openapi_document_is_the_same_in_every_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = openapi.document()
    monkeypatch.setenv("WEIGHT_INIT_API_KEYS", "k" * 32)
    monkeypatch.setenv("WEIGHT_INIT_METRICS_PORT", "9000")
    assert openapi.document() == before


def test_a_stale_part_is_made_anew() -> None:
    page = "before\n<!-- begin part -->\nold\n<!-- end part -->\nafter"
    assert renewed(page, {"part": lambda: "new"}) == "before\n<!-- begin part -->\n\nnew\n\n<!-- end part -->\nafter"


def test_a_missing_place_is_an_error() -> None:
    with pytest.raises(SystemExit, match="expected one place"):
        renewed("nothing", {"part": lambda: "new"})
