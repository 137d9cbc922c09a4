"""Measures memory while streaming, random access with ranges, and startup time."""

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
    """Measure all of them."""
    with weight_init() as server:
        return [_memory_growth(server.pid, server.port), _random_access(server.port), _startup(), _command_line()]


def _memory_growth(pid: int, port: int) -> Figure:
    fetcher = Fetcher(port, 64 * _MIB)
    fetcher.get(_LARGE, f"Range: bytes=0-{64 * _MIB - 1}\r\n")  # warm-up: one-time allocations are not growth
    before, peak, start = _resident_bytes(pid), 0, time.monotonic()
    with subprocess.Popen(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}{_LARGE}"], stdout=subprocess.DEVNULL) as curl:
        while curl.poll() is None:
            peak = max(peak, _resident_bytes(pid))
            time.sleep(0.05)
    assert curl.returncode == 0, "curl failed"
    growth = max(0, peak - before) / _MIB
    rate = 8 * 1024 * _MIB / (time.monotonic() - start) / 1e9
    return Figure("memory growth while streaming 8 GiB", f"{growth:.0f} MiB, at {rate:.2f} GB/s", "100 MiB", growth / 100, 1.0)


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def _random_access(port: int) -> Figure:
    fetcher, last_mib = Fetcher(port, _MIB), (1 << 40) - _MIB
    times = alternate(
        {
            "first": lambda: fetcher.get(_HUGE, f"Range: bytes=0-{_MIB - 1}\r\n"),
            "last": lambda: fetcher.get(_HUGE, f"Range: bytes={last_mib}-{last_mib + _MIB - 1}\r\n"),
        },
        51,
        rest_s=0,
    )
    return Figure(
        "1 MiB at the end of 1 TiB",
        f"{median(times, 'last') * 1e3:.2f} ms",
        f"first MiB: {median(times, 'first') * 1e3:.2f} ms",
        ratio(times, "last", "first"),
        3.0,
    )


def _startup() -> Figure:
    """Measure the startup time. The cache is warm, because another server has already started."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        with weight_init():
            seconds.append(time.perf_counter() - start)
    return _duration("startup until /readyz returns 200, warm cache", statistics.median(seconds), 3.0)


def _command_line() -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "service", "init", "--shape", "1000,1000", "--seed", "7", "-o", f"{folder}/w.npy"]
        seconds = []
        for _ in range(9):
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
    return _duration("weight-init init of 1000×1000, whole process", statistics.median(seconds), 1.2)


def _duration(label: str, seconds: float, limit: float) -> Figure:
    return Figure(label, f"{seconds:.2f} s", f"{limit} s", seconds / limit, 1.0)
