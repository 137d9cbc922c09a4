"""Fetching over HTTP on the loopback, against filling the same locally."""

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
from benchmarks.timing import Figure, alternate, median, ratio

_SHAPE = (8192, 8192)
_NBYTES = 4 * _SHAPE[0] * _SHAPE[1]
_PATH = "/init?shape=8192,8192&scheme=he_normal&activation=relu&seed=7&format=raw"
_RUNS = 9


def measure() -> list[Figure]:
    """256 MiB of He normal, against torch with all threads, and against nginx sending the same bytes from a file."""
    torch.set_num_threads(os.cpu_count() or 1)
    local = torch.zeros(_SHAPE)
    with weight_init() as ours, _nginx(ours) as nginx:
        fetcher = Fetcher(ours.port, _NBYTES)
        candidates = {
            "ours": lambda: fetcher.get(_PATH),
            "torch": lambda: torch.nn.init.kaiming_normal_(local, nonlinearity="relu"),
        }
        if nginx is not None:
            from_file = Fetcher(nginx.port, _NBYTES)
            assert from_file.get("/weights") == fetcher.get(_PATH)
            candidates["nginx"] = lambda: from_file.get("/weights")
        taken = alternate(candidates, _RUNS)
    figures = [_figure(taken, "torch", "torch.nn.init.kaiming_normal_ in this process, all threads", 0.5)]
    return figures + ([_figure(taken, "nginx", "nginx, from a file", None)] if nginx is not None else [])


def _figure(taken: dict[str, list[float]], other: str, described: str, limit: float | None) -> Figure:
    return Figure(
        "256 MiB float32 He normal, over HTTP",
        _rate(median(taken, "ours")),
        f"{described}: {_rate(median(taken, other))}",
        ratio(taken, "ours", other),
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
def _nginx(ours: Server) -> Iterator[Server | None]:
    """nginx with the same bytes in a file, in memory if the machine has such a folder; None where there is no nginx."""
    if shutil.which("nginx") is None:
        yield None
        return
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() and shutil.disk_usage(memory).free > 2 * _NBYTES else None) as folder:
        Path(folder).chmod(0o755)
        Path(folder, "weights").write_bytes(Fetcher(ours.port, _NBYTES).get(_PATH))
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
