"""Writing files: on every core, and whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.files.virtual import Buffer, VirtualFile
from service.files.writing import Content, write_file

NBYTES = (3 << 20) + 7


@dataclass(frozen=True)
class Counted:
    """Bytes of which each place has its own, and which say that they were read."""

    nbytes: int = NBYTES
    is_read: threading.Event = field(default_factory=threading.Event)

    def read(self, start: int, stop: int) -> Buffer:
        self.is_read.set()
        return b"".join(place.to_bytes(4, "little") for place in range(start // 4, stop // 4 + 1))[start % 4 :][: stop - start]


FILE = VirtualFile((Counted(),))
WHOLE = bytes(FILE.read())


def in_order() -> Iterator[Buffer]:
    return iter([WHOLE[:10], WHOLE[10:]])


@pytest.mark.parametrize("open_content", [lambda: FILE, in_order], ids=["at any place", "in order"])
def test_the_file_has_all_bytes_and_the_progress_counts_them(tmp_path: Path, open_content: Callable[[], Content]) -> None:
    progress: list[int] = []
    write_file(open_content(), tmp_path / "w.npy", advance=progress.append)
    assert (tmp_path / "w.npy").read_bytes() == WHOLE
    assert sum(progress) == NBYTES
    assert len(progress) > 1
    assert os.listdir(tmp_path) == ["w.npy"]


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    write_file(VirtualFile(()), tmp_path / "w.bin")
    assert (tmp_path / "w.bin").read_bytes() == b""


@pytest.mark.parametrize("missing", ["pwrite", "posix_fallocate"])
def test_a_system_without_it_writes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delattr(os, missing)
    write_file(FILE, tmp_path / "w.npy")
    assert (tmp_path / "w.npy").read_bytes() == WHOLE


def test_a_file_system_that_cannot_reserve_space_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", _raising(errno.EOPNOTSUPP))
    write_file(FILE, tmp_path / "w.npy")
    assert (tmp_path / "w.npy").read_bytes() == WHOLE


def test_a_write_of_a_part_is_followed_by_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite, write = os.pwrite, os.write
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: pwrite(file, data[:300_000], offset))
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:300_000]))
    write_file(FILE, tmp_path / "w.npy")
    write_file(in_order(), tmp_path / "w.npz")
    assert (tmp_path / "w.npy").read_bytes() == (tmp_path / "w.npz").read_bytes() == WHOLE


def test_a_disk_that_is_too_small_is_found_before_anything_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", _raising(errno.ENOSPC))
    segment = Counted()
    with pytest.raises(OSError, match=rf"No space left on device \({NBYTES} bytes are to be written\): '.*/w\.npy'"):
        write_file(VirtualFile((segment,)), tmp_path / "w.npy")
    assert not segment.is_read.is_set()
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fails_in_the_middle_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.npy").write_bytes(b"before")
    monkeypatch.setattr(os, "pwrite", _raising(errno.EIO))
    with pytest.raises(OSError, match=r"'.*/w\.npy'"):
        write_file(FILE, tmp_path / "w.npy")
    assert (tmp_path / "w.npy").read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["w.npy"]


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, _noting(done, name))
    write_file(FILE, tmp_path / "w.npy")
    assert done == ["fsync", "replace"]


def test_the_longest_name_is_a_name(tmp_path: Path) -> None:
    write_file(in_order(), tmp_path / f"{'é' * 125}.npy")
    assert os.listdir(tmp_path) == [f"{'é' * 125}.npy"]


# what the name may stand for


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_file(in_order(), tmp_path / "w.npy")
    finally:
        os.umask(before)
    assert _mode(tmp_path / "w.npy") == 0o666 & ~umask


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    (tmp_path / "w.npy").touch()
    (tmp_path / "w.npy").chmod(mode)
    write_file(in_order(), tmp_path / "w.npy")
    assert _mode(tmp_path / "w.npy") == mode


def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.npy").write_bytes(b"protected")
    (tmp_path / "w.npy").chmod(0o444)
    monkeypatch.setattr(os, "access", lambda path, wanted: bool(_mode(path) & 0o222) or wanted != os.W_OK)  # root may write everything
    with pytest.raises(PermissionError, match=r"'.*/w\.npy'"):
        write_file(in_order(), tmp_path / "w.npy")
    assert (tmp_path / "w.npy").read_bytes() == b"protected"


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    if exists:
        (tmp_path / "elsewhere" / "w.npy").write_bytes(b"before")
    (tmp_path / "link.npy").symlink_to(Path("elsewhere", "w.npy"))
    write_file(FILE, tmp_path / "link.npy")
    assert (tmp_path / "link.npy").is_symlink()
    assert (tmp_path / "elsewhere" / "w.npy").read_bytes() == WHOLE
    assert os.listdir(tmp_path / "elsewhere") == ["w.npy"]


@pytest.mark.parametrize("open_content", [lambda: FILE, in_order], ids=["at any place", "in order"])
def test_a_fifo_takes_the_bytes_in_order_and_stays(tmp_path: Path, open_content: Callable[[], Content]) -> None:
    os.mkfifo(tmp_path / "fifo")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "fifo").read_bytes()))
    reader.start()
    write_file(open_content(), tmp_path / "fifo")
    reader.join()
    assert read == [WHOLE]
    assert (tmp_path / "fifo").is_fifo()
    assert os.listdir(tmp_path) == ["fifo"]


def test_a_device_takes_the_bytes_and_stays() -> None:
    write_file(FILE, Path(os.devnull))
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize(
    ("path", "error"), [("missing/w.npy", FileNotFoundError), (".", IsADirectoryError), ("f/w.npy", NotADirectoryError)]
)
def test_what_cannot_be_a_file_is_named(tmp_path: Path, path: str, error: type[OSError]) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(error) as raised:
        write_file(FILE, tmp_path / path)
    assert raised.value.filename == str(tmp_path / path)


def _mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def _noting(done: list[str], name: str) -> object:
    function = getattr(os, name)

    def call(*arguments: object) -> object:
        done.append(name)
        return function(*arguments)

    return call


def _raising(number: int) -> object:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail
