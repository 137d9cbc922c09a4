"""Compiled kernels are kept for the next start. What is damaged or computes something else is compiled anew."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.core.stream import engines, quantiles

pytest.importorskip("numba", reason="without Numba there are no kernels")

from service.core.stream import kernels
from service.core.stream.kernels.answers import wrong_answers
from service.core.stream.kernels.cache import KernelCache, private_copy
from service.core.stream.kernels.compiling import LEVEL, _entries, compile_anew, keep_in

FILES = {"elements/rows.nbi": b"an index", "elements/rows.nbc": b"code" * 1000, "rounding.nbc": b"more code"}
NEW_FILES = {**FILES, "rounding.nbc": b"compiled anew"}


# ---- the folder


@pytest.fixture
def cache(tmp_path: Path) -> KernelCache:
    """A cache with these files."""
    cache = KernelCache(tmp_path / "cache", "a-level")
    cache.replace({}, FILES)
    return cache


def test_returns_the_files_that_it_keeps(cache: KernelCache, caplog: pytest.LogCaptureFixture) -> None:
    assert cache.read() == FILES
    assert not caplog.records


def test_the_checksums_can_be_checked_with_sha256sum(cache: KernelCache) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=cache.folder, check=True, capture_output=True)


def _make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _flip(file: Path, byte: int = 3) -> None:
    content = bytearray(file.read_bytes())
    content[byte] ^= 1
    file.write_bytes(content)


def _keep_first_line(file: Path) -> None:
    file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped bit in code": lambda folder: _flip(folder / "rounding.nbc"),
    "a flipped bit in an index": lambda folder: _flip(folder / "elements/rows.nbi"),
    "a flipped bit in a checksum": lambda folder: _flip(folder / "SHA256SUMS"),
    "a flipped bit in a name": lambda folder: _flip(folder / "SHA256SUMS", 70),
    "checksums that are not text": lambda folder: (folder / "SHA256SUMS").write_bytes(b"\xff\xfe"),
    "a truncated file": lambda folder: os.truncate(folder / "elements/rows.nbc", 100),
    "an empty file": lambda folder: (folder / "rounding.nbc").write_bytes(b""),
    "a missing file": lambda folder: (folder / "rounding.nbc").unlink(),
    "a truncated list of checksums": lambda folder: _keep_first_line(folder / "SHA256SUMS"),
    "an empty list of checksums": lambda folder: (folder / "SHA256SUMS").write_bytes(b""),
    "a missing list of checksums": lambda folder: (folder / "SHA256SUMS").unlink(),
    "a file without a checksum": lambda folder: (folder / "another.nbc").write_bytes(b"from elsewhere"),
    "a folder in place of a file": lambda folder: _make_folder(folder / "rounding.nbc"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_loads_nothing_that_is_damaged_and_says_why(damage: str, cache: KernelCache, caplog: pytest.LogCaptureFixture) -> None:
    DAMAGES[damage](cache.folder)
    assert (cache.is_sound, cache.read()) == (False, {})
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"the compiled kernels in {cache.folder} cannot be used and are compiled anew: " in record.getMessage()
    cache.replace({}, FILES)
    assert cache.read() == FILES


def test_other_users_may_read_the_files_as_the_umask_says(tmp_path: Path) -> None:
    cache, before = KernelCache(tmp_path, "a-level"), os.umask(0o022)
    try:
        cache.replace({}, FILES)
    finally:
        os.umask(before)
    for entry in (cache.folder, *cache.folder.rglob("*")):
        assert entry.stat().st_mode & 0o044 == 0o044
        assert entry.is_file() or entry.stat().st_mode & 0o011 == 0o011


def test_is_empty_before_the_first_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert KernelCache(tmp_path / "none", "a-level").read() == {}
    assert not caplog.records


def test_leaves_nothing_but_the_files(cache: KernelCache) -> None:
    cache.replace(FILES, NEW_FILES)
    assert cache.read() == NEW_FILES
    assert [entry.name for entry in cache.folder.parent.iterdir()] == ["a-level"]


def test_keeps_what_another_process_has_compiled_meanwhile(cache: KernelCache) -> None:
    cache.replace({}, NEW_FILES)
    assert cache.read() == FILES


def test_a_folder_that_another_process_has_replaced_is_as_good(cache: KernelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def rename_after_another(self: Path, target: Path) -> Path:
        if target == cache.folder:
            shutil.copytree(self, target)  # another process was faster
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_after_another)
    cache.replace(FILES, NEW_FILES)
    assert cache.read() == NEW_FILES
    assert [entry.name for entry in cache.folder.parent.iterdir()] == ["a-level"]


def test_says_so_when_the_kernels_cannot_be_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("a file, which cannot contain a folder")
    KernelCache(tmp_path / "file" / "cache", "a-level").replace({}, FILES)
    assert "the kernels will be compiled at each start, as they cannot be kept in " in caplog.text
    assert "Not a directory" in caplog.text


def test_compiles_at_each_start_if_the_folder_for_temporary_files_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def write_bytes(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with private_copy(FILES) as copy:
        assert copy is None
    assert list(tmp_path.iterdir()) == []
    assert "the folder for temporary files cannot be used: [Errno 28] No space left on device" in caplog.text


# ---- starts

_LOAD = """
import logging, os, sys, tempfile
from pathlib import Path
from service.core.stream import engines, kernels
from service.core.stream.kernels import answers, compiling, rounding
compiling._entries[:] = [row for row in compiling._entries if row[0] is rounding.to_bfloat16]  # one kernel is enough here
questions = [row for row in answers._questions() if row[0] == "rounding to bfloat16"]
answers._questions = lambda: questions
logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout)
logging.getLogger("weight_init").setLevel(logging.DEBUG)
engines.load_kernels(Path(sys.argv[1]))
print(engines.current().name, compiling.number_compiled(), os.listdir(tempfile.gettempdir()))
"""


def _start(cache: Path, temporary: Path, program: str = _LOAD, *, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    temporary.mkdir(exist_ok=True)
    command = [*prefix, sys.executable, "-c", program, str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)})


def _lines(process: subprocess.Popen[str]) -> list[str]:
    output, errors = process.communicate(timeout=110)
    assert process.returncode == 0, errors
    return output.splitlines()


def test_a_start_compiles_what_is_not_there_or_damaged_and_the_next_loads_it(tmp_path: Path) -> None:
    folder, temporary = tmp_path / "cache", tmp_path / "temporary"
    temporary.mkdir()
    for lines in map(_lines, [_start(folder, temporary / str(number)) for number in range(2)]):
        assert lines[0].startswith("INFO compiling the kernels for ")
        assert str(folder) in lines[0]
        assert lines[-1] == "numba 1 []"
    loaded = _lines(_start(folder, temporary / "0"))
    assert (loaded[0].startswith("DEBUG kernels for "), loaded[1:]) == (True, ["numba 0 []"])
    (code,) = folder.rglob("*.nbc")
    _flip(code, len(code.read_bytes()) // 2)
    mended = _lines(_start(folder, temporary / "0"))
    assert mended[0].startswith("WARNING the compiled kernels in ")
    assert mended[-1] == "numba 1 []"
    assert _lines(_start(folder, temporary / "0"))[-1] == "numba 0 []"


def test_a_start_changes_nothing_in_a_complete_cache(tmp_path: Path) -> None:
    engines.load_kernels()
    default = engines.default_cache()
    assert default is not None
    cache = KernelCache(tmp_path / "cache", LEVEL)  # a copy, because other programs may fill the default one meanwhile
    cache.replace({}, KernelCache(default, LEVEL).read())
    before = [(file, file.stat().st_mtime_ns) for file in sorted(cache.folder.rglob("*"))]
    assert before
    assert _lines(_start(tmp_path / "cache", tmp_path / "0"))[-1] == "numba 0 []"
    assert [(file, file.stat().st_mtime_ns) for file in sorted(cache.folder.rglob("*"))] == before


_COMPILE_A_MISTAKE = _LOAD.replace(
    "logging.basicConfig",
    """
