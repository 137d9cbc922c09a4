"""Runs containers of the image with the program in CONTAINER: docker, podman, or one with the same arguments."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

PROGRAM = os.environ["CONTAINER"]
IMAGE = os.environ.get("IMAGE", "weight-init")
HARDENED = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--memory=256m")
PATIENCE_S = 60


def run(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Run the container program, which must exit with `status`."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=110, check=False)
    assert done.returncode == status, done.stderr.decode()
    return done


def output_of(*arguments: str) -> str:
    """Run the container program and return its stdout."""
    return run(*arguments).stdout.decode().strip()


class Service:
    """A container that serves on a port of 127.0.0.1."""

    def __init__(self, *options: str, arguments: tuple[str, ...] = ()) -> None:
        port = str(_free_port())  # the same inside and outside, in case containers share the host's network
        listening = ("-e", f"WEIGHT_INIT_PORT={port}", "-p", f"127.0.0.1:{port}:{port}")
        self.url = f"http://127.0.0.1:{port}"
        self.id = output_of("run", "-d", *HARDENED, *listening, *options, IMAGE, *arguments)
        until(self._is_ready)

    def _is_ready(self) -> bool:
        assert self.state("Running"), self.log
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def state(self, field: str) -> object:
        """Return a field of the container's state: Running, ExitCode or OOMKilled."""
        return json.loads(output_of("inspect", "-f", f"{{{{json .State.{field}}}}}", self.id))

    @property
    def log(self) -> str:
        """The stderr of the service. It must not write to stdout."""
        done = run("logs", self.id)
        assert done.stdout == b""
        return done.stderr.decode()

    def send_get(self, path: str) -> socket.socket:
        """Open a connection and send a GET request."""
        connection = socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), timeout=PATIENCE_S)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return connection


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def service(*options: str, arguments: tuple[str, ...] = ()) -> Iterator[Service]:
    """Run a service in a container, and remove the container at the end."""
    serving = Service(*options, arguments=arguments)
    try:
        yield serving
    finally:
        run("rm", "-f", serving.id)


def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)


def without_warnings(stderr: bytes) -> str:
    """Return stderr without the warnings of the container program, which podman prints if there is no systemd."""
    return re.sub(r"^time=.*\n", "", stderr.decode(), flags=re.MULTILINE)
