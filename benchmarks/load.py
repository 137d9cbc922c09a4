"""Load test: many connections with small and large requests at once, and a thousand clients that disconnect. `make load`.

Compares every byte under load with the response of an idle server.
"""

from __future__ import annotations

import asyncio
import random
import socket
import statistics
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.servers import Fetcher, Server, weight_init
from benchmarks.timing import Figure

_MIB = 1 << 20
_TIMEOUT_S = 60
_WAVE = 50  # clients that disconnect together: fewer than the streams that a server allows

# Kind of request -> path and relative frequency.
KINDS: dict[str, tuple[str, int]] = {
    "4 KiB": ("/init?shape=32,32&activation=relu&seed=7&format=raw", 70),
    "64 KiB, orthogonal": ("/init?shape=128,128&scheme=orthogonal&seed=7&format=npy", 10),
    "1 MiB": ("/init?shape=512,512&scheme=xavier_uniform&seed=7&format=safetensors", 12),
    "1 MiB of 1 TiB": ("/init?shape=524288,524288&scheme=normal&seed=7&format=raw&slice=1000:1001,:262144", 4),
    "16 MiB": ("/init?shape=2048,2048&scheme=truncated_normal&seed=7&format=npy", 4),
}
_ENDLESS = "/init?shape=16777216,64&scheme=normal&seed={seed}&format=raw"


