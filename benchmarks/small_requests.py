"""Measures how many 32x32 tensors per second the service returns. The reference is a FastAPI route that only validates the same body.

`python -m benchmarks.small_requests`. The service and the route each run in one uvicorn process with httptools and uvloop, without an
access log. The same client sends requests to both in alternating runs. No two requests are equal: each has its own seed and name.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response

from benchmarks.timing import Figure
from service.contract.request import InitRequest

SERVICE, BARE = "service.web.app:create_app", "benchmarks.small_requests:bare_app"
GOAL = 0.75

_CONNECTIONS = 8
_START_TIMEOUT_S = 600  # may include compiling the kernels

Fields = dict[str, Any]

_MIX: tuple[Fields, ...] = (
    {"activation": "relu"},
    {"activation": "tanh", "scheme": "xavier_uniform"},
    {"activation": "gelu", "layout": "keras"},
    {"activation": "relu", "scheme": "xavier_normal"},  # causes a warning
    {"scheme": "truncated_normal", "stddev": 0.02},
)

# How much the requests for a model have in common: one specification, five of them, or none.
WORKLOADS: dict[str, Callable[[int], Fields]] = {
    "one specification": lambda _: _MIX[0],
    "five specifications": lambda number: _MIX[number % len(_MIX)],
    "a new specification each time": lambda number: {"activation": "relu", "gain": 1 + number / 2**30},
}


def bare_app() -> FastAPI:
    """Return an application that validates the same body, and always responds with the same 4 KiB."""
    app = FastAPI()
    content = bytes(4096)

    @app.post("/init")
    async def init(request: InitRequest) -> Response:
        return Response(content, media_type="application/octet-stream")

    return app


def measure(*, runs: int = 9, requests: int = 3000) -> dict[str, dict[str, float]]:
    """Return for each workload the median rates in requests per second, and the median ratio of adjacent runs."""
    numbers = count()
    with _serving(SERVICE) as service, _serving(BARE) as bare:
        return {name: _compare(service, bare, fields_of, numbers, runs, requests) for name, fields_of in WORKLOADS.items()}


def _compare(
    service: int, bare: int, fields_of: Callable[[int], Fields], numbers: Iterator[int], runs: int, requests: int
) -> dict[str, float]:
    def rate(port: int) -> float:
        return _rate(port, [_request(number, fields_of(number)) for number, _ in zip(numbers, range(requests))])

    rate(service), rate(bare)  # warm-up
    pairs = [(rate(service), rate(bare)) for _ in range(runs)]
    service_rates, bare_rates = zip(*pairs)
    return {
        "ratio": statistics.median(ours / theirs for ours, theirs in pairs),
        "requests_per_s": statistics.median(service_rates),
        "bare_requests_per_s": statistics.median(bare_rates),
    }


def _request(number: int, fields: Fields) -> bytes:
    body = json.dumps({"shape": [32, 32], "seed": number, "name": f"layers.{number}.weight", **fields}).encode()
    head = f"POST /init HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _rate(port: int, requests: list[bytes]) -> float:
    """Return the requests per second over a few keep-alive connections. Each sends a request after the previous response."""
    with ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(_CONNECTIONS)]
        waiting: deque[socket.socket] = deque()
        start = time.perf_counter()
        for request in requests:
            connection = idle.pop() if idle else _read_response(waiting.popleft())
            connection.sendall(request)
            waiting.append(connection)
        for connection in waiting:
            _read_response(connection)
        return len(requests) / (time.perf_counter() - start)


def _read_response(connection: socket.socket) -> socket.socket:
    """Read a response to its end, and return the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection, 1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    _, separator, length = head.lower().partition(b"\r\ncontent-length: ")
    if not head.startswith(b"HTTP/1.1 200 ") or not separator:
        raise ConnectionError(f"expected status 200 and a Content-Length; received {head!r}")
    missing = int(length.partition(b"\r\n")[0]) - len(body)
    while missing:
        missing -= len(_receive(connection, missing))
    return connection


def _receive(connection: socket.socket, max_bytes: int) -> bytes:
    part = connection.recv(max_bytes)
    if not part:
        raise ConnectionError("the server closed the connection")
    return part


@contextmanager
def _serving(factory: str) -> Iterator[int]:
    """Run a server process, and yield its port."""
    port = _free_port()
    options = ("--http", "httptools", "--loop", "uvloop", "--no-access-log", "--log-level", "warning", "--port", str(port))
    command = [sys.executable, "-m", "uvicorn", "--factory", factory, *options]
    environment = os.environ | {"WEIGHT_INIT_ENGINE": "numba"}  # loads the kernels before the first request, not alongside it
    with subprocess.Popen(command, cwd=Path(__file__).resolve().parents[1], env=environment) as server:
        try:
            _wait_for_start(server, port)
            yield port
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for_start(server: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(_START_TIMEOUT_S * 20):
        if server.poll() is not None:
            raise RuntimeError(f"the server exited with status {server.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start within {_START_TIMEOUT_S} s")


def figures() -> list[Figure]:
    """Return the results as figures for RESULTS.md."""
    return [
        Figure(
            f"32×32 float32 by POST, {name}",
            f"{result['requests_per_s']:.0f} requests/s",
            f"a bare FastAPI route: {result['bare_requests_per_s']:.0f} requests/s",
            result["ratio"],
            GOAL if number == 0 else None,
            at_least=True,
        )
        for number, (name, result) in enumerate(measure().items())
    ]


def main() -> None:
    """Measure the workloads and print the results."""
    for name, result in measure().items():
        rates = f"{result['requests_per_s']:.0f} of {result['bare_requests_per_s']:.0f} requests/s"
        print(f"{name}: {rates}, ratio {result['ratio']:.2f} (goal {GOAL})")


if __name__ == "__main__":
    main()
