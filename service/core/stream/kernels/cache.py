"""Keeps compiled kernels on disk. Only files with the right checksums are loaded, from a private copy that nothing else can change."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import llvmlite
import numba

_CHECKSUMS = "SHA256SUMS"  # a line for each file, as `sha256sum` writes and checks it
_ROOM, _MAX_BYTES = "room", 2 << 20  # more than the files of a level take

Files = dict[str, bytes]

_log = logging.getLogger("weight_init")


class KernelCache:
    """A folder with the files of all kernels for one version of the sources and one level of processors.

    It is replaced as a whole, and never changed. So processes that start at the same time see all of its files or none.
    """

    def __init__(self, folder: Path, level: str) -> None:
        self.folder = folder / _version() / level

    @property
    def is_sound(self) -> bool:
        """Whether there are files, and all have the right checksums."""
        return bool(self._undamaged())

    def read(self) -> Files:
        """Return the content of each file by its path in the folder; nothing if there are no files, or if any of them is damaged."""
        try:
            return self._checked()
        except (OSError, ValueError) as error:
            if os.path.exists(self.folder):  # unlike Path.exists, False for a folder that this user cannot reach
                _log.warning("the compiled kernels in %s cannot be used and are compiled anew: %s", self.folder, error)
            return {}

    def _undamaged(self) -> Files:
        with suppress(OSError, ValueError):
            return self._checked()
        return {}

    def _checked(self) -> Files:
        files = files_in(self.folder)
        stored, right = files.pop(_CHECKSUMS, b"").splitlines(), _checksums(files).splitlines()
        if stored != right:
            different = sorted({line.decode("utf-8", "replace").partition("  ")[2] for line in {*stored} ^ {*right}})
            raise ValueError(f"{different[0]} does not have its checksum" + (f", nor {len(different) - 1} more" if different[1:] else ""))
        return files

    def replace(self, loaded: Files, files: Files) -> None:
        """Keep `files` in place of those that were loaded, unless another process has replaced them. If that is impossible, log why."""
        if self._undamaged() not in ({}, loaded):
            return
        new = self.folder.with_name(f".{self.folder.name}-{secrets.token_hex(8)}")
        try:
            _write({**files, _CHECKSUMS: _checksums(files)}, new)
            self._move_here(new)
        except OSError as error:
            _log.warning("the kernels will be compiled at each start, as they cannot be kept in %s: %s", self.folder, error.strerror)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _move_here(self, new: Path) -> None:
        old = new.with_name(f"{new.name}-old")
        with suppress(FileNotFoundError):  # the usual case
            self.folder.rename(old)
        try:
            new.rename(self.folder)
        except OSError:
            if not self.is_sound:  # otherwise another process was faster, and its files are as good
                raise
        finally:
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def private_copy(files: Files) -> Iterator[Path | None]:
    """Yield a temporary folder with these files, which is removed at the end; None, with a warning, if it cannot be written."""
    with ExitStack() as stack:
        copy = None
        try:
            folder = tempfile.TemporaryDirectory(prefix="weight-init-kernels-", dir=_temporary_folder(), ignore_cleanup_errors=True)
            copy = Path(stack.enter_context(folder))
            _write({**files, _ROOM: bytes(_MAX_BYTES)}, copy)  # Numba fails if it cannot write what it compiles
            (copy / _ROOM).unlink()
        except OSError as error:
            copy = None
            _log.warning("the kernels are compiled at each start, as the folder for temporary files cannot be used: %s", error)
        yield copy


def files_in(folder: Path) -> Files:
    """Return the content of each file below a folder by its path."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def _checksums(files: Files) -> bytes:
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())).encode("utf-8")


def _write(files: Files, folder: Path) -> None:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _temporary_folder() -> str | None:
    """Return a folder in memory if the usual one for temporary files is not writable, as in a read-only container."""
    try:
        return tempfile.gettempdir()
    except OSError:
        return "/dev/shm"


def _version() -> str:
    """Return a digest of all that the compiled code depends on. Numba itself only notices changes in the file of each function."""
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), here.parent / "quantiles.py"]
    versions = f"{here}\n{sys.version}\n{numba.__version__}\n{llvmlite.__version__}".encode()  # Numba looks for the path, too
    return hashlib.sha256(b"\0".join([versions, *(source.read_bytes() for source in sources)])).hexdigest()[:16]
