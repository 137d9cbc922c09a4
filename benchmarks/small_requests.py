"""Small requests: how many tensors of 32x32 a second, against a FastAPI route that only checks an equal body.

`python -m benchmarks.small_requests`. Both are served by uvicorn with httptools and uvloop, one process each, without an access
log, and driven by the same client in alternating runs. No two requests are equal: each has a seed and a name of its own.
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
GOAL = 0.7

_CONNECTIONS = 8
_START_TIMEOUT_S = 600  # the kernels are compiled where nobody did before

Fields = dict[str, Any]

_MIX: tuple[Fields, ...] = (
    {"activation": "relu"},
    {"activation": "tanh", "scheme": "xavier_uniform"},
    {"activation": "gelu", "layout": "keras"},
    {"activation": "relu", "scheme": "xavier_normal"},  # which draws a warning
    {"scheme": "truncated_normal", "stddev": 0.02},
)

# what the requests of a model have in common, and the model in which nothing is
WORKLOADS: dict[str, Callable[[int], Fields]] = {
    "one specification": lambda _: _MIX[0],
    "five specifications": lambda number: _MIX[number % len(_MIX)],
    "each its own specification": lambda number: {"activation": "relu", "gain": 1 + number / 2**30},
}


def bare_app() -> FastAPI:
    """The same body checked, and 4 KiB of the same bytes each time."""
    app = FastAPI()
    content = bytes(4096)

    @app.post("/init")
    async def init(wanted: InitRequest) -> Response:
        return Response(content, media_type="application/octet-stream")

    return app


def measure(*, runs: int = 9, requests: int = 3000) -> dict[str, dict[str, float]]:
    """Of each workload the median rates of both, in requests a second, and the median ratio of the runs beside each other."""
    numbers = count()
    with _serving(SERVICE) as service, _serving(BARE) as bare:
        return {name: _compare(service, bare, fields_of, numbers, runs, requests) for name, fields_of in WORKLOADS.items()}


def _compare(
    service: int, bare: int, fields_of: Callable[[int], Fields], numbers: Iterator[int], runs: int, requests: int
) -> dict[str, float]:
    def rate(port: int) -> float:
        return _rate(port, [_request(number, fields_of(number)) for number, _ in zip(numbers, range(requests))])

    rate(service), rate(bare)  # to warm up
    pairs = [(rate(service), rate(bare)) for _ in range(runs)]
    ours, theirs = zip(*pairs)
    return {
        "ratio": statistics.median(mine / other for mine, other in pairs),
        "requests_per_s": statistics.median(ours),
        "bare_requests_per_s": statistics.median(theirs),
    }


def _request(number: int, fields: Fields) -> bytes:
    body = json.dumps({"shape": [32, 32], "seed": number, "name": f"layers.{number}.weight", **fields}).encode()
    head = f"POST /init HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _rate(port: int, requests: list[bytes]) -> float:
    """Requests a second over a few keep-alive connections, each of which asks again when it has its answer."""
    with ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(_CONNECTIONS)]
        asked: deque[socket.socket] = deque()
        began = time.perf_counter()
        for request in requests:
            connection = idle.pop() if idle else _answered(asked.popleft())
            connection.sendall(request)
            asked.append(connection)
        for connection in asked:
            _answered(connection)
        return len(requests) / (time.perf_counter() - began)


def _answered(connection: socket.socket) -> socket.socket:
    """The connection, with its answer read to the end."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _received(connection, 1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    _, found, length = head.lower().partition(b"\r\ncontent-length: ")
    if not head.startswith(b"HTTP/1.1 200 ") or not found:
        raise ConnectionError(f"expected 200 and a length; received {head!r}")
    missing = int(length.partition(b"\r\n")[0]) - len(body)
    while missing:
        missing -= len(_received(connection, missing))
    return connection


def _received(connection: socket.socket, most: int) -> bytes:
    part = connection.recv(most)
    if not part:
        raise ConnectionError("the server closed the connection")
    return part


@contextmanager
def _serving(factory: str) -> Iterator[int]:
    """The port of a server process."""
    port = _free_port()
    options = ("--http", "httptools", "--loop", "uvloop", "--no-access-log", "--log-level", "warning", "--port", str(port))
    command = [sys.executable, "-m", "uvicorn", "--factory", factory, *options]
    environment = os.environ | {"WEIGHT_INIT_ENGINE": "numba"}  # loaded before the first request, not beside it
    with subprocess.Popen(command, cwd=Path(__file__).resolve().parents[1], env=environment) as server:
        try:
            _await_start(server, port)
            yield port
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _await_start(server: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(_START_TIMEOUT_S * 20):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with status {server.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start within {_START_TIMEOUT_S} s")


def figures() -> list[Figure]:
    """The same for the table of results."""
    return [
        Figure(
            f"32×32 float32 by POST, {name}",
            f"{found['requests_per_s']:.0f} requests/s",
            f"a bare FastAPI route: {found['bare_requests_per_s']:.0f} requests/s",
            found["ratio"],
            GOAL if number == 0 else None,
            at_least=True,
        )
        for number, (name, found) in enumerate(measure().items())
    ]


def main() -> None:
    """Measure and print."""
    for name, found in measure().items():
        rates = f"{found['requests_per_s']:.0f} of {found['bare_requests_per_s']:.0f} requests/s"
        print(f"{name}: {rates}, ratio {found['ratio']:.2f} (goal {GOAL})")


if __name__ == "__main__":
    main()
