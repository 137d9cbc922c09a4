"""Writing a file on every core. It appears under its name only when it is complete."""

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
_MAX_STEM_LENGTH = 50  # characters of the file's name in the temporary name, which would otherwise exceed the limit of the file system
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_RESERVING_UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV}

_seeking = threading.Lock()


def write_file(content: Content, output: Path, *, advance: Advance = lambda _: None) -> None:
    """Write to a file, or to standard output for `-`. Raises OSError, whose filename is `output`.

    A regular file appears under its name when it is complete, with the permissions that writing in place would have left. A symbolic
    link stays, and its target is replaced. A FIFO or a device receives the bytes in order.
    """
    with _errors_about(output, content):
        if is_standard_output(output):
            _write_in_order(content, _STDOUT, advance)
        elif output.exists() and not output.is_file():
            with open(output, "wb", buffering=0) as file:
                _write_in_order(content, file.fileno(), advance)
        else:
            _write_atomically(content, Path(os.path.realpath(output)), advance)


def is_standard_output(output: Path) -> bool:
    """Return whether this is standard output: `-`, or another name for it such as /dev/stdout."""
    if output == STANDARD_OUTPUT:
        return True
    try:
        return os.path.samestat(os.stat(output), os.fstat(_STDOUT))
    except OSError:  # the file does not exist yet, or standard output is closed
        return False


@contextmanager
def _errors_about(output: Path, content: Content) -> Iterator[None]:
    """Make errors name the requested file instead of the temporary one, and its size if there is no space for it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _NO_SPACE and isinstance(content, VirtualFile):
            reason += f" ({content.nbytes} bytes needed)"
        raise OSError(error.errno, reason, "standard output" if output == STANDARD_OUTPUT else str(output)) from error


def _write_atomically(content: Content, target: Path, advance: Advance) -> None:
    """Write a temporary file beside the target, and rename it at the end."""
    if target.exists() and not os.access(target, os.W_OK):  # renaming ignores the permissions of the target
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    temporary = target.with_name(f".{target.name[:_MAX_STEM_LENGTH]}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb", buffering=0) as file:
            if target.exists():
                shutil.copymode(target, temporary)
            if isinstance(content, VirtualFile):
                _write_at_offsets(content, file.fileno(), advance)
            else:
                _write_in_order(content, file.fileno(), advance)
            # Without this, the file could read as zeros after a power failure: reserved, never written, and easily taken for weights.
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:  # including an interruption
        temporary.unlink(missing_ok=True)
        raise


def _write_in_order(content: Content, descriptor: int, advance: Advance) -> None:
    """Write unbuffered. At an interruption Python would flush a buffer, into a pipe that may stay full forever."""
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
    """Write on several threads. Each writes the blocks that it computes."""

    def write(start: int, stop: int) -> int:
        _write_at(descriptor, content.read(start, stop), start)
        return stop - start

    _reserve(descriptor, content.nbytes)
    with closing(computed_ahead(write, block_ranges(0, content.nbytes, _BLOCK_BYTES))) as written:
        for nbytes in written:
            advance(nbytes)


def _reserve(descriptor: int, nbytes: int) -> None:
    """Reserve the space if the file system can, so that a full disk is an error before anything is computed."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, nbytes)
    except OSError as error:
        if error.errno not in _RESERVING_UNSUPPORTED:
            raise


def _write_at(descriptor: int, data: Buffer, offset: int) -> None:
    rest = memoryview(data)
    while rest:  # a write that reaches a size limit is only partly done
        written = _pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _pwrite(descriptor: int, data: Buffer, offset: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    with _seeking:  # Windows
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)
