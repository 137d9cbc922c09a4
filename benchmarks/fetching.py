"""Fetches a tensor over HTTP on the loopback interface. The references are torch in this process, and nginx."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.servers import Fetcher, Server, wait_for, weight_init
from benchmarks.timing import Figure, Times, alternate, median, ratio

_SHAPE = (8192, 8192)
_NBYTES = 4 * _SHAPE[0] * _SHAPE[1]
_PATH = "/init?shape=8192,8192&scheme=he_normal&activation=relu&seed=7&format=raw"
_RUNS = 9


def measure() -> list[Figure]:
    """Compare 256 MiB of He normal with torch on all threads, and with nginx serving the same bytes from a file."""
    torch.set_num_threads(os.cpu_count() or 1)
    local = torch.zeros(_SHAPE)
    with weight_init() as service, _nginx(service) as nginx:
        fetcher = Fetcher(service.port, _NBYTES)
        candidates = {
            "ours": lambda: fetcher.get(_PATH),
            "torch": lambda: torch.nn.init.kaiming_normal_(local, nonlinearity="relu"),
        }
        if nginx is not None:
            nginx_fetcher = Fetcher(nginx.port, _NBYTES)
            assert nginx_fetcher.get("/weights") == fetcher.get(_PATH)
            candidates["nginx"] = lambda: nginx_fetcher.get("/weights")
        times = alternate(candidates, _RUNS)
    figures = [_figure(times, "torch", "torch.nn.init.kaiming_normal_ in this process, all threads", 0.5)]
    return figures + ([_figure(times, "nginx", "nginx, serving a file", None)] if nginx is not None else [])


def _figure(times: Times, reference: str, description: str, limit: float | None) -> Figure:
    return Figure(
        "256 MiB float32 He normal, over HTTP",
        _rate(median(times, "ours")),
        f"{description}: {_rate(median(times, reference))}",
        ratio(times, "ours", reference),
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
