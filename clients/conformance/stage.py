"""The stage that clients are tested on: real services in various states, and a network that breaks. Nothing is mocked."""

from __future__ import annotations

import functools
import http.server
import json
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clients.conformance.cutting import cutting_proxy
from clients.conformance.npy_files import write_npy_files
from tests.processes import Process, until
from tools.golden.answers import FILE as GOLDEN

CUT_AFTER_BYTES = 1 << 20
_LARGE_RESPONSE = "/init?shape=1073741824&scheme=normal&seed=7&format=raw"  # 4 GiB, more than the socket buffers hold


@contextmanager
def set_stage(folder: Path) -> Iterator[dict[str, Any]]:
    """Start the services. Yield what a client's tests read as JSON from the file named by WEIGHT_INIT_STAGE."""
    key = secrets.token_hex(16)
    with (
        _service() as plain,
        _service(api_keys=key) as keyed,
        _service(rate="1/second") as limited,
        _service(max_streams=1, reader_timeout_s=3600) as busy,
        _service() as hanging,
        cutting_proxy(plain.port, CUT_AFTER_BYTES) as cutting_url,
        _unrelated_server(folder) as foreign_url,
        socket.create_server(("127.0.0.1", 0)) as closed,
    ):
        closed_url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        closed.close()
        with _kept_busy(busy), _suspended(hanging):
            yield {
                "url": plain.url,
                "keyed_url": keyed.url,
                "key": key,
                "limited_url": limited.url,
                "busy_url": busy.url,
                "hanging_url": hanging.url,
                "cutting_url": cutting_url,
                "foreign_url": foreign_url,
                "closed_url": closed_url,
                "golden": _portable_golden_rows(),
                "npy": write_npy_files(folder),
            }


@contextmanager
def _service(**settings: Any) -> Iterator[Process]:
    service = Process(**settings)
    try:
        yield service
    finally:
        service.kill()


@contextmanager
def _kept_busy(service: Process) -> Iterator[None]:
    """Keep the service busy: its only permitted stream goes to a connection that never reads."""
    with service.asked(_LARGE_RESPONSE) as connection:
        until(lambda: connection.recv(1, socket.MSG_PEEK) != b"")
        yield


@contextmanager
def _suspended(service: Process) -> Iterator[None]:
    """Suspend the service: the system still accepts connections, but nothing responds."""
    service.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        service.signal(signal.SIGCONT)


@contextmanager
def _unrelated_server(folder: Path) -> Iterator[str]:
    """Yield the URL of an unrelated web server, which responds to every request with 200 and the same page."""
    page = folder / "index.html"
    page.write_text("<!doctype html><title>Welcome</title>", "utf-8")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_OnePage, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _OnePage(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        self.path = "/index.html"
        super().do_GET()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Log nothing, to keep pytest's output short."""


def _portable_golden_rows() -> list[dict[str, Any]]:
    """Return the golden responses that are the same on every machine."""
    return [row for row in json.loads(GOLDEN.read_text("utf-8")) if "sha256" in row["answer"]]
