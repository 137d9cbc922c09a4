"""What the server logs, and how: uvicorn's messages and this program's, each one line on stderr, with the names of its request."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, Literal

from service.web.monitoring.exchange import Exchange, current_names

Format = Literal["pretty", "json"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # what ends a line, or talks to a terminal

_access = logging.getLogger("weight_init.access")


def logging_config(log_format: Format = "pretty", level: str = "info") -> dict[str, Any]:
    """For uvicorn's `log_config`. Its access log is not in it: `access` takes its place."""
    logger = {"handlers": ["stderr"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": f"{__name__}.{_FORMATTERS[log_format].__name__}"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"}},
        "loggers": {"uvicorn": logger, "weight_init": logger, "fastapi": logger},
    }


def access(exchange: Exchange) -> None:
    """One line for an exchange that has ended."""
    if not _access.isEnabledFor(logging.INFO):
        return
    client = exchange.scope["client"]
    facts = {
        "method": exchange.scope["method"],
        "path": exchange.path,
        "status": exchange.status,
        "bytes": exchange.sent_bytes,
        "duration_s": round(exchange.duration_s, 6),
        "client": f"{client[0]}:{client[1]}" if client else None,
    }
    _access.info("%(method)s %(path)s %(status)d, %(bytes)d bytes in %(duration_s).6f s to %(client)s", facts, extra={"facts": facts})


class Pretty(logging.Formatter):
    """For people: the time, the level, the message, the names of the request; a traceback on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The line. What a client sent cannot begin another one, nor colour a terminal."""
        message = record.getMessage()
        # uvicorn's messages hold nothing of a client, but may hold the traceback of a start that failed
        if not message.isprintable() and not record.name.startswith("uvicorn"):
            message = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), message)
        names = "".join(f" {name}={value}" for name, value in _names().items())
        traceback = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{_time(record)} {record.levelname:<8} {message.rstrip()}{names}{traceback}"


class Json(logging.Formatter):
    """For machines: one object a line, in ASCII, a traceback in a field of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        facts = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage().rstrip()}
        traceback = {"traceback": self.formatException(record.exc_info)} if record.exc_info else {}
        return json.dumps(facts | _names() | getattr(record, "facts", {}) | traceback)


_FORMATTERS: dict[Format, type[logging.Formatter]] = {"pretty": Pretty, "json": Json}


def _names() -> dict[str, str]:
    names = current_names.get()
    if names is None:
        return {}
    return {"request_id": names.request_id} | ({"trace_id": names.trace_id} if names.trace_id else {})


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
