"""File descriptors. The system limits how many a process may have open, and each connection takes one."""

from __future__ import annotations

import logging
import sys

if sys.platform != "win32":
    import resource

RESERVED = 96  # for refused connections, the metrics port, the log, and what libraries open

_log = logging.getLogger("weight_init")


def possible_connections(wanted: int) -> int:
    """Return how many of the wanted connections this process and its workers can have. Raise the limit of the system if it allows that."""
    if sys.platform == "win32":  # which has no such limit
        return wanted
    needed = wanted + RESERVED
    soft, hard = (sys.maxsize if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    if soft < needed:
        soft = min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    possible = max(1, min(wanted, soft - RESERVED))
    if possible < wanted:
        _log.warning(
            "at most %d connections are served, as the system allows %d file descriptors. Allow %d (ulimit -n), or set"
            " WEIGHT_INIT_MAX_CONNECTIONS",
            possible,
            soft,
            needed,
        )
    return possible
