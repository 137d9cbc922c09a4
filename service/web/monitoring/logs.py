"""The log on stderr: one line for each message of uvicorn and of the service, with the ids of its request."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, Literal

from typing_extensions import override

from service.web.monitoring.exchange import Exchange, current_ids

Format = Literal["pretty", "json"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # line breaks, and characters that control a terminal

_access = logging.getLogger("weight_init.access")


def logging_config(log_format: Format = "pretty", level: str = "info") -> dict[str, Any]:
    """Return a configuration for uvicorn's `log_config`. `log_access` replaces uvicorn's access log."""
    logger = {"handlers": ["stderr"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": f"{__name__}.{_FORMATTERS[log_format].__name__}"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"}},
        "loggers": {"uvicorn": logger, "weight_init": logger, "fastapi": logger},
    }


def log_access(exchange: Exchange) -> None:
    """Log one line for a finished exchange."""
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
        return json.dumps(facts | _ids() | getattr(record, "facts", {}) | traceback)


_FORMATTERS: dict[Format, type[logging.Formatter]] = {"pretty": Pretty, "json": Json}


def _ids() -> dict[str, str]:
    ids = current_ids.get()
    if ids is None:
        return {}
    return {"request_id": ids.request_id} | ({"trace_id": ids.trace_id} if ids.trace_id else {})


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
