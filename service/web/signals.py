"""What a server process does at the signals that would end it without a reason, and when its parent has ended."""

from __future__ import annotations

import asyncio
import atexit
import logging
import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from pydantic import ValidationError

from service.settings import Settings, explain
from service.web.monitoring import metrics
from service.web.protection.access import Keys

# Programs that rotate logs send the first two. The others add and remove workers where there are several.
_IGNORED = tuple(getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2", "SIGTTIN", "SIGTTOU") if hasattr(signal, name))

_log = logging.getLogger("weight_init")


def ignore() -> None:
    """Ignore SIGHUP until the keys have been read, and signals that mean nothing here."""
    for number in (*_IGNORED, *((signal.SIGHUP,) if sys.platform != "win32" else ())):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def handled(keys: Keys) -> Iterator[None]:
    """At SIGHUP read the keys again. End with the parent, if this is one of several workers."""
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":  # Python handles signals only there
        yield
        return
    with ExitStack() as stack:
        ignore()
        stack.callback(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, lambda *_: _start_reload(keys)))
        stack.enter_context(_ending_with_the_parent())
        yield


def _start_reload(keys: Keys) -> None:
    # in a thread, because the file may be on a slow disk
    threading.Thread(target=reload_keys, args=(keys,), name="weight-init-keys", daemon=True).start()


def reload_keys(keys: Keys) -> None:
    """Read the keys from the environment and from their file again. Keep the old ones if the new ones are not valid."""
    if not keys:
        _log.warning("SIGHUP: no keys are set, so there are none to read again")
        return
    try:
        digests = Settings().key_digests
    except ValidationError as error:
        _log.error("SIGHUP: the keys stay as they are: %s", explain(error))
        return
    if not digests:
        _log.error("SIGHUP: the keys stay as they are: expected at least one; received none")
        return
    keys.replace(digests)
    _log.info("SIGHUP: read the keys again; there are %d", len(keys))


@contextmanager
def _ending_with_the_parent() -> Iterator[None]:
    parent = multiprocessing.parent_process()
    if parent is None:
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(parent.sentinel, partial(_end, loop, parent.sentinel))  # readable when the parent has ended, however that happened
    try:
        yield
    finally:
        loop.remove_reader(parent.sentinel)


def _end(loop: asyncio.AbstractEventLoop, sentinel: int) -> None:
    loop.remove_reader(sentinel)
    _log.warning("the parent process has ended, so this worker ends too")
    atexit.register(metrics.remove_folder)
    signal.raise_signal(signal.SIGTERM)
