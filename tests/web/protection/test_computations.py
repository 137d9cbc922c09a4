"""Work that is done before a response begins: it has a limit in seconds, threads of its own, and stops when nobody waits for it."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from types import CodeType, FrameType
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from service.concurrency.interruption import Interrupted, stop_if_unwatched, submit_interruptible
from service.core.activations import activation, expression, expressions, quadrature
from service.core.stream.philox import Stream
from service.core.tensors.rules import Whole
from service.core.tensors.wholes import WHOLES, SharedWholes
from service.settings import Settings
from service.web import app as web_app
from service.web.problems import HttpProblem
from service.web.protection.computations import Computations
from service.web.responses import streaming
from tests.processes import until as poll
from tests.serving import serving
from tests.sockets import connected

SMALL = "/init?shape=32,32&scheme=normal&seed=1"
WHOLE = "/init?shape=256,256&scheme=orthogonal&format=raw"
TIMEOUT_S = 60


def settings(**given: object) -> Settings:
    return Settings.model_validate(given)


def busy(response: httpx.Response) -> bool:
    """Return whether the request was refused as busy, and check the refusal."""
    if response.status_code != 503:
        return False
    assert response.headers["Content-Type"] == "application/problem+json"
    assert int(response.headers["Retry-After"]) >= 1
    assert "(WEIGHT_INIT_MAX_COMPUTE_S)" in response.json()["detail"]
    return True


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hold back tensors computed whole, and gains of formulas, until the event is set."""
    go_on = threading.Event()
    get, parse = WHOLES.get, expressions.parse
    monkeypatch.setattr(WHOLES, "get", lambda *args: _wait(go_on) and get(*args))
    monkeypatch.setattr(expression, "parse", lambda text: _wait(go_on) and parse(text))
    yield go_on
    go_on.set()


def _wait(go_on: threading.Event) -> bool:
    while not go_on.wait(0.002):
        stop_if_unwatched()
    return True


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def asking(**given: object) -> AsyncIterator[tuple[Computations, httpx.AsyncClient]]:
    """Yield the computations of a service with these settings, and a client of it."""
    app = web_app.create_app(settings(**given))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here", timeout=TIMEOUT_S) as client:
        yield app.state.computations, client


async def started(computations: Computations, request: Coroutine[Any, Any, httpx.Response]) -> asyncio.Task[httpx.Response]:
    before = len(computations._in_progress)
    task = asyncio.create_task(request)
    await until(lambda: len(computations._in_progress) > before)
    return task


def computations_of(max_compute_s: float, threads: int = 1) -> Computations:
    return Computations(max_compute_s, threads=threads, short_s=streaming.SHORT_S, short_executor=streaming.short_pool)


def formula(text: str) -> str:
    return "activation=" + quote(f'{{"expression":"{text}"}}')


# ---- the limit


@pytest.mark.parametrize(
    ("limit_s", "first", "second"),
    [
        (0.08, f"{WHOLE}&seed=1", f"{WHOLE}&seed=2"),
        (1, f"{WHOLE}&seed=1", f"/init?shape=3,5&{formula('x*tanh(2*x)')}"),
        (1, f"/init?shape=3,5&{formula('x*sin(2*x)')}", f"/recommend?{formula('x*cos(2*x)')}"),
    ],
    ids=["wholes", "a whole and a formula", "formulas"],
)
def test_refuses_work_beyond_the_limit_at_once(release: threading.Event, limit_s: float, first: str, second: str) -> None:
    async def scenario() -> None:
        async with asking(max_compute_s=limit_s) as (computations, client):
            running = await started(computations, client.get(first))
            assert busy(await client.get(second))
            assert (await client.get(SMALL)).status_code == 200
            assert (await client.get("/recommend?activation=relu")).status_code == 200
            release.set()
            assert (await running).status_code == 200
            assert (await client.get(second)).status_code == 200

    asyncio.run(scenario())


def test_equal_work_is_done_once(release: threading.Event) -> None:
    async def scenario() -> None:
        async with asking(max_compute_s=1) as (computations, client):
            first = await started(computations, client.get(f"{WHOLE}&seed=3"))
            others = [asyncio.create_task(client.get(f"{WHOLE}&seed=3&slice=:,{column}")) for column in range(20)]
            await asyncio.sleep(0)  # the others need not have started: they may join at any time
            release.set()
            responses = [await task for task in (first, *others)]
        assert [response.status_code for response in responses] == [200] * 21

    asyncio.run(scenario())


