"""Writing a file that is computed where it is read: whole or not at all under its name, and on every core."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from service.concurrency.ahead import computed_ahead
from service.files.virtual import Buffer, VirtualFile, block_ranges

STANDARD_OUTPUT = Path("-")

Content = VirtualFile | Iterator[Buffer]
Advance = Callable[[int], object]  # takes the number of bytes written since it was last called

_STDOUT = 1
_BLOCK_BYTES = 1 << 20
_LONGEST_STEM = 50  # characters of the target's name within the temporary one, which may not become too long to be a name
_TOO_LARGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RESERVING = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV}

_seeking = threading.Lock()


def write_file(content: Content, output: Path, *, advance: Advance = lambda _: None) -> None:
    """Write to a file, or for `-` to standard output. Raises OSError, whose filename is `output`.

    A regular file appears under its name when it is whole, with the permissions that writing in place would have left; a
    link stays, and what it leads to is replaced. A FIFO or a device takes the bytes in order.
    """
    with _errors_naming(output, content):
        if is_standard_output(output):
            _write_in_order(content, _STDOUT, advance)
        elif output.exists() and not output.is_file():
            with open(output, "wb", buffering=0) as file:
                _write_in_order(content, file.fileno(), advance)
        else:
            _write_whole_or_not(content, Path(os.path.realpath(output)), advance)


def is_standard_output(output: Path) -> bool:
    """Whether this is standard output, as `-` or by another name such as /dev/stdout."""
    if output == STANDARD_OUTPUT:
        return True
    try:
        return os.path.samestat(os.stat(output), os.fstat(_STDOUT))
    except OSError:  # there is no such file yet, or standard output is closed
        return False


@contextmanager
def _errors_naming(output: Path, content: Content) -> Iterator[None]:
    """Let errors name what was asked for, not the temporary file, and its size where that is too much."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _TOO_LARGE and isinstance(content, VirtualFile):
            reason += f" ({content.nbytes} bytes are to be written)"
        raise OSError(error.errno, reason, "standard output" if output == STANDARD_OUTPUT else str(output)) from error


def _write_whole_or_not(content: Content, target: Path, advance: Advance) -> None:
    """Write beside the target and rename at the end."""
    if target.exists() and not os.access(target, os.W_OK):  # renaming would not ask
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    temporary = target.with_name(f".{target.name[:_LONGEST_STEM]}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb", buffering=0) as file:
            if target.exists():
                shutil.copymode(target, temporary)
            if isinstance(content, VirtualFile):
                _write_at_offsets(content, file.fileno(), advance)
            else:
                _write_in_order(content, file.fileno(), advance)
            # without it, a machine that loses power after the renaming may come back with zeros under the name: reserved, never
            # written, and to be taken for weights
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:  # an interruption too
        temporary.unlink(missing_ok=True)
        raise


def _write_in_order(content: Content, descriptor: int, advance: Advance) -> None:
    """Without a buffer: at an interruption, Python would try to write it out, into a pipe that may be full for ever."""
    with closing(_blocks(content)) as blocks:
        for block in blocks:
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            advance(len(block))


def _blocks(content: Content) -> Generator[Buffer, None, None]:
    if isinstance(content, VirtualFile):
        yield from computed_ahead(content.read, block_ranges(0, content.nbytes, _BLOCK_BYTES))
    else:
        yield from content


def _write_at_offsets(content: VirtualFile, descriptor: int, advance: Advance) -> None:
    """Every thread writes the block that it has computed."""

    def write(start: int, stop: int) -> int:
        _write_at(descriptor, content.read(start, stop), start)
        return stop - start

    _reserve(descriptor, content.nbytes)
    with closing(computed_ahead(write, block_ranges(0, content.nbytes, _BLOCK_BYTES))) as written:
        for nbytes in written:
            advance(nbytes)


def _reserve(descriptor: int, nbytes: int) -> None:
    """Take the space, so that a full disk is found before anything is computed. Not every file system can."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, nbytes)
    except OSError as error:
        if error.errno not in _NO_RESERVING:
            raise


def _write_at(descriptor: int, data: Buffer, offset: int) -> None:
    rest = memoryview(data)
    while rest:  # near a limit, only the part before it is written
        written = _pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _pwrite(descriptor: int, data: Buffer, offset: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    with _seeking:  # Windows
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)
