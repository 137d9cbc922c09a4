"""Runs a real server for tests, in a thread of the test process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import uvicorn

from service.settings import Settings
from service.web import event_loop
from service.web.app import create_app
from service.web.protection.connections import protocol_under


@contextmanager
def serving(settings: Settings, *, lifespan: Literal["on", "off"] = "off") -> Iterator[str]:
    """Serve on a free port, and yield the URL. The kernels are loaded only if `lifespan` is on."""
    config = uvicorn.Config(
        create_app(settings),
        port=0,
        log_level="critical",
        lifespan=lifespan,
        http=protocol_under(settings),
        loop=event_loop.NAME,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended before it started"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
