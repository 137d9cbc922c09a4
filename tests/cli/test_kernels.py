"""`weight-init kernels`, which an image build runs once so that its containers need not compile."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from service.cli import kernels
from service.cli.output import EXIT_IO
from service.core.stream import engines
from service.core.stream.kernels import compiling


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for compiled kernels. The level that the command sets for its child processes is restored at the end."""
    monkeypatch.setenv("WEIGHT_INIT_KERNEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NUMBA_CPU_NAME", compiling.LEVEL)
    return tmp_path / "cache"


@pytest.mark.slow
def test_compiles_each_level_in_its_own_process(cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(compiling, "levels_here", lambda: ["generic"])  # one level is enough
    kernels.kernels()
    assert [file.parent.name for file in cache.glob("*/*/SHA256SUMS")] == ["generic"]
    assert capfd.readouterr().err.startswith(f"compiling the kernels for generic; they are kept in {cache}")


def test_exits_with_an_error_if_compilation_fails(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "levels_here", lambda: ["generic"])
    monkeypatch.setattr(kernels, "_compile_kernels", _fail)
    with pytest.raises(SystemExit) as error:
        kernels.kernels()
    assert error.value.code == EXIT_IO


def _fail(_: Path | None) -> None:
    raise SystemExit(3)


def test_exits_with_an_error_without_numba(cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "service.core.stream.kernels.compiling", None)
    with pytest.raises(SystemExit) as error:
        kernels.kernels()
    assert error.value.code == EXIT_IO
    assert capsys.readouterr().err.startswith("weight-init: cannot compile the kernels")


def test_kernels_that_cannot_be_kept_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "load_kernels", lambda cache: None)
    with pytest.raises(SystemExit, match="1"):
        kernels._compile_kernels(tmp_path / "none")


def test_a_folder_that_cannot_be_written_is_an_error_before_anything_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("a file, which cannot contain a folder")
    monkeypatch.setenv("WEIGHT_INIT_KERNEL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SystemExit, match="1"):
        kernels.kernels()
    (line,) = capfd.readouterr().err.splitlines()
    expected = f"WEIGHT_INIT_KERNEL_CACHE: expected a folder that can be written; received {tmp_path}/file/cache: Not a directory. "
    assert line.startswith(f"weight-init: {expected}")


def test_kernels_of_a_user_without_a_home_need_a_folder(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("WEIGHT_INIT_KERNEL_CACHE", raising=False)
    monkeypatch.setattr(engines, "default_cache", lambda: None)
    with pytest.raises(SystemExit, match="2"):
        kernels.kernels()
    assert "WEIGHT_INIT_KERNEL_CACHE: expected a folder" in capsys.readouterr().err