def test_a_formula_with_known_gains_is_served_while_other_work_fills_the_limit(release: threading.Event) -> None:
    async def scenario() -> None:
        async with asking(max_compute_s=1) as (computations, client):
            release.set()
            known = f"/init?shape=3,5&{formula('x*tanh(3*x)')}"
            assert (await client.get(known)).status_code == 200
            release.clear()
            running = await started(computations, client.get(f"{WHOLE}&seed=4"))
            assert busy(await client.get(f"/init?shape=3,5&{formula('x*tanh(4*x)')}"))
            assert (await client.get(known)).status_code == 200
            release.set()
            await running

    asyncio.run(scenario())


def test_small_work_waits_for_a_thread_instead_of_being_refused(release: threading.Event) -> None:
    async def scenario() -> None:
        async with asking(max_compute_s=1, max_computations=1) as (computations, client):
            tasks = [await started(computations, client.get(f"/init?shape=180,180&scheme=orthogonal&seed={seed}")) for seed in range(20)]
            release.set()
            assert [(await task).status_code for task in tasks] == [200] * 20

    asyncio.run(scenario())


def test_the_wait_that_a_refusal_advises_is_that_of_the_work_in_progress() -> None:
    async def scenario() -> None:
        computations, go_on = computations_of(30), threading.Event()
        running = asyncio.create_task(computations.run("one", lambda: _wait(go_on), cost_s=20))
        await until(lambda: len(computations._in_progress) == 1)
        with pytest.raises(HttpProblem, match=r"at most 30 s of work at once .* received another 11 s, beside 20 s in progress") as refused:
            await computations.run("two", bool, cost_s=11)
        assert refused.value.headers == {"Retry-After": "20"}
        go_on.set()
        assert await running

    asyncio.run(scenario())


def test_leaves_a_core_to_the_responses_if_there_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, threads in ((1, 1), (2, 1), (3, 2), (64, 2)):
        monkeypatch.setattr("service.web.protection.computations.usable_cores", lambda cores=cores: cores)
        assert computations_of(30, threads=2)._threads == threads


# ---- stopping


def test_work_stops_when_its_last_client_leaves_and_then_frees_its_share() -> None:
    async def scenario() -> None:
        computations, ended = computations_of(1), threading.Event()

        def work() -> None:
            try:
                _wait(threading.Event())
            finally:
                ended.set()

        first, second = (asyncio.create_task(computations.run("one", work, cost_s=1)) for _ in range(2))
        await until(lambda: len(computations._in_progress) == 1)
        first.cancel()
        await asyncio.wait([first])
        with pytest.raises(HttpProblem):
            await computations.run("two", bool, cost_s=1)
        assert not ended.is_set()
        second.cancel()
        await until(ended.is_set)
        await until(lambda: not computations._accepted_s)
        await computations.run("two", bool, cost_s=1)

    asyncio.run(scenario())


def test_work_that_waits_for_a_thread_is_never_begun_when_its_client_leaves() -> None:
    async def scenario() -> None:
        computations, go_on = computations_of(30), threading.Event()
        begun: list[int] = []
        running = asyncio.create_task(computations.run("one", lambda: _wait(go_on), cost_s=1))
        waiting = asyncio.create_task(computations.run("two", lambda: begun.append(1), cost_s=1))
        await until(lambda: len(computations._in_progress) == 2)
        waiting.cancel()
        await asyncio.wait([waiting])
        go_on.set()
        await running
        await computations.run("three", bool, cost_s=1)
        assert not begun

    asyncio.run(scenario())


def test_short_work_does_not_wait_for_long_work(release: threading.Event) -> None:
    async def scenario() -> None:
        async with asking(max_compute_s=1) as (computations, client):
            running = await started(computations, client.get(f"{WHOLE}&seed=6"))
            want = {"Want-Repr-Digest": "sha-256=1"}
            assert "Repr-Digest" in (await client.get(f"{SMALL}&format=raw", headers=want)).headers
            assert (await client.get("/init?shape=3,5&activation=snake&alpha=6.125")).status_code == 200
            release.set()
            await running

    asyncio.run(scenario())


def test_failed_work_frees_its_share() -> None:
    async def scenario() -> None:
        computations = computations_of(1)
        for _ in range(2):
            with pytest.raises(ValueError, match="invalid literal"):
                await computations.run("one", lambda: int("not a number"), cost_s=1)

    asyncio.run(scenario())


@pytest.mark.parametrize("path", [f"/init?shape=3,5&{formula('x*tanh(5*x)')}", f"/recommend?{formula('x*tanh(6*x)')}", f"{WHOLE}&seed=5"])
def test_a_client_that_leaves_stops_its_computation(path: str, release: threading.Event) -> None:
    with serving(settings()) as url, connected(url) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        with httpx.Client(base_url=url) as other:
            poll(lambda: _threads_that_compute() == 1)
            client.close()
            poll(lambda: _threads_that_compute() == 0)
            assert other.get(SMALL).status_code == 200


