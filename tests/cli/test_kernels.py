"""`weight-init kernels`: what an image runs once, so that none of its containers has to compile."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from service.cli import kernels
from service.cli.output import EXIT_IO
from service.core.stream.kernels import compiling


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for compiled code; what the command says to its children of the level is taken back."""
    monkeypatch.setenv("WEIGHT_INIT_KERNEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NUMBA_CPU_NAME", compiling.LEVEL)
    return tmp_path / "cache"


@pytest.mark.slow
def test_each_level_is_compiled_in_a_process_of_its_own(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compiling, "levels_here", lambda: ["generic"])  # one is enough
    kernels.kernels()
    assert [file.name for file in cache.glob("*/*.compiled")] == ["generic.compiled"]
    assert capfd.readouterr().err.startswith(f"compiling the kernels for generic; they are kept in {cache}")


def test_where_they_cannot_be_compiled_the_status_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "levels_here", lambda: ["generic"])
    monkeypatch.setattr(kernels, "_compile_kernels", _fail)
    with pytest.raises(SystemExit) as ended:
        kernels.kernels()
    assert ended.value.code == EXIT_IO


def _fail(_: Path | None) -> None:
    raise SystemExit(3)


def test_where_there_is_no_numba_it_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "service.core.stream.kernels.compiling", None)
    with pytest.raises(SystemExit) as ended:
        kernels.kernels()
    assert ended.value.code == EXIT_IO
    assert capsys.readouterr().err.startswith("weight-init: there is nothing to compile")
