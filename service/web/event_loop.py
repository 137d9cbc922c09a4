"""The event loop of the server: the faster one where it is installed."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from typing_extensions import override

NAME = "service.web.event_loop:EventLoop"  # for uvicorn's `loop` setting


def _fastest() -> type[asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # there is none for Windows and for PyPy
        if sys.platform == "win32":
            return asyncio.ProactorEventLoop
        return asyncio.SelectorEventLoop
    return uvloop.Loop


class EventLoop(_fastest()):  # type: ignore[misc]  # mypy wants to know the class
    """An event loop whose servers hand over connections before their TLS handshake.

    Otherwise a protocol learns of a connection only after the handshake, and can neither count nor time it.
    """

    @override
    async def create_server(self, *args: Any, ssl: Any = None, **kwargs: Any) -> asyncio.Server:
        """Do the same as the other loops, but leave TLS to the protocol."""
        server: asyncio.Server = await super().create_server(*args, **kwargs)
        return server