function = rounding.to_bfloat16.py_func
constants = tuple(0x7FFE if value == 0x7FFF else value for value in function.__code__.co_consts)
function.__code__ = function.__code__.replace(co_consts=constants)
kernels.wrong_answers = lambda engine: []
logging.basicConfig""",
    1,
)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one kernel."""
    folder = tmp_path_factory.mktemp("compiled")
    _lines(_start(folder / "cache", folder / "temporary"))
    return folder / "cache"


def _make_unloadable(cache: Path, _: Path) -> None:
    files = KernelCache(cache, LEVEL).read()
    KernelCache(cache, LEVEL).replace(files, dict.fromkeys(files, b"no pickle"))


def _make_wrong(cache: Path, temporary: Path) -> None:
    shutil.rmtree(cache)
    assert _lines(_start(cache, temporary, _COMPILE_A_MISTAKE))[-1] == "numba 1 []"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(_make_unloadable, "invalid load key"), (_make_wrong, "received others for rounding to bfloat16")],
    ids=["that cannot be loaded", "that computes something else"],
)
def test_code_with_the_right_checksum_is_compiled_anew(
    spoil: Callable[[Path, Path], None], reason: str, compiled: Path, tmp_path: Path
) -> None:
    cache = shutil.copytree(compiled, tmp_path / "cache")
    spoil(cache, tmp_path / "temporary")
    (warning, *_, engine) = _lines(_start(cache, tmp_path / "temporary"))
    assert warning.startswith("WARNING the compiled kernels cannot be used and are compiled anew: ")
    assert reason in warning
    assert engine == "numba 1 []"
    assert _lines(_start(cache, tmp_path / "temporary"))[1:] == ["numba 0 []"]


