"""Runs `weight-init serve` as a process and uses it over a socket."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "golden.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "service", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        address = None
        for line in server.stderr:
            if match := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                address = match[1]
                break
        assert address, "the server ended before it reported its address"
        yield server, address
        server.kill()


def test_serves_golden_bytes(process: tuple[subprocess.Popen[str], str]) -> None:
    row = next(row for row in GOLDEN if row["request"].get("format") == "safetensors")
    body = httpx.post(f"{process[1]}/init", json=row["request"]).content
    assert hashlib.sha256(body).hexdigest() == row["answer"]["file_sha256"]


def test_sends_no_server_header(process: tuple[subprocess.Popen[str], str]) -> None:
    assert "Server" not in httpx.get(f"{process[1]}/healthz").headers


def test_serves_other_clients_after_some_disconnect_mid_stream(process: tuple[subprocess.Popen[str], str]) -> None:
    host, port = process[1].removeprefix("http://").split(":")
    for _ in range(5):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /init?shape=1048576,1024&scheme=normal&seed=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
    # this would take minutes if the gigabytes of those clients were still being computed
    assert httpx.get(f"{process[1]}/init?shape=1000,100&seed=1&format=raw", timeout=20).status_code == 200


def test_reports_a_taken_port_without_a_traceback(process: tuple[subprocess.Popen[str], str]) -> None:
    port = process[1].rpartition(":")[2]
    done = subprocess.run([sys.executable, "-m", "service", "serve", "--port", port], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_ends_on_sigterm(process: tuple[subprocess.Popen[str], str]) -> None:
    process[0].send_signal(signal.SIGTERM)
    assert process[0].wait(20) in (0, -signal.SIGTERM)