@dataclass
class LoadResult:
    """Results of a load test: the seconds of each response by kind, and counts of everything else. `wrong` counts errors.

    `reconnected` counts requests that had to be repeated on a new connection. A server closes a connection after some idle seconds, even
    if the client is still reading the previous response or is just sending the next request. The client then receives no byte, and
    retries on a new connection, as every HTTP library does.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    refused: int = 0
    reconnected: int = 0
    wrong: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class State:
    """Resources of a process."""

    threads: int
    sockets: int
    resident_bytes: int

    @classmethod
    def of(cls, pid: int) -> State:
        """Read the resources from /proc."""
        status = Path(f"/proc/{pid}/status").read_text()
        links = [file.readlink().name for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()]
        return cls(
            threads=int(status.partition("Threads:")[2].split()[0]),
            sockets=sum(name.startswith("socket:") for name in links),
            resident_bytes=int(status.partition("VmRSS:")[2].split()[0]) * 1024,
        )


def measure() -> list[Figure]:
    """Run 200 connections for a minute, then 1,000 clients that disconnect."""
    with weight_init() as server:
        result, before, after = under_load(server, connections=200, duration_s=60)
        figures = _figures(result, 200, before, after)
        before, after = vanished(server, clients=1000)
    return [*figures, _growth(f"after 1,000 clients disconnected mid-stream: {_counts(before, after)}", before, after)]


def under_load(server: Server, *, connections: int, duration_s: float) -> tuple[LoadResult, State, State]:
    """Return the results, and the resources of the idle process before and after."""
    with closing(Fetcher(server.port, 32 * _MIB)) as fetcher:
        expected = {kind: bytes(fetcher.get(path)) for kind, (path, _) in KINDS.items()}
    # warm-up: one-time allocations are not growth
    asyncio.run(_run_clients(server.port, expected, LoadResult(), connections, min(2.0, duration_s)))
    before, result = idle_state(server.pid), LoadResult()
    asyncio.run(_run_clients(server.port, expected, result, connections, duration_s))
    return result, before, idle_state(server.pid)


async def _run_clients(port: int, expected: dict[str, bytes], result: LoadResult, connections: int, duration_s: float) -> None:
    end = time.monotonic() + duration_s
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(_client(port, expected, result, random.Random(number), end))


async def _client(port: int, expected: dict[str, bytes], result: LoadResult, rng: random.Random, end: float) -> None:
    """Send requests over one connection, one after the other. Count the errors, and reconnect after each."""
    while time.monotonic() < end:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_MIB)
        is_used = False
        try:
            while time.monotonic() < end:
                (kind,) = rng.choices(list(KINDS), [weight for _, weight in KINDS.values()])
                await _exchange(reader, writer, kind, expected[kind], result)
                is_used = True
        except (OSError, EOFError, ValueError) as error:
            if is_used and isinstance(error, _NoResponse):
                result.reconnected += 1
            else:
                result.wrong[f"{type(error).__name__}: {error}"] += 1
        finally:
            writer.close()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: str, expected: bytes, result: LoadResult) -> None:
    start = time.perf_counter()
    writer.write(f"GET {KINDS[kind][0]} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head = (await _read_head(reader)).lower()
    status, length = int(head.split()[1]), int(head.partition(b"\r\ncontent-length: ")[2].split()[0])
    if status == 200 and await _is_equal(reader, length, expected):
        result.seconds[kind].append(time.perf_counter() - start)
    elif status in (429, 503) and b"\r\nretry-after: " in head:
        await reader.readexactly(length)
        result.refused += 1
        await asyncio.sleep(0.1)
    else:
        raise ValueError(f"{kind}: wrong bytes, or status {status}")


class _NoResponse(ConnectionError):
    """The server closed the connection before the first byte of the response."""


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError) as error:
        if getattr(error, "partial", b""):
            raise
        raise _NoResponse("the server closed the connection") from error


async def _is_equal(reader: asyncio.StreamReader, length: int, expected: bytes) -> bool:
    """Compare the body as it arrives, so that the clients need little memory."""
    position, is_equal, view = 0, length == len(expected), memoryview(expected)
    while position < length:
        part = await reader.read(min(length - position, _MIB))
        if not part:
            raise EOFError("the server closed the connection")
        is_equal = is_equal and view[position : position + len(part)] == part
        position += len(part)
    return is_equal


def vanished(server: Server, *, clients: int) -> tuple[State, State]:
    """Return the resources of the idle process before and after clients start a download and disconnect."""
    _start_and_disconnect(server.port, _WAVE)  # warm-up: one-time allocations are not growth
    before = idle_state(server.pid)
    for first in range(0, clients, _WAVE):
        _start_and_disconnect(server.port, min(_WAVE, clients - first))
    return before, idle_state(server.pid)


def _start_and_disconnect(port: int, clients: int) -> None:
    connections = [socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) for _ in range(clients)]
    for seed, connection in enumerate(connections):
        connection.sendall(f"GET {_ENDLESS.format(seed=seed)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    for connection in connections:
        if not connection.recv(15).startswith(b"HTTP/1.1 "):
            raise ConnectionError("expected an HTTP/1.1 response")
        connection.close()


def idle_state(pid: int) -> State:
    """Wait until the resources of the process do not change for two seconds, and return them.

    A server returns the memory of a load peak to the system after one second (service/web/responses/memory.py).
    """
    end, last, last_change = time.monotonic() + _TIMEOUT_S, State.of(pid), time.monotonic()
    while time.monotonic() < min(end, last_change + 2.0):
        time.sleep(0.05)
        state = State.of(pid)
        if state != last:
            last, last_change = state, time.monotonic()
    return last


def _figures(result: LoadResult, connections: int, before: State, after: State) -> list[Figure]:
    responses = sum(map(len, result.seconds.values()))
    counts = f"{connections} connections, {responses} responses, {result.refused} refused with Retry-After, {result.reconnected} reconnects"
    errors = ", ".join(f"{count} times {error}" for error, count in result.wrong.items())
    return [
        Figure(f"{counts}: errors and wrong bytes", errors or "none", "none", float(result.wrong.total()), 0.0),
        *(_latency(kind, seconds) for kind, seconds in result.seconds.items() if len(seconds) > 1),
        _growth(f"after {connections} connections: {_counts(before, after)}", before, after),
    ]


def _latency(kind: str, seconds: list[float]) -> Figure:
    p50, p99 = (statistics.quantiles(seconds, n=100)[percentile - 1] for percentile in (50, 99))
    return Figure(f"response time, {kind}", f"p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms", f"{len(seconds)} responses", None, None)


def _counts(before: State, after: State) -> str:
    return f"{after.threads - before.threads:+d} threads, {after.sockets - before.sockets:+d} sockets"


def _growth(label: str, before: State, after: State) -> Figure:
    growth = max(0, after.resident_bytes - before.resident_bytes) / _MIB
    return Figure(label, f"{growth:.0f} MiB growth", "100 MiB", growth / 100, 1.0)
