"""Measures what hostile requests cost the service: `make attack`. Each runs on loopback against a server of its own, for a minute at most.

`python -m benchmarks.attacks --source <folder> [words of a name ...]` measures another version of the service, and prints the results. The
figures "before" are those of version 0.1.0 before it had these limits, measured with this program in the same way.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from benchmarks.servers import SOURCE, Fetcher, Server, weight_init
from benchmarks.timing import Figure

LIMIT_S = 60.0  # after which an attack is over, whatever it has cost by then

_MIB = 1 << 20
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KEY = "a-key-that-the-service-knows"
_SMALL = "/init?shape=320,320&scheme=normal&seed=7&format=raw"  # 400 KiB
_HEAD = "HTTP/1.1\r\nHost: x\r\n"
_DIGEST = f"{_HEAD}Want-Repr-Digest: sha-256=1\r\n\r\n"
_EIGHT_GIB = "shape=4294967296&dtype=float16"
_TOWERS = "erf(" * 17 + "x" + ")" * 17 + "+" + "erf(" * 16 + "x" + ")" * 16 + "+tanh(1e15*sin(250*x))"


class Attack(NamedTuple):
    """An attack: its name, what it measures of a server with these settings, the most that is allowed, and what it measured before."""

    name: str
    unit: str
    measure: Callable[[Server], float]
    allowed: float
    before: str
    settings: dict[str, object] = {}  # noqa: RUF012  # never changed


# ---- what an attack measures


def _cpu_s(server: Server, attack: Callable[[], object]) -> float:
    """Return the CPU seconds of the server from the attack until it rests again, or until the limit."""
    start, deadline = _used_s(server), time.monotonic() + LIMIT_S
    thread = threading.Thread(target=attack, daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    used, rests = _used_s(server), 0
    while rests < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
        before, used = used, _used_s(server)
        rests = rests + 1 if used - before < 0.02 else 0
    return used - start


def _used_s(server: Server) -> float:
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _resident_mib(server: Server) -> float:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _growth_mib(server: Server, attack: Callable[[], object]) -> float:
    """Return by how much the resident memory of the server grows at most during the attack."""
    before, peak = _resident_mib(server), 0.0
    thread = threading.Thread(target=attack, daemon=True)
    thread.start()
    deadline = time.monotonic() + LIMIT_S
    while thread.is_alive() and time.monotonic() < deadline and peak - before < 4096:
        peak = max(peak, _resident_mib(server))
        time.sleep(0.02)
    return max(0.0, peak - before)


def _delay(server: Server, attack: Callable[[ExitStack], object]) -> float:
    """Return the time of a 400 KiB answer beside the attack, divided by its time alone: medians of 25 each, or the first slow one."""
    with closing(Fetcher(server.port, _MIB)) as fetcher, ExitStack() as stack:
        alone = statistics.median(_seconds(lambda: fetcher.get(_SMALL)) for _ in range(25))
        attack(stack)
        time.sleep(0.5)  # the attack takes hold
        beside: list[float] = []
        deadline = time.monotonic() + LIMIT_S / 2
        while len(beside) < 25 and time.monotonic() < deadline:
            beside.append(_seconds(lambda: fetcher.get(_SMALL)))
        return statistics.median(beside) / alone


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


# ---- how an attack sends


@contextmanager
def _connected(server: Server, *, receive_bytes: int | None = None) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        if receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.settimeout(LIMIT_S)
        connection.connect(("127.0.0.1", server.port))
        yield connection


def _ask(server: Server, request: str, *, wait_s: float = LIMIT_S) -> bytes:
    """Send a request, and return what arrives at first. Leave after `wait_s`."""
    with _connected(server) as connection, suppress(TimeoutError):
        connection.settimeout(wait_s)
        connection.sendall(request.encode())
        return connection.recv(1 << 16)
    return b""


def _get(path: str) -> str:
    return f"GET {path} {_HEAD}\r\n"


def _formula(text: str) -> str:
    return _get("/recommend?activation=" + quote(json.dumps({"expression": text})))


def _read_slowly(server: Server, path: str, total: int) -> None:
    """Read a response at 10 MiB/s."""
    with _connected(server, receive_bytes=1 << 16) as connection, suppress(OSError):
        connection.sendall(_get(path).encode())
        received = 0
        while received < total and (part := connection.recv(1 << 20)):
            received += len(part)
            time.sleep(len(part) / (10 * _MIB))


def _together(*actions: Callable[[], object]) -> None:
    threads = [threading.Thread(target=action, daemon=True) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)


# ---- the attacks


def _digest(query: str) -> Callable[[Server], float]:
    return lambda server: _cpu_s(server, lambda: _ask(server, f"HEAD /init?{query} {_DIGEST}"))


def _digest_abandoned(server: Server) -> float:
    return _cpu_s(server, lambda: _ask(server, f"HEAD /init?{_EIGHT_GIB}&scheme=normal&seed=7 {_DIGEST}", wait_s=1))


def _beside_digests(server: Server) -> float:
    def attack(stack: ExitStack) -> None:
        for seed in range(8):
            connection = stack.enter_context(_connected(server))
            connection.sendall(f"HEAD /init?{_EIGHT_GIB}&scheme=normal&seed={seed} {_DIGEST}".encode())

    return _delay(server, attack)


def _beside_streams(server: Server) -> float:
    """Sixty-four clients that read a slow scheme as fast as they can."""
    stop = threading.Event()

    def read(connection: socket.socket) -> None:
        with suppress(OSError):
            while not stop.is_set() and connection.recv(1 << 20):
                pass

    def attack(stack: ExitStack) -> None:
        stack.callback(stop.set)
        for seed in range(64):
            connection = stack.enter_context(_connected(server))
            connection.sendall(_get(f"/init?{_EIGHT_GIB}&scheme=chrono&t_max=100&seed={seed}&format=raw").encode())
            threading.Thread(target=read, args=(connection,), daemon=True).start()

    return _delay(server, attack)


def _beside_formulas(server: Server) -> float:
    def attack(stack: ExitStack) -> None:
        for number in range(16):
            connection = stack.enter_context(_connected(server))
            connection.sendall(_formula(f"{_TOWERS}+{number}").encode())

    return _delay(server, attack)


def _towers(server: Server) -> float:
    return _cpu_s(server, lambda: _ask(server, _formula(_TOWERS)))


def _towers_again(server: Server) -> float:
    _ask(server, _formula(_TOWERS))
    return _cpu_s(server, lambda: _ask(server, _formula(_TOWERS)))


def _formula_after_towers(server: Server) -> float:
    for number in range(2):
        _ask(server, _formula(f"{_TOWERS}+{number}"), wait_s=0.5)

    def served() -> None:
        deadline = time.monotonic() + LIMIT_S
        while not _ask(server, _formula("x*tanh(softplus(x))")).startswith(b"HTTP/1.1 200") and time.monotonic() < deadline:
            time.sleep(0.05)

    return _seconds(served)


def _three_readers(server: Server) -> float:
    path = "/init?shape=4096,4096&scheme=orthogonal&dtype=float64&format=raw&seed={}"
    return _cpu_s(server, lambda: _together(*(lambda seed=seed: _read_slowly(server, path.format(seed), 128 * _MIB) for seed in range(3))))


def _abandoned_whole(server: Server) -> float:
    return _cpu_s(server, lambda: _ask(server, _get("/init?shape=4096,4096&scheme=orthogonal&slice=:,0&seed=7"), wait_s=1))


def _row(server: Server) -> float:
    return _cpu_s(server, lambda: _ask(server, _get("/init?shape=4096,4096&scheme=orthogonal&slice=2048&seed=8")))


def _sparse_slice(server: Server) -> float:
    return _growth_mib(server, lambda: _ask(server, _get("/init?shape=4096,4096&scheme=sparse&sparsity=0.5&slice=0&seed=7")))


def _new_each_time(query: str) -> Callable[[Server], float]:
    """Return an attack of 50 requests, each with a number of its own, that measures CPU milliseconds of each."""

    def measure(server: Server) -> float:
        def attack() -> None:
            for number in range(50):
                _ask(server, _get(f"/init?shape=32,32&seed=7&{query.format(1.25 + number / 1000)}"))

        return 1000 * _cpu_s(server, attack) / 50

    return measure


def _unread_json(server: Server) -> float:
    def attack() -> None:
        with ExitStack() as stack:
            for seed in range(100):
                connection = stack.enter_context(_connected(server, receive_bytes=4096))
                connection.sendall(_get(f"/init?shape=1000,1000&dtype=float64&scheme=normal&format=json&seed={seed}").encode())
            time.sleep(10)

    return _growth_mib(server, attack)


def _pipelining(server: Server) -> float:
    def attack() -> None:
        with _connected(server) as connection, suppress(OSError):
            connection.settimeout(5)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4096)

    return _growth_mib(server, attack)


def _stalled(server: Server) -> float:
    """Return the seconds until 200 connections that stop in the middle of a request are closed."""
    post = b"POST /init HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    states = (b"GET /heal", post.replace(b"text/plain", b"application/json"), post + b"5", post + b"5\r\nab", post + b"0\r\nX: y")
    with ExitStack() as stack:
        connections = [stack.enter_context(_connected(server)) for _ in range(200)]
        start = time.monotonic()
        for number, connection in enumerate(connections):
            connection.sendall(states[number % len(states)])
        for connection in connections:
            with suppress(OSError):
                connection.settimeout(max(0.1, start + LIMIT_S / 2 - time.monotonic()))
                while connection.recv(1 << 16):
                    pass
        return time.monotonic() - start


def _guesses(server: Server) -> float:
    """Return how many wrong keys the service tells to be wrong within three seconds."""
    count, deadline = 0, time.monotonic() + 3
    while time.monotonic() < deadline:
        answer = _ask(server, f"GET /schemes {_HEAD}Authorization: Bearer a-key-that-is-guessed-{count}\r\n\r\n")
        count += answer.startswith(b"HTTP/1.1 401")
        if answer.startswith(b"HTTP/1.1 429"):
            time.sleep(0.05)
    return count


ATTACKS = (
    Attack("digest of 8 GiB of chrono", "CPU s", _digest(f"{_EIGHT_GIB}&scheme=chrono&t_max=100"), 1, "more than 110 CPU s"),
    Attack("digest of 8 GiB of identity", "CPU s", _digest("shape=65536,65536&dtype=float16&scheme=identity"), 1, "81 CPU s"),
    Attack("digest of 8 GiB of a normal, its client gone after 1 s", "CPU s", _digest_abandoned, 4, "1.5 CPU s"),
    Attack("a 400 KiB answer beside eight digests of 8 GiB", "times its time alone", _beside_digests, 5, "31 times"),
    Attack("a 400 KiB answer beside 64 readers of chrono", "times its time alone", _beside_streams, 5, "4,500 times"),
    Attack("a 400 KiB answer beside sixteen slow formulas", "times its time alone", _beside_formulas, 5, "4.7 times"),
    Attack("a formula with towers of erf", "CPU s", _towers, 4, "59 CPU s"),
    Attack("the same formula again", "CPU s", _towers_again, 0.1, "0.12 CPU s"),
    Attack("another formula, after two such formulas whose clients are gone", "s", _formula_after_towers, 5, "more than 60 s"),
    Attack("three readers of orthogonal 4096×4096 in float64", "CPU s", _three_readers, 45, "50 CPU s"),
    Attack("one column of orthogonal 4096×4096, its client gone after 1 s", "CPU s", _abandoned_whole, 6, "8.8 CPU s"),
    Attack("one row of orthogonal 4096×4096", "CPU s", _row, 1, "9.3 CPU s"),
    Attack("one row of sparse 4096×4096", "MiB", _sparse_slice, 256, "400 MiB"),
    Attack("truncated_normal with new bounds", "CPU ms", _new_each_time("scheme=truncated_normal&high_stddevs={}"), 10, "39 CPU ms"),
    Attack("snake with a new parameter", "CPU ms", _new_each_time("activation=snake&alpha=9{}"), 30, "4 CPU ms"),
    Attack("100 clients that do not read a JSON of 10⁶ float64", "MiB", _unread_json, 300, "2,800 MiB"),
    Attack("one client that sends pipelined requests for 10 s", "MiB", _pipelining, 32, "800 MiB"),
    Attack("200 connections that stop in the middle of a request, until closed", "s", _stalled, 5, "34 s", {"head_timeout_s": 2}),
    Attack("wrong keys in 3 s at a rate of 10/second", "guesses", _guesses, 60, "7,100 guesses", {"api_keys": _KEY, "rate": "10/second"}),
)


def measure(source: Path = SOURCE, words: list[str] | None = None) -> list[Figure]:
    """Run all attacks, or those whose names contain all the words, against servers of a source folder."""
    return [_figure(attack, source) for attack in ATTACKS if all(word in attack.name for word in words or [])]


def _figure(attack: Attack, source: Path) -> Figure:
    with weight_init(source, **attack.settings) as server:
        cost = attack.measure(server)
    label = f"{attack.name} (at most {attack.allowed:g} {attack.unit})"
    return Figure(label, f"{cost:.2g} {attack.unit}", f"before: {attack.before}", cost / attack.allowed, 1.0)


def main() -> None:
    """Print the results of another version of the service."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=SOURCE, help="folder of the version to measure")
    parser.add_argument("words", nargs="*", help="words in the names of the attacks to run")
    given = parser.parse_args()
    for attack in ATTACKS:
        if all(word in attack.name for word in given.words):
            print(f"{attack.name}: {_figure(attack, given.source).measured}", flush=True)


if __name__ == "__main__":
    main()
