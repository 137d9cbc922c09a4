"""What signals do to a server: SIGHUP reads the keys again, others are ignored, and workers end with their parent."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from service.web.protection.access import Keys
from service.web.signals import reload_keys
from tests.processes import TIMEOUT_S, Process, started, until

FIRST, SECOND, THIRD = "the-first-of-the-keys", "the-second-of-the-keys", "the-third-of-the-keys"
LONG = "/init?shape=8388608&scheme=normal&seed=1&format=raw"  # 32 MiB, far more than the sockets hold


@pytest.fixture
def file(tmp_path: Path) -> Path:
    keys = tmp_path / "keys"
    keys.write_text(f"{FIRST}\n")
    return keys


def status(server: Process, key: str) -> int:
    return httpx.get(f"{server.url}/schemes", headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT_S).status_code


def test_sighup_reads_the_keys_again_without_interrupting_a_response(file: Path) -> None:
    with started(api_keys_file=file) as server:
        with server.asked(LONG, Authorization=f"Bearer {FIRST}") as download:
            received = download.recv(15)
            assert received == b"HTTP/1.1 200 OK"
            file.write_text(f"{SECOND}\n{THIRD}\n")
            server.signal(signal.SIGHUP)
            until(lambda: "SIGHUP: read the keys again; there are 2" in server.log)
            assert [status(server, key) for key in (FIRST, SECOND, THIRD)] == [401, 200, 200]
            while len(received.partition(b"\r\n\r\n")[2]) < 4 * 8388608 and (part := download.recv(1 << 20)):
                received += part
        assert len(received.partition(b"\r\n\r\n")[2]) == 4 * 8388608


@pytest.mark.parametrize(
    "content", ["", "short", f"{SECOND}\nshort", None, b"\xff\xfe" * 20], ids=["empty", "short", "partly", "no file", "binary"]
)
def test_a_broken_file_keeps_the_old_keys(
    content: str | bytes | None, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys([b"an old digest"])
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setenv("WEIGHT_INIT_API_KEYS_FILE", str(file))
    reload_keys(keys)
    assert keys.has(b"an old digest")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("SIGHUP: the keys stay as they are: WEIGHT_INIT_API_KEYS_FILE: ")
    assert SECOND not in record.getMessage()


def test_a_service_with_keys_never_loses_all_of_them(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("WEIGHT_INIT_API_KEYS", "WEIGHT_INIT_API_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    keys = Keys([b"an old digest"])
    reload_keys(keys)
    assert keys.has(b"an old digest")
    assert "expected at least one; received none" in caplog.text


def test_sighup_without_keys_opens_and_closes_nothing() -> None:
    with started() as server:
        server.signal(signal.SIGHUP)
        until(lambda: "SIGHUP: no keys are set" in server.log)
        assert httpx.get(f"{server.url}/schemes").status_code == 200


def test_several_workers_take_new_keys_and_refuse_a_broken_file(file: Path) -> None:
    with started(api_keys_file=file, workers=2, log_format="json") as server:
        until(lambda: server.log.count("startup complete") == 2)
        file.write_text(f"{SECOND}\n")
        server.signal(signal.SIGHUP)
        until(lambda: server.log.count("Finished server process") == 2)
        assert {status(server, SECOND) for _ in range(8)} == {200}
        file.write_text("short\n")
        server.signal(signal.SIGHUP)
        until(lambda: "aborting the restart" in server.log)
        assert "cannot start: WEIGHT_INIT_API_KEYS_FILE: " in server.log
        assert "Traceback" not in server.log
        assert {status(server, SECOND) for _ in range(8)} == {200}
    assert all(json.loads(line)["level"] for line in server.log.splitlines()), "of the parent and of each worker"


@pytest.mark.parametrize("workers", [1, 2])
def test_signals_that_mean_nothing_do_not_end_a_server_process(workers: int) -> None:
    with started(workers=workers) as server:
        until(lambda: server.log.count("startup complete") == workers)
        processes = [int(number) for number in re.findall(r"Started server process \[(\d+)\]", server.log)]
        for process in processes:
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE, signal.SIGWINCH, signal.SIGHUP):
                os.kill(process, number)
        until(lambda: server.log.count("SIGHUP: no keys are set") == workers)
        assert {httpx.get(f"{server.url}/schemes").status_code for _ in range(4)} == {200}
        assert server.log.count("Started server process") == workers, "no worker was replaced"


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds processes in /proc")
def test_workers_end_after_their_responses_when_their_parent_is_killed() -> None:
    server = Process(engine="numpy", workers=2)
    until(lambda: server.log.count("startup complete") == 2)
    workers = [int(number) for number in re.findall(r"Started server process \[(\d+)\]", server.log)]
    folder = folder_of(workers[0])
    with server.asked(LONG) as download:
        received = download.recv(15)
        server.signal(signal.SIGKILL)
        until(lambda: server.log.count("the parent process has ended, so this worker ends too") == 2)
        while part := download.recv(1 << 20):
            received += part
    assert len(received.partition(b"\r\n\r\n")[2]) == 4 * 8388608
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    server.kill()
    assert server.log.count("Finished server process") == 2
    assert not folder.exists(), "the metrics of the workers are not left in memory"
    with closing(socket.create_server(("127.0.0.1", server.port))):
        pass  # the port is free


def folder_of(worker: int) -> Path:
    variables = Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")
    (folder,) = [value for name, _, value in (row.partition(b"=") for row in variables) if name == b"PROMETHEUS_MULTIPROC_DIR"]
    return Path(os.fsdecode(folder))
