"""Fetches a tensor over HTTP on the loopback interface. The references are torch in this process, and nginx."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from benchmarks.servers import Fetcher, Server, wait_for, weight_init, weight_init_on_socket
from benchmarks.timing import Figure, Times, alternate, median, ratio

_SHAPE = (8192, 8192)
_NBYTES = 4 * _SHAPE[0] * _SHAPE[1]
_PATH = "/init?shape=8192,8192&scheme=he_normal&activation=relu&seed=7&format=raw"
_RUNS = 9
_READ_BYTES = 256 << 10  # which stays in the reader's L2 cache
_LIMITS = {"TCP, reader with a buffer of 256 KiB": 0.45, "Unix socket, reader with a buffer of 256 KiB": 0.35}


def measure() -> list[Figure]:
    """Compare 256 MiB of He normal, over TCP and over a Unix socket, with torch on all threads and with nginx, which serves a file."""
    torch.set_num_threads(os.cpu_count() or 1)
    local = torch.zeros(_SHAPE)
    with weight_init() as service, _on_socket() as path, _nginx(service) as nginx:
        fetcher, neighbour = Fetcher(service.port, _NBYTES), Fetcher(path, _NBYTES)
        candidates: dict[str, Callable[[], object]] = {
            "TCP, into one array": partial(fetcher.get, _PATH),
            "TCP, reader with a buffer of 256 KiB": partial(fetcher.read_through, _PATH, _READ_BYTES),
            "Unix socket, into one array": partial(neighbour.get, _PATH),
            "Unix socket, reader with a buffer of 256 KiB": partial(neighbour.read_through, _PATH, _READ_BYTES),
            "torch": partial(torch.nn.init.kaiming_normal_, local, nonlinearity="relu"),
        }
        ours = list(candidates)[:-1]
        if nginx is not None:
            nginx_fetcher = Fetcher(nginx.port, _NBYTES)
            assert nginx_fetcher.get("/weights") == fetcher.get(_PATH) == neighbour.get(_PATH)
            candidates["nginx"] = partial(nginx_fetcher.get, "/weights")
        times = alternate(candidates, _RUNS)
    description = "torch.nn.init.kaiming_normal_ in this process, all threads"
    figures = [_figure(times, way, "torch", description, _LIMITS.get(way)) for way in ours]
    return figures + ([_figure(times, ours[0], "nginx", "nginx, serving a file", None)] if nginx is not None else [])


@contextmanager
def _on_socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder, weight_init_on_socket(Path(folder, "socket")):
        yield Path(folder, "socket")


def _figure(times: Times, way: str, reference: str, description: str, limit: float | None) -> Figure:
    return Figure(
        f"256 MiB float32 He normal over {way}",
        _rate(median(times, way)),
        f"{description}: {_rate(median(times, reference))}",
        ratio(times, way, reference),
        limit,
    )


def _rate(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms, {_NBYTES / seconds / 1e9:.2f} GB/s"


_CONFIGURATION = """
daemon off; pid {folder}/pid; error_log stderr error; worker_processes 1;
events {{}}
http {{
  access_log off; sendfile on; keepalive_requests 100000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


@contextmanager
def _nginx(service: Server) -> Iterator[Server | None]:
    """Run nginx with the same bytes in a file, which is in /dev/shm if possible. Yield None if nginx is not installed."""
    if shutil.which("nginx") is None:
        yield None
        return
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() and shutil.disk_usage(shm).free > 2 * _NBYTES else None) as folder:
        Path(folder).chmod(0o755)
        Path(folder, "weights").write_bytes(Fetcher(service.port, _NBYTES).get(_PATH))
        port = _free_port()
        Path(folder, "nginx.conf").write_text(_CONFIGURATION.format(folder=folder, port=port))
        with subprocess.Popen(["nginx", "-p", folder, "-c", f"{folder}/nginx.conf"], stderr=subprocess.DEVNULL) as process:
            try:
                wait_for(port, "/weights")
                yield Server(process.pid, port)
            finally:
                process.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