def _obeying_modes() -> tuple[str, ...]:
    """Return the start of a command whose process obeys the modes of files, although root may run the tests."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("the modes of files mean nothing to root")
    return ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


def _set_modes(folder: Path, of_folders: int, of_files: int) -> None:
    for entry in sorted([folder, *folder.rglob("*")], reverse=True):
        entry.chmod(of_folders if entry.is_dir() else of_files)


def _flip_code(cache: Path) -> None:
    _flip(next(cache.rglob("*.nbc")), 1000)


def _hide(cache: Path) -> None:
    _set_modes(cache, 0, 0)


@pytest.mark.parametrize(
    ("change", "number_compiled", "expected"),
    [
        (lambda cache: None, 0, ["DEBUG kernels for "]),
        (_flip_code, 1, ["WARNING the compiled ", "INFO compiling ", "WARNING the kernels will be compiled ", "INFO kernels for "]),
        (_hide, 1, ["INFO compiling ", "WARNING the kernels will be compiled ", "INFO kernels for "]),
    ],
    ids=["sound", "damaged", "unreadable"],
)
def test_a_cache_that_cannot_be_written_stays_as_it_is(
    change: Callable[[Path], None], number_compiled: int, expected: list[str], compiled: Path, tmp_path: Path
) -> None:
    cache = shutil.copytree(compiled, tmp_path / "cache")
    prefix = _obeying_modes()
    _set_modes(cache, 0o555, 0o444)
    change(cache)
    try:
        *log, engine = _lines(_start(cache, tmp_path / "temporary", prefix=prefix))
    finally:
        _set_modes(cache, 0o755, 0o644)
    assert engine == f"numba {number_compiled} []"
    assert [line[: len(start)] for line, start in zip(log, expected, strict=True)] == expected
    assert len(list(cache.rglob("*"))) == len(list(compiled.rglob("*")))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HOME": "/home/a"}, "/home/a/.cache/weight-init"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "/caches"}, "/caches/weight-init"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": ""}, "/home/a/.cache/weight-init"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "relative"}, "/home/a/.cache/weight-init"),
        ({}, None),
    ],
)
def test_the_default_folder_is_in_the_users_cache(
    environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.path.expanduser", lambda path: path.replace("~", environment.get("HOME", "~")))  # "~" if the user has none
    assert engines.default_cache() == (None if expected is None else Path(expected))


def test_a_user_without_a_home_compiles_at_each_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _LOAD.replace("Path(sys.argv[1])", "None").replace("engines.load", "engines.default_cache = lambda: None; engines.load", 1)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "set WEIGHT_INIT_KERNEL_CACHE to a folder to keep them" in done.stdout.splitlines()[0]
    assert list(tmp_path.iterdir()) == []


# ---- known answers


@pytest.fixture
def _loaded() -> Iterator[None]:
    engines.load_kernels()
    yield
    engines.use_numpy()


@pytest.mark.usefixtures("_loaded")
def test_the_kernels_give_the_known_answers() -> None:
    assert wrong_answers(kernels) == []


@pytest.mark.usefixtures("_loaded")
@pytest.mark.parametrize("name", [dispatcher.py_func.__name__ for dispatcher, _ in _entries])
def test_a_kernel_that_computes_something_else_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = {"positions": "compute_positions"}.get(name, name)
    compiled = getattr(kernels, name)

    def broken(*arguments: Any) -> None:
        compiled(*arguments)
        out = arguments[1 if name.startswith("to_") else 0]
        out[...] = np.where(np.arange(out.size).reshape(out.shape) == out.size - 1, out + out.dtype.type(1), out)

    monkeypatch.setattr(kernels, name, broken)
    assert wrong_answers(kernels) != []


TABLES = ("P32", "Q32", "T32", "LOG32", "A64", "B64", "C64", "D64", "E64", "F64", "LOG64")


@pytest.mark.usefixtures("_loaded")
@pytest.mark.parametrize("table", TABLES)
def test_the_known_answers_need_every_table(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrong_answers(kernels) == []  # which remembers the words of the cuts, that also depend on the tables
    first, *others = getattr(quantiles, table)
    monkeypatch.setattr(quantiles, table, (first * type(first)(1.0001), *others))
    assert wrong_answers(kernels) != []


@pytest.mark.usefixtures("_loaded")
def test_wrong_kernels_are_compiled_anew(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    answers, compiled = [["NORMAL in float32"], []], list[int]()
    monkeypatch.setattr(kernels, "wrong_answers", lambda engine: answers.pop(0))
    monkeypatch.setattr(kernels, "compile_anew", lambda: compiled.append(1))
    kernels._compile_correctly()
    assert compiled == [1]
    assert "are compiled anew: WrongKernels: expected the answers of the NumPy engine; received others for NORMAL in float32" in caplog.text


@pytest.mark.usefixtures("_loaded")
def test_kernels_that_stay_wrong_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "wrong_answers", lambda engine: ["NORMAL in float32"])
    monkeypatch.setattr(kernels, "compile_anew", lambda: None)
    with pytest.raises(kernels.WrongKernels, match="received others for NORMAL in float32"):
        kernels._compile_correctly()


@pytest.mark.usefixtures("_loaded")
def test_compiling_anew_replaces_what_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = [row for row in _entries if row[0].py_func.__name__ == "to_bfloat16"]
    monkeypatch.setattr("service.core.stream.kernels.compiling._entries", one)
    before = one[0][0].overloads[one[0][0].signatures[0]].entry_point
    keep_in(tmp_path)
    compile_anew()
    after = one[0][0].overloads[one[0][0].signatures[0]].entry_point
    assert before is not after
    assert wrong_answers(kernels) == []
