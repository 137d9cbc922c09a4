"""Which engine computes: before the kernels are loaded, afterwards, and if Numba is missing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import httpx
import pytest

from service.concurrency.ahead import computing_threads
from service.concurrency.cores import usable_cores
from service.core.stream import engines
from service.settings import Settings
from service.web import startup
from service.web.app import create_app
from tests.serving import serving

REQUEST = {"shape": [300, 200], "activation": "relu", "seed": 7, "format": "raw"}


@pytest.fixture(autouse=True)
def _use_reference_engine() -> Iterator[None]:
    engines.use_numpy()
    yield
    engines.use_numpy()


@contextmanager
def started(engine: Literal["auto", "numpy", "numba"]) -> Iterator[httpx.Client]:
    with serving(Settings(engine=engine), lifespan="on") as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def wait_until_ready(client: httpx.Client) -> dict[str, str]:
    while (answer := client.get("/readyz")).status_code == 503:
        time.sleep(0.05)
    content: dict[str, str] = answer.json()
    return content


def test_auto_serves_with_the_reference_until_the_kernels_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    load, may_load = engines.load_kernels, threading.Event()
    monkeypatch.setattr(engines, "load_kernels", lambda cache: may_load.wait(60) and load(cache))
    with started("auto") as client:
        try:
            waiting = client.get("/readyz")
            early = client.post("/init", json=REQUEST).content
        finally:
            may_load.set()
        assert (waiting.status_code, waiting.headers["Retry-After"]) == (503, "1")
        assert wait_until_ready(client) == {"status": "ready", "engine": "numba"}
        assert client.post("/init", json=REQUEST).content == early


def test_numpy_loads_no_kernels() -> None:
    with started("numpy") as client:
        assert wait_until_ready(client)["engine"] == "numpy"


def _fail(_: object) -> None:
    raise ImportError("No module named 'numba'")


def test_auto_logs_that_numba_is_missing_and_serves(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(engines, "load_kernels", _fail)
    with started("auto") as client:
        assert wait_until_ready(client)["engine"] == "numpy"
        assert client.post("/init", json=REQUEST).status_code == 200
    assert "the NumPy engine serves" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the server's thread ends with the error
def test_engine_numba_does_not_start_if_numba_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "load_kernels", _fail)
    with pytest.raises(AssertionError, match="ended before it started"), started("numba"):
        pass


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 2)])
def test_a_computation_leaves_a_core_to_the_responses(cores: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "usable_cores", lambda: cores)
    app = create_app(Settings(engine="numpy"))

    async def threads_while_serving() -> int:
        async with startup.lifespan(app):
            return computing_threads()

    assert asyncio.run(threads_while_serving()) == threads
    assert computing_threads() == usable_cores()
