"""The program that checks the golden answers on any machine finds those that differ."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from service.core.stream import engines
from tools.golden import check
from tools.golden.answers import FILE

ROWS: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))[:20]


def _golden(rows: list[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "golden.json"
    file.write_text(json.dumps(rows), "utf-8")
    monkeypatch.setattr(check, "FILE", file)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_it_succeeds_if_every_answer_is_the_golden_one(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _golden(ROWS, tmp_path, monkeypatch)
    try:
        assert check.main(["--engine", engine]) == 0
        assert engines.current().name == engine
    finally:
        engines.use_numpy()
    assert f"{engine}: 0 of 20 answers differ" in capsys.readouterr().out


@pytest.mark.parametrize("field", ["dtype", "shape", "first", "sha256", "file_sha256"])
def test_it_fails_and_names_the_request_whose_answer_differs(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = deepcopy(ROWS)
    rows[7]["answer"][field] = rows[7]["answer"][field][:-1]
    _golden(rows, tmp_path, monkeypatch)
    assert check.main(["--engine", "numpy"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("differs: ")] == [f"differs: {json.dumps(rows[7]['request'])}"]
    assert lines[-1].startswith("numpy: 1 of 20 answers differ")