def _threads_that_compute() -> int:
    """Return how many threads are in `_wait`, which holds back every computation of these tests."""
    return sum(_is_in(frame, _wait.__code__) for frame in sys._current_frames().values())


def _is_in(frame: FrameType | None, code: CodeType) -> bool:
    return frame is not None and (frame.f_code is code or _is_in(frame.f_back, code))


def test_another_reader_of_a_whole_goes_on_when_the_one_who_began_it_leaves() -> None:
    calls: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def compute(_: Stream, dtype: np.dtype[Any], __: int) -> npt.NDArray[Any]:
        calls.append(1)
        begun.set()
        _wait(go_on)
        return np.zeros((4, 4), dtype)

    wholes = SharedWholes(1 << 20, 1 << 20)
    whole = Whole("slow", (4, 4), None, 1.0, 1.0, compute)
    with ThreadPoolExecutor(2) as pool:
        leaving, staying = (partial(wholes.get, whole, Stream.of(7), np.dtype("f4")) for _ in range(2))
        first = submit_interruptible(pool, leaving)
        assert begun.wait(TIMEOUT_S)
        second = pool.submit(staying)
        poll(lambda: wholes.lookups() == (1, 1))  # the second has joined the first
        first.cancel()
        poll(lambda: len(calls) == 2)  # the second computes it itself
        go_on.set()
        assert second.result(TIMEOUT_S).shape == (16,)
        with pytest.raises(Interrupted):
            first.result(TIMEOUT_S)


# ---- estimates


def test_refuses_a_tensor_by_its_estimate_before_it_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WHOLES, "get", lambda *_: pytest.fail("it was computed"))
    with serving(settings(max_compute_s=0.1)) as url:
        response = httpx.get(f"{url}/init?shape=1024,1024&scheme=orthogonal&slice=:,0")
    assert response.status_code == 413
    assert "at most 0.1 s of computation for orthogonal (WEIGHT_INIT_MAX_COMPUTE_S)" in response.json()["detail"]
    assert re.search(r"\[1024, 1024\], which takes about \d(\.\d+)? s", response.json()["detail"])


def test_a_matrix_that_needs_the_kernels_may_wait_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "/init?shape=1024,1024&scheme=orthogonal"
    with serving(settings(max_compute_s=0.1)) as server:
        monkeypatch.setattr("service.core.stream.engines.is_loading", lambda: True)
        response = httpx.get(server + url)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert "needs the compiled kernels, which are being loaded. Try again soon." in response.json()["detail"]
        monkeypatch.undo()
        assert httpx.get(server + url).status_code == 413


def test_refuses_a_formula_where_the_limit_is_below_the_most_that_it_may_take() -> None:
    with serving(settings(max_compute_s=0.5)) as url:
        response = httpx.get(f"{url}/recommend?{formula('x*tanh(7*x)')}")
    assert response.status_code == 413
    assert "activation.expression: expected at most 0.5 s of computation (WEIGHT_INIT_MAX_COMPUTE_S)" in response.json()["detail"]


def test_the_estimate_grows_with_the_work() -> None:
    def refused(query: str) -> bool:
        return httpx.get(f"{url}/init?{query}&slice={part}").status_code == 413

    part = "...,0"
    with serving(settings(max_compute_s=0.2)) as url:
        assert not refused("shape=16,16384&scheme=orthogonal")  # as many elements as the next, and a third of the work
        assert refused("shape=512,512&scheme=orthogonal")
        assert refused("shape=512,512,1,1&scheme=delta_orthogonal")
        assert refused("shape=2048,2048&scheme=sparse&sparsity=0.5&layout=keras")
        assert not refused("shape=100000,100000&scheme=normal")
        assert refused("shape=2048,512,3,3&scheme=icnr&upscale=2&base=orthogonal")


def calls_of_integrals(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the name of the thread of each integral from now on."""
    threads: list[str] = []

    def counted(*args: Any, **kwargs: Any) -> tuple[quadrature.Float64s, quadrature.Float64s]:
        threads.append(threading.current_thread().name)
        return quadrature.second_moment_rule(*args, **kwargs)

    monkeypatch.setattr(activation, "second_moment_rule", counted)
    return threads


def test_a_refusal_of_a_formula_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    integrals = calls_of_integrals(monkeypatch)
    with serving(settings()) as url:
        for _ in range(3):
            assert httpx.get(f"{url}/recommend?{formula('exp(7*x^2)')}").status_code == 422
    assert len(integrals) == 2  # with the slope, and without


def test_gains_of_named_activations_are_computed_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = calls_of_integrals(monkeypatch)
    with serving(settings()) as url:
        assert httpx.get(f"{url}/init?shape=3,5&activation=snake&alpha=7.125").status_code == 200
    assert len(threads) == 1
    assert threads[0].startswith("weight-init-short_")
