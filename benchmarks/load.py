"""Load: many connections that ask for small and large at once, and a thousand clients that vanish. `make load`.

Every byte that is served meanwhile is compared with what a calm server answered.
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
_PATIENCE_S = 60
_WAVE = 50  # clients that vanish together: fewer than the streams that a server allows

# each with how often it is asked for
KINDS: dict[str, tuple[str, int]] = {
    "4 KiB": ("/init?shape=32,32&activation=relu&seed=7&format=raw", 70),
    "64 KiB, orthogonal": ("/init?shape=128,128&scheme=orthogonal&seed=7&format=npy", 10),
    "1 MiB": ("/init?shape=512,512&scheme=xavier_uniform&seed=7&format=safetensors", 12),
    "1 MiB of 1 TiB": ("/init?shape=524288,524288&scheme=normal&seed=7&format=raw&slice=1000:1001,:262144", 4),
    "16 MiB": ("/init?shape=2048,2048&scheme=truncated_normal&seed=7&format=npy", 4),
}
_ENDLESS = "/init?shape=16777216,64&scheme=normal&seed={seed}&format=raw"


@dataclass
class Found:
    """What happened under load: the seconds of each answer by its kind, and what should not have happened (`wrong`).

    `reconnected`: a server closes a connection on which nothing is asked for some seconds, while the client may still be reading or may
    just ask; then no byte is answered, and the client asks again on another one, as every library does.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    refused: int = 0
    reconnected: int = 0
    wrong: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class State:
    """What a process holds."""

    threads: int
    sockets: int
    resident_bytes: int

    @classmethod
    def of(cls, pid: int) -> State:
        """From /proc."""
        status = Path(f"/proc/{pid}/status").read_text()
        links = [file.readlink().name for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()]
        return cls(
            threads=int(status.partition("Threads:")[2].split()[0]),
            sockets=sum(name.startswith("socket:") for name in links),
            resident_bytes=int(status.partition("VmRSS:")[2].split()[0]) * 1024,
        )


def measure() -> list[Figure]:
    """200 connections for a minute, and 1,000 clients that vanish."""
    with weight_init() as server:
        loaded, before, after = under_load(server, connections=200, duration_s=60)
        figures = _figures(loaded, 200, before, after)
        before, after = vanished(server, clients=1000)
    return [*figures, _held(f"after 1,000 clients vanished in mid-stream: {_counts(before, after)}", before, after)]


def under_load(server: Server, *, connections: int, duration_s: float) -> tuple[Found, State, State]:
    """What happened, and what the process held before and after, each time when it was at rest."""
    with closing(Fetcher(server.port, 32 * _MIB)) as fetcher:
        expected = {kind: bytes(fetcher.get(path)) for kind, (path, _) in KINDS.items()}
    asyncio.run(_ask(server.port, expected, Found(), connections, min(2.0, duration_s)))  # what every start takes is taken
    before, found = at_rest(server.pid), Found()
    asyncio.run(_ask(server.port, expected, found, connections, duration_s))
    return found, before, at_rest(server.pid)


async def _ask(port: int, expected: dict[str, bytes], found: Found, connections: int, duration_s: float) -> None:
    end = time.monotonic() + duration_s
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(_client(port, expected, found, random.Random(number), end))


