"""Writing files: on every core, and completely or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.files.virtual import Buffer, Segment, VirtualFile
from service.files.writing import Content, write_file

NBYTES = (3 << 20) + 7


@dataclass(frozen=True)
class NumberedBytes(Segment):
    """A segment whose bytes differ at every position, and which notes that it was read."""

    nbytes: int = NBYTES
    was_read: threading.Event = field(default_factory=threading.Event)

    def read(self, start: int, stop: int) -> Buffer:
        self.was_read.set()
        return b"".join(number.to_bytes(4, "little") for number in range(start // 4, stop // 4 + 1))[start % 4 :][: stop - start]


FILE = VirtualFile((NumberedBytes(),))
WHOLE = bytes(FILE.read())


def stream() -> Iterator[Buffer]:
    return iter([WHOLE[:10], WHOLE[10:]])


@pytest.mark.parametrize("open_content", [lambda: FILE, stream], ids=["virtual file", "stream"])
def test_writes_every_byte_and_reports_progress(tmp_path: Path, open_content: Callable[[], Content]) -> None:
    progress: list[int] = []
    write_file(open_content(), tmp_path / "w.npy", advance=progress.append)
    assert (tmp_path / "w.npy").read_bytes() == WHOLE
    assert sum(progress) == NBYTES
    assert len(progress) > 1
    assert os.listdir(tmp_path) == ["w.npy"]


def test_writes_an_empty_file(tmp_path: Path) -> None:
    write_file(VirtualFile(()), tmp_path / "w.bin")
    assert (tmp_path / "w.bin").read_bytes() == b""


@pytest.mark.parametrize("missing", ["pwrite", "posix_fallocate"])
def test_writes_the_same_bytes_without_optional_system_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delattr(os, missing)
    write_file(FILE, tmp_path / "w.npy")
    assert (tmp_path / "w.npy").read_bytes() == WHOLE


def test_writes_to_a_file_system_that_cannot_reserve_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", _raising(errno.EOPNOTSUPP))
    write_file(FILE, tmp_path / "w.npy")
    assert (tmp_path / "w.npy").read_bytes() == WHOLE


def test_a_partial_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite, write = os.pwrite, os.write
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: pwrite(file, data[:300_000], offset))
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:300_000]))
    write_file(FILE, tmp_path / "w.npy")
    write_file(stream(), tmp_path / "w.npz")
    assert (tmp_path / "w.npy").read_bytes() == (tmp_path / "w.npz").read_bytes() == WHOLE


def test_a_full_disk_is_an_error_before_anything_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", _raising(errno.ENOSPC))
    segment = NumberedBytes()
    with pytest.raises(OSError, match=rf"No space left on device \({NBYTES} bytes needed\): '.*/w\.npy'"):
        write_file(VirtualFile((segment,)), tmp_path / "w.npy")
    assert not segment.was_read.is_set()
    assert os.listdir(tmp_path) == []


def test_a_failing_disk_leaves_the_existing_file_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.npy").write_bytes(b"before")
    monkeypatch.setattr(os, "pwrite", _raising(errno.EIO))
    with pytest.raises(OSError, match=r"'.*/w\.npy'"):
        write_file(FILE, tmp_path / "w.npy")
    assert (tmp_path / "w.npy").read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["w.npy"]


def test_the_bytes_reach_the_disk_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, _recording(calls, name))
    write_file(FILE, tmp_path / "w.npy")
    assert calls == ["fsync", "replace"]


def test_writes_a_file_with_the_longest_possible_name(tmp_path: Path) -> None:
    write_file(stream(), tmp_path / f"{'é' * 125}.npy")
    assert os.listdir(tmp_path) == [f"{'é' * 125}.npy"]


# what already has the name


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_usual_permissions(tmp_path: Path, umask: int) -> None:
    previous = os.umask(umask)
    try:
        write_file(stream(), tmp_path / "w.npy")
    finally:
        os.umask(previous)
    assert _mode(tmp_path / "w.npy") == 0o666 & ~umask


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o755])
def test_a_replaced_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    (tmp_path / "w.npy").touch()
    (tmp_path / "w.npy").chmod(mode)
    write_file(stream(), tmp_path / "w.npy")
    assert _mode(tmp_path / "w.npy") == mode


def test_refuses_to_replace_a_read_only_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.npy").write_bytes(b"protected")
    (tmp_path / "w.npy").chmod(0o444)
    monkeypatch.setattr(os, "access", lambda path, mode: bool(_mode(path) & 0o222) or mode != os.W_OK)  # root may write any file
    with pytest.raises(PermissionError, match=r"'.*/w\.npy'"):
        write_file(stream(), tmp_path / "w.npy")
    assert (tmp_path / "w.npy").read_bytes() == b"protected"


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    if exists:
        (tmp_path / "elsewhere" / "w.npy").write_bytes(b"before")
    (tmp_path / "link.npy").symlink_to(Path("elsewhere", "w.npy"))
    write_file(FILE, tmp_path / "link.npy")
    assert (tmp_path / "link.npy").is_symlink()
    assert (tmp_path / "elsewhere" / "w.npy").read_bytes() == WHOLE
    assert os.listdir(tmp_path / "elsewhere") == ["w.npy"]


@pytest.mark.parametrize("open_content", [lambda: FILE, stream], ids=["virtual file", "stream"])
def test_a_fifo_receives_the_bytes_in_order_and_stays(tmp_path: Path, open_content: Callable[[], Content]) -> None:
    os.mkfifo(tmp_path / "fifo")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "fifo").read_bytes()))
    reader.start()
    write_file(open_content(), tmp_path / "fifo")
    reader.join()
    assert received == [WHOLE]
    assert (tmp_path / "fifo").is_fifo()
    assert os.listdir(tmp_path) == ["fifo"]


def test_a_device_receives_the_bytes_and_stays() -> None:
    write_file(FILE, Path(os.devnull))
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize(
    ("path", "error"), [("missing/w.npy", FileNotFoundError), (".", IsADirectoryError), ("f/w.npy", NotADirectoryError)]
)
def test_an_error_names_the_path_that_cannot_be_a_file(tmp_path: Path, path: str, error: type[OSError]) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(error) as raised:
        write_file(FILE, tmp_path / path)
    assert raised.value.filename == str(tmp_path / path)


def _mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def _recording(calls: list[str], name: str) -> object:
    function = getattr(os, name)

    def call(*arguments: object) -> object:
        calls.append(name)
        return function(*arguments)

    return call


def _raising(number: int) -> object:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail
