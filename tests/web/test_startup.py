"""What computes when: before the kernels are loaded, afterwards, and where there are none."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import httpx
import pytest

from service.core.stream import engines
from service.settings import Settings
from tests.serving import serving

REQUEST = {"shape": [300, 200], "activation": "relu", "seed": 7, "format": "raw"}


@pytest.fixture(autouse=True)
def _reference() -> Iterator[None]:
    engines.use_numpy()
    yield
    engines.use_numpy()


@contextmanager
def starting(engine: Literal["auto", "numpy", "numba"]) -> Iterator[httpx.Client]:
    with serving(Settings(engine=engine), lifespan="on") as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def when_ready(client: httpx.Client) -> dict[str, str]:
    while (answer := client.get("/readyz")).status_code == 503:
        time.sleep(0.05)
    content: dict[str, str] = answer.json()
    return content


def test_with_auto_the_reference_serves_until_the_kernels_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    load, may_load = engines.load_kernels, threading.Event()
    monkeypatch.setattr(engines, "load_kernels", lambda cache: may_load.wait(60) and load(cache))
    with starting("auto") as client:
        try:
            waiting = client.get("/readyz")
            early = client.post("/init", json=REQUEST).content
        finally:
            may_load.set()
        assert (waiting.status_code, waiting.headers["Retry-After"]) == (503, "1")
        assert when_ready(client) == {"status": "ready", "engine": "numba"}
        assert client.post("/init", json=REQUEST).content == early


def test_with_numpy_nothing_is_loaded() -> None:
    with starting("numpy") as client:
        assert when_ready(client)["engine"] == "numpy"


def _fail(_: object) -> None:
    raise ImportError("No module named 'numba'")


def test_where_there_is_no_numba_auto_serves_and_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(engines, "load_kernels", _fail)
    with starting("auto") as client:
        assert when_ready(client)["engine"] == "numpy"
        assert client.post("/init", json=REQUEST).status_code == 200
    assert "the reference engine serves" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the server's thread ends with the error
def test_where_there_is_no_numba_the_engine_numba_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "load_kernels", _fail)
    with pytest.raises(AssertionError, match="ended before it started"), starting("numba"):
        pass
