"""Containers of the image, driven by the program that CONTAINER names: docker, podman, or what takes their arguments."""

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
    """The program with these arguments, which must end with `status`."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=110, check=False)
    assert done.returncode == status, done.stderr.decode()
    return done


def said(*arguments: str) -> str:
    """What it writes on stdout."""
    return run(*arguments).stdout.decode().strip()


class Service:
    """A container that serves, on a port of 127.0.0.1."""

    def __init__(self, *options: str, arguments: tuple[str, ...] = ()) -> None:
        port = str(_free_port())  # the same within and without: it may be that containers have no network of their own
        listening = ("-e", f"WEIGHT_INIT_PORT={port}", "-p", f"127.0.0.1:{port}:{port}")
        self.url = f"http://127.0.0.1:{port}"
        self.id = said("run", "-d", *HARDENED, *listening, *options, IMAGE, *arguments)
        until(self._is_ready)

    def _is_ready(self) -> bool:
        assert self.state("Running"), self.log
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def state(self, field: str) -> object:
        """A field of its state: Running, ExitCode, OOMKilled."""
        return json.loads(said("inspect", "-f", f"{{{{json .State.{field}}}}}", self.id))

    @property
    def log(self) -> str:
        """What it wrote on stderr; on stdout a service writes nothing."""
        done = run("logs", self.id)
        assert done.stdout == b""
        return done.stderr.decode()

    def asked(self, path: str) -> socket.socket:
        """A connection on which a GET was sent, and of which little is read ahead."""
        connection = socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), timeout=PATIENCE_S)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return connection


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@contextmanager
def service(*options: str, arguments: tuple[str, ...] = ()) -> Iterator[Service]:
    """One that is removed at the end, whatever happens."""
    serving = Service(*options, arguments=arguments)
    try:
        yield serving
    finally:
        run("rm", "-f", serving.id)


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def words_of_the_program(stderr: bytes) -> str:
    """What the program in a container wrote, without what the container program adds (podman, where there is no systemd)."""
    return re.sub(r"^time=.*\n", "", stderr.decode(), flags=re.MULTILINE)