async def _client(port: int, expected: dict[str, bytes], found: Found, choice: random.Random, end: float) -> None:
    """One connection, which asks again when it has its answer; what breaks it is counted, and another one takes its place."""
    while time.monotonic() < end:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_MIB)
        is_used = False
        try:
            while time.monotonic() < end:
                (kind,) = choice.choices(list(KINDS), [weight for _, weight in KINDS.values()])
                await _exchange(reader, writer, kind, expected[kind], found)
                is_used = True
        except (OSError, EOFError, ValueError) as error:
            if is_used and isinstance(error, _Unanswered):
                found.reconnected += 1
            else:
                found.wrong[f"{type(error).__name__}: {error}"] += 1
        finally:
            writer.close()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: str, expected: bytes, found: Found) -> None:
    began = time.perf_counter()
    writer.write(f"GET {KINDS[kind][0]} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head = (await _head(reader)).lower()
    status, length = int(head.split()[1]), int(head.partition(b"\r\ncontent-length: ")[2].split()[0])
    if status == 200 and await _is_equal(reader, length, expected):
        found.seconds[kind].append(time.perf_counter() - began)
    elif status in (429, 503) and b"\r\nretry-after: " in head:
        await reader.readexactly(length)
        found.refused += 1
        await asyncio.sleep(0.1)
    else:
        raise ValueError(f"{kind}: wrong bytes, or status {status}")


class _Unanswered(ConnectionError):
    """The connection was closed before a byte of the answer."""


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError) as error:
        if getattr(error, "partial", b""):
            raise
        raise _Unanswered("the server closed the connection") from error


async def _is_equal(reader: asyncio.StreamReader, length: int, expected: bytes) -> bool:
    """Compared as it comes, so that the clients need little of what the server needs."""
    at, is_equal, whole = 0, length == len(expected), memoryview(expected)
    while at < length:
        part = await reader.read(min(length - at, _MIB))
        if not part:
            raise EOFError("the server closed the connection")
        is_equal = is_equal and whole[at : at + len(part)] == part
        at += len(part)
    return is_equal


def vanished(server: Server, *, clients: int) -> tuple[State, State]:
    """What the process held before so many clients began a download and left it, and afterwards."""
    _vanish(server.port, _WAVE)  # what every start takes is taken
    before = at_rest(server.pid)
    for first in range(0, clients, _WAVE):
        _vanish(server.port, min(_WAVE, clients - first))
    return before, at_rest(server.pid)


def _vanish(port: int, clients: int) -> None:
    leaving = [socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) for _ in range(clients)]
    for seed, client in enumerate(leaving):
        client.sendall(f"GET {_ENDLESS.format(seed=seed)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    for client in leaving:
        if not client.recv(15).startswith(b"HTTP/1.1 "):
            raise ConnectionError("expected an answer")
        client.close()


def at_rest(pid: int) -> State:
    """What the process holds when it has done with everybody: when nothing of it changes for two seconds.

    Longer than the second after which a server gives back the memory of a rush (service/web/memory.py).
    """
    end, last, since = time.monotonic() + _PATIENCE_S, State.of(pid), time.monotonic()
    while time.monotonic() < min(end, since + 2.0):
        time.sleep(0.05)
        state = State.of(pid)
        if state != last:
            last, since = state, time.monotonic()
    return last


def _figures(found: Found, connections: int, before: State, after: State) -> list[Figure]:
    answered = sum(map(len, found.seconds.values()))
    wrong = found.wrong.total()
    what = f"{connections} connections, {answered} answers, {found.refused} refused with Retry-After, {found.reconnected} reconnected"
    seen = ", ".join(f"{count} times {error}" for error, count in found.wrong.items())
    return [
        Figure(f"{what}: errors and wrong bytes", seen or "none", "none", float(wrong), 0.0),
        *(_latency(kind, seconds) for kind, seconds in found.seconds.items() if len(seconds) > 1),
        _held(f"after {connections} connections: {_counts(before, after)}", before, after),
    ]


def _latency(kind: str, seconds: list[float]) -> Figure:
    p50, p99 = (statistics.quantiles(seconds, n=100)[at - 1] for at in (50, 99))
    return Figure(f"time of an answer of {kind}", f"p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms", f"{len(seconds)} answers", None, None)


def _counts(before: State, after: State) -> str:
    return f"{after.threads - before.threads:+d} threads, {after.sockets - before.sockets:+d} sockets"


def _held(what: str, before: State, after: State) -> Figure:
    growth = max(0, after.resident_bytes - before.resident_bytes) / _MIB
    return Figure(what, f"{growth:.0f} MiB more than before", "100 MiB", growth / 100, 1.0)
