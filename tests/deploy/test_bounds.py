"""`make test-lowest` notices a lower bound that it did not test."""

from __future__ import annotations

import pytest

from tools import bounds

LOWEST = {requirement.name: str(bounds.lower_bound(requirement)) for requirement in bounds.requirements()}


def test_every_requirement_has_a_lower_bound() -> None:
    assert "None" not in LOWEST.values()


def test_accepts_the_lower_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "version", LOWEST.__getitem__)
    assert bounds.main() == 0


def test_reports_a_newer_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bounds, "version", lambda name: "2.99" if name == "numpy" else LOWEST[name])
    assert bounds.main() == 1
    assert capsys.readouterr().err.startswith(f"numpy<3,>={LOWEST['numpy']}: expected the lower bound to be installed; received 2.99.")
