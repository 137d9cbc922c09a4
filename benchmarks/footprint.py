"""What it takes beside time: memory while streaming, the reach of a range, and the start."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.servers import Fetcher, weight_init
from benchmarks.timing import Figure, alternate, median, ratio

_MIB = 1 << 20
_LARGE = "/init?shape=2147483648&scheme=normal&seed=7&format=raw"  # 8 GiB
_HUGE = "/init?shape=524288,524288&scheme=normal&seed=7&format=raw"  # 1 TiB


def measure() -> list[Figure]:
    """All of them."""
    with weight_init() as server:
        return [_growth(server.pid, server.port), _reach(server.port), _ready(), _command()]


def _growth(pid: int, port: int) -> Figure:
    fetcher = Fetcher(port, 64 * _MIB)
    fetcher.get(_LARGE, f"Range: bytes=0-{64 * _MIB - 1}\r\n")  # what every start takes is taken
    before, most, began = _resident(pid), 0, time.monotonic()
    with subprocess.Popen(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}{_LARGE}"], stdout=subprocess.DEVNULL) as curl:
        while curl.poll() is None:
            most = max(most, _resident(pid))
            time.sleep(0.05)
    assert curl.returncode == 0, "curl failed"
    growth = max(0, most - before) / _MIB
    rate = 8 * 1024 * _MIB / (time.monotonic() - began) / 1e9
    return Figure("growth of memory while streaming 8 GiB", f"{growth:.0f} MiB, at {rate:.2f} GB/s", "100 MiB", growth / 100, 1.0)


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def _reach(port: int) -> Figure:
    fetcher, far = Fetcher(port, _MIB), (1 << 40) - _MIB
    taken = alternate(
        {
            "first": lambda: fetcher.get(_HUGE, f"Range: bytes=0-{_MIB - 1}\r\n"),
            "last": lambda: fetcher.get(_HUGE, f"Range: bytes={far}-{far + _MIB - 1}\r\n"),
        },
        51,
        rest_s=0,
    )
    return Figure(
        "1 MiB at the end of 1 TiB",
        f"{median(taken, 'last') * 1e3:.2f} ms",
        f"its first MiB: {median(taken, 'first') * 1e3:.2f} ms",
        ratio(taken, "last", "first"),
        3.0,
    )


def _ready() -> Figure:
    """The cache is warm: this process has just started another one."""
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        with weight_init():
            seconds.append(time.perf_counter() - began)
    return _seconds("start until /readyz says 200, warm cache", statistics.median(seconds), 3.0)


def _command() -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "service", "init", "--shape", "1000,1000", "--seed", "7", "-o", f"{folder}/w.npy"]
        seconds = []
        for _ in range(9):
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - began)
    return _seconds("weight-init init of 1000×1000, the whole process", statistics.median(seconds), 1.2)


def _seconds(what: str, seconds: float, limit: float) -> Figure:
    return Figure(what, f"{seconds:.2f} s", f"{limit} s", seconds / limit, 1.0)
