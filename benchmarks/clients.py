"""Fetches a tensor into an array with each client. The reference is curl, which discards the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.servers import weight_init
from benchmarks.timing import Figure, alternate_timed, median, ratio
from clients.conformance.clients import CLIENTS, Client

_RUNS = 9
_PATH = "/init?shape=4096,4096&scheme=normal&seed=7&format=raw"  # 64 MiB, the same tensor that the example programs fetch


def measure() -> list[Figure]:
    """Measure all clients in turn, each against curl in the same round."""
    with weight_init() as server, ExitStack() as stack:
        url = f"http://127.0.0.1:{server.port}"
        candidates = {"curl": lambda: _curl(url)} | {name: stack.enter_context(_fetching(client, url)) for name, client in CLIENTS.items()}
        times = alternate_timed(candidates, _RUNS)
    return [
        Figure(
            f"64 MiB float32 into {CLIENTS[name].array}",
            f"{median(times, name) * 1e3:.0f} ms",
            f"curl to /dev/null: {median(times, 'curl') * 1e3:.0f} ms",
            ratio(times, name, "curl"),
            CLIENTS[name].max_ratio,
        )
        for name in times
        if name != "curl"
    ]


def _curl(url: str) -> float:
    command = ["curl", "-s", "-f", "-o", os.devnull, "-w", "%{time_total}", url + _PATH]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@contextmanager
def _fetching(client: Client, url: str) -> Iterator[Callable[[], float]]:
    """Run the client's benchmark program, which fetches the tensor for each line of input and prints the seconds."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"WEIGHT_INIT_URL": url, "PATH": path}
    subprocess.run(["bash", "-euc", client.build], cwd=client.path, env=environment, check=True, stdout=subprocess.DEVNULL)
    command = ["bash", "-euc", client.bench]
    with subprocess.Popen(command, cwd=client.path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        commands, results = process.stdin, process.stdout

        def fetch() -> float:
            print("fetch", file=commands, flush=True)
            return float(results.readline())

        yield fetch
