"""Writes the log to stderr from a thread, so that a stderr that takes nothing costs lines of the log, and delays no response."""

from __future__ import annotations

import io
import logging
import os
import select
import sys
import threading
from collections import deque

from typing_extensions import override

_MAX_WAITING_BYTES = 4 << 20
_MAX_BLOCK_BYTES = getattr(select, "PIPE_BUF", 512)  # a pipe takes this many at once, so processes do not split each other's lines
_PAUSE_S = 0.05  # collects lines, so that the thread seldom interrupts the others
_END_S = 1.0


class StderrHandler(logging.Handler):
    """Formats each record in the caller's thread and writes it in another. Lines beyond 4 MiB that wait are lost, but counted.

    When stderr takes lines again, the first one says how many were lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self._descriptor = _stderr_descriptor()
        self._waiting: deque[bytes] = deque()
        self._added_bytes = self._removed_bytes = 0  # each changed by one side only, so they need no lock
        self._not_added = self._not_written = self._reported = 0  # lines
        self._is_torn = False  # whether the last line was written in part
        self._has_lines, self._is_ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._write_lines, name="weight-init-log", daemon=True)
        if self._descriptor is not None:
            self._thread.start()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if self._descriptor is None or self._is_ending.is_set():
            return
        line = self._line(record)
        if self._added_bytes - self._removed_bytes + len(line) > _MAX_WAITING_BYTES:
            self._not_added += 1
            return
        self._added_bytes += len(line)
        self._waiting.append(line)
        if not self._has_lines.is_set():
            self._has_lines.set()

    @override
    def close(self) -> None:
        """Write the lines that wait, as far as that takes no more than a second."""
        self._is_ending.set()
        self._has_lines.set()
        if self._thread.is_alive():
            self._thread.join(_END_S)
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            text = self.format(record)
        except Exception as error:  # a wrong call of a logger must not fail its caller
            text = self.format(_record(logging.ERROR, f"{record.name} logged {record.msg!r}, which cannot be formatted: {error}"))
        return text.encode("utf-8", "backslashreplace") + b"\n"

    def _write_lines(self) -> None:
        while not (self._is_ending.is_set() and not self._waiting):
            self._has_lines.wait()
            self._is_ending.wait(_PAUSE_S)
            self._has_lines.clear()  # before the lines are taken, so that a later one sets it again
            while self._waiting:
                self._write_block()

    def _write_block(self) -> None:
        block = self._next_block()
        lost = self._not_added + self._not_written
        if lost > self._reported:
            if not self._write(self._line(_record(logging.WARNING, f"stderr did not take {lost - self._reported} lines of the log"))):
                self._not_written += len(block)
                return
            self._reported = lost
        if not self._write(b"".join(block)):
            self._not_written += len(block)

    def _next_block(self) -> list[bytes]:
        """Take the next line, and as many more as fit into a block with it."""
        block: list[bytes] = []
        size = 0
        while self._waiting and (not block or size + len(self._waiting[0]) <= _MAX_BLOCK_BYTES):
            block.append(self._waiting.popleft())
            size += len(block[-1])
        self._removed_bytes += size
        return block

    def _write(self, content: bytes) -> bool:
        """Return whether stderr has taken the content. This waits as long as stderr is full."""
        assert self._descriptor is not None
        rest = memoryview(b"\n" + content if self._is_torn else content)
        size = len(rest)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # whoever opened it does not want writers to wait
                select.select((), (self._descriptor,), ())
            except OSError:
                self._is_torn = self._is_torn if len(rest) == size else True
                return False
        self._is_torn = False
        return True


class PrintedLines(io.TextIOBase):
    """A replacement of `sys.stderr` that logs each line that is printed to it."""

    def __init__(self) -> None:
        self._beginning = ""

    @override
    def write(self, text: str) -> int:
        *lines, self._beginning = (self._beginning + text).split("\n")
        for line in filter(str.strip, lines):
            logging.getLogger("stderr").handle(_record(logging.ERROR, line, "stderr"))  # whatever the lowest level is
        return len(text)

    @override
    def writable(self) -> bool:
        return True

    @override
    def fileno(self) -> int:
        if (descriptor := _stderr_descriptor()) is None:
            raise OSError("stderr is closed")
        return descriptor


def _record(level: int, message: str, logger: str = "weight_init") -> logging.LogRecord:
    return logging.LogRecord(logger, level, __file__, 0, message, None, None)


def _stderr_descriptor() -> int | None:
    try:
        return sys.__stderr__.fileno() if sys.__stderr__ is not None else None
    except (OSError, ValueError):
        return None


def open_standard_files() -> None:
    """Open stdin, stdout and stderr as nothing where they are closed. Otherwise a connection would get their descriptors."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)  # print() with None for a file would print to stdout
