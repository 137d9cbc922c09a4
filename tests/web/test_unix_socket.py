"""Serves on a Unix socket: the same responses as over TCP, and clear errors for a path that cannot be used."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from weight_init import AsyncClient, Client

from tests.processes import TIMEOUT_S, until

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
REQUEST = "/init?shape=1000,300&activation=relu&seed=7&format=raw"
SHA256 = "cf48e3bb6ac75dc85f65f3ca47d54092a4cbb5d292851a7545066eb273a6687f"


@contextmanager
def listening(path: Path, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run `weight-init serve --uds`, and wait until it answers."""
    environment = os.environ | {f"WEIGHT_INIT_{name.upper()}": str(value) for name, value in settings.items()}
    with subprocess.Popen([sys.executable, "-m", "service", "serve", "--uds", str(path)], env=environment) as process:
        try:
            until(lambda: _is_ready(path))
            yield process
        finally:
            process.kill()


def _is_ready(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as probe, suppress(OSError):
        probe.connect(str(path))
        with client_of(path) as client:
            return client.get("/readyz").status_code == 200
    return False


def client_of(path: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost", timeout=TIMEOUT_S)


@pytest.fixture
def path() -> Iterator[Path]:
    """A short path, since that of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder, "s")


def test_gives_the_bytes_of_every_other_way(path: Path) -> None:
    with listening(path), client_of(path) as client:
        response = client.get(REQUEST)
        assert hashlib.sha256(response.content).hexdigest() == SHA256
        assert client.get(REQUEST, headers={"Range": "bytes=8-15"}).content == response.content[8:16]
        assert client.get("/init?shape=nine").status_code == 422


def test_the_clients_of_python_take_the_path(path: Path) -> None:
    async def fetched() -> bytes:
        async with AsyncClient(uds=path) as client:
            return (await client.init([1000, 300], activation="relu", seed=7)).tobytes()

    with listening(path), Client(uds=path) as client:
        array = client.init([1000, 300], activation="relu", seed=7)
        assert hashlib.sha256(array.tobytes()).hexdigest() == SHA256
        assert asyncio.run(fetched()) == array.tobytes()


def test_limits_the_rate_of_all_clients_together_since_none_has_an_address(path: Path) -> None:
    with listening(path, rate="1/hour"), client_of(path) as one, client_of(path) as other:
        statuses = [one.get(REQUEST).status_code, other.get(REQUEST).status_code]
    assert statuses == [200, 429]


def test_disconnects_a_client_that_does_not_read(path: Path) -> None:
    with listening(path, reader_timeout_s=1), closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(b"GET /init?shape=100000,1000&seed=1&format=raw HTTP/1.1\r\nHost: x\r\n\r\n")
        with client_of(path) as client:
            until(lambda: "\nweight_init_streams 1.0" in client.get("/metrics").text)
            until(lambda: "\nweight_init_streams 0.0" in client.get("/metrics").text)


@pytest.mark.slow
def test_removes_its_socket_at_the_end_and_that_of_a_killed_server_at_the_start(path: Path) -> None:
    with listening(path) as process:
        process.kill()
        process.wait(TIMEOUT_S)
    assert path.is_socket()
    with listening(path) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) in (0, -signal.SIGTERM)
    assert not path.exists()


def refused(*arguments: str, **settings: object) -> str:
    environment = os.environ | {f"WEIGHT_INIT_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "service", "serve", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.slow
def test_a_path_that_cannot_be_used_is_an_error(path: Path) -> None:
    assert "expected neither --host nor --port beside it; received --port." in refused("--uds", str(path), "--port", "8000")
    assert f"Make the folder {path.parent}/none" in refused("--uds", f"{path.parent}/none/s")
    assert "is something else" in refused("--uds", str(path.parent))
    assert "path too long" in refused("--uds", f"{path.parent}/{'s' * 200}")
    with listening(path):
        assert f"another server listens on {path}" in refused(uds=path)
