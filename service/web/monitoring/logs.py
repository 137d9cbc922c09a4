"""The log on stderr: one line for each message of the service and of every library, with the ids of its request."""

from __future__ import annotations

import json
import logging
import multiprocessing
import re
import signal
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from typing_extensions import override

from service.web.monitoring.exchange import Exchange, current_ids
from service.web.monitoring.stderr import PrintedLines, StderrHandler

Format = Literal["pretty", "json"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # line breaks, and characters that control a terminal

_MAX_CLIENT_CHARACTERS = 100  # a proxy may forward anything as the client's address

_ACCESS_LINE = "%(method)s %(path)s %(status)d, %(bytes)d bytes in %(duration_s).6f s to %(client)s"

_log = logging.getLogger("weight_init")
_access = logging.getLogger("weight_init.access")


def logging_config(log_format: Format = "pretty", level: str = "info") -> dict[str, Any]:
    """Return a configuration for uvicorn's `log_config`, which it applies in each process. `log_access` replaces uvicorn's access log.

    Libraries other than uvicorn and FastAPI are logged from warnings on, because their details tell an operator nothing.
    """
    level = level.upper()
    level_of_others = level if level in ("ERROR", "CRITICAL") else "WARNING"
    # uvicorn reads the level of uvicorn.error itself, not the one that it inherits
    detailed = ("weight_init", "uvicorn", "uvicorn.error", "fastapi")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": f"{__name__}.{_FORMATTERS[log_format].__name__}"}},
        "handlers": {"stderr": {"()": f"{__name__}.open_log", "formatter": "lines", "log_format": log_format}},
        "root": {"handlers": ["stderr"], "level": level_of_others},
        "loggers": {name: {"level": level} for name in detailed},
    }


def open_log(log_format: Format) -> logging.Handler:
    """Return the handler of the log, and let it have what Python and its libraries would print to stderr.

    In the JSON format this includes all that is printed, so that each line of stderr is an object.
    """
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # for the handlers of libraries, which would print their failures
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line has these facts, and they take time
    sys.excepthook = _on_exception
    sys.unraisablehook = _on_unraisable
    threading.excepthook = _on_exception_of_thread
    if log_format == "json":
        sys.stderr = PrintedLines()
    if multiprocessing.parent_process() is not None:
        # Uvicorn ends a worker with SIGTERM. An exit writes the lines that wait, while the system's way of ending loses them.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    return StderrHandler()


def _on_exception(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    _log.critical("the process ends because of an unexpected exception", exc_info=(kind, error, traceback))


def _on_exception_of_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):  # which ends a thread quietly
        name = args.thread.name if args.thread else "unknown"
        _log.error("a thread ends because of an unexpected exception: %s", name, exc_info=args.exc_value)


def _on_unraisable(args: sys.UnraisableHookArgs) -> None:
    _log.error("%s: %r", args.err_msg or "exception ignored in", args.object, exc_info=args.exc_value)


def log_access(exchange: Exchange) -> None:
    """Log one line for a finished exchange."""
    if not _access.isEnabledFor(logging.INFO):
        return
    facts = {
        "method": exchange.scope["method"],
        "path": exchange.path,
        "status": exchange.status,
        "bytes": exchange.sent_bytes,
        "duration_s": round(exchange.duration_s, 6),
        "client": _client(exchange.scope["client"]),
    }
    record = logging.LogRecord(_access.name, logging.INFO, __file__, 0, _ACCESS_LINE, (facts,), None)
    record.facts = facts
    _access.handle(record)  # not info(), which searches the stack for its caller


def _client(client: tuple[str, int] | None) -> str:
    """Return the address and port of a client. The port is unknown, and left out, if a proxy forwarded the address alone."""
    if client is None:  # a client at a Unix socket has no address
        return "unix"
    host, port = client
    host = f"[{host}]" if ":" in host and port else host
    return f"{host}:{port}"[:_MAX_CLIENT_CHARACTERS] if port else host[:_MAX_CLIENT_CHARACTERS]


class Pretty(logging.Formatter):
    """Formats records for people: time, level, message and ids on one line, and a traceback on the lines below."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        # A client must not be able to forge a line or control the terminal. Uvicorn's messages contain nothing from clients, but may
        # contain the traceback of a failed start, which keeps its lines.
        if not message.isprintable() and not record.name.startswith("uvicorn"):
            message = _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), message)
        ids = "".join(f" {name}={value}" for name, value in _ids().items())
        traceback = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{_time(record)} {record.levelname:<8} {message.rstrip()}{ids}{traceback}"


class Json(logging.Formatter):
    """Formats records for programs: a JSON object in ASCII on each line, with a traceback in its own field."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        facts = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage().rstrip()}
        traceback = {"traceback": self.formatException(record.exc_info)} if record.exc_info else {}
        return json.dumps(facts | _ids() | getattr(record, "facts", {}) | traceback, default=str)


_FORMATTERS: dict[Format, type[logging.Formatter]] = {"pretty": Pretty, "json": Json}


def _ids() -> dict[str, str]:
    ids = current_ids.get()
    if ids is None:
        return {}
    return {"request_id": ids.request_id} | ({"trace_id": ids.trace_id} if ids.trace_id else {})


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
