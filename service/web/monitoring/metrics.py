"""What is counted, for Prometheus. Every label is one of few: routes, methods and schemes that there are, statuses.

Where several worker processes serve, each counts in files of a folder, which prometheus_client finds in PROMETHEUS_MULTIPROC_DIR, and
whoever is asked adds them up. What a worker that ended had counted stays; what it was doing does not.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
    start_http_server,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.contract.specification import lookups
from service.core.stream import engines
from service.core.tensors.wholes import WHOLES
from service.web.monitoring.exchange import ANSWER, Exchange

PATH = "/metrics"

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"))
_OTHER = "other"
_FIRST_BYTE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_DURATION_S = (*_FIRST_BYTE_S, 60, 300, 1800)  # the last for tensors of terabytes

disable_created_metrics()  # when each began to be counted, which nobody asks and which would be half of the page

REQUESTS = Counter("weight_init_requests", "Requests answered; 499: the client left before", ("route", "method", "status"))
REFUSED = Counter("weight_init_refused", "Requests refused, by the problem that the answer names", ("reason",))
FIRST_BYTE = Histogram("weight_init_first_byte_seconds", "Time until an answer began", ("route",), buckets=_FIRST_BYTE_S)
DURATION = Histogram("weight_init_request_seconds", "Time until an answer was sent, or its client left", ("route",), buckets=_DURATION_S)
SENT = Counter("weight_init_sent_bytes", "Bytes of content sent", ("route",))
ELEMENTS = Counter("weight_init_elements", "Elements of tensors sent", ("scheme",))
STREAMS = Gauge("weight_init_streams", "Answers that are being streamed", multiprocess_mode="livesum")
LEFT = Counter("weight_init_clients_left", "Clients that left before the end of their answer")
LOOKUPS = Counter("weight_init_cache_lookups", "Lookups in the caches", ("cache", "result"))
ENGINE = Gauge("weight_init_engine", "Worker processes that compute with an engine", ("engine",), multiprocess_mode="livesum")


class _Counted(NamedTuple):
    """The metrics of the requests that have route, method and status in common: looking them up takes longer than counting."""

    requests: Counter
    duration: Histogram
    first_byte: Histogram
    sent: Counter
    refused: Counter | None


@lru_cache(maxsize=1024)
def _counted(route: str, method: str, status: int) -> _Counted:
    return _Counted(
        REQUESTS.labels(route, method, str(status)),
        DURATION.labels(route),
        FIRST_BYTE.labels(route),
        SENT.labels(route),
        REFUSED.labels(HTTPStatus(status).name.lower()) if status in _REFUSALS else None,
    )


_REFUSALS = frozenset(map(int, HTTPStatus)).intersection((*range(400, 499), 503))


def count(exchange: Exchange) -> None:
    """Count an exchange that has ended."""
    method = exchange.scope["method"]
    counted = _counted(_route(exchange), method if method in _METHODS else _OTHER, exchange.status)
    counted.requests.inc()
    counted.duration.observe(exchange.duration_s)
    if exchange.first_byte_s is not None:
        counted.first_byte.observe(exchange.first_byte_s)
    if counted.refused is not None:
        counted.refused.inc()
    if exchange.is_streamed:
        STREAMS.dec()
    if not exchange.is_whole:
        LEFT.inc()
    if exchange.sent_bytes:
        counted.sent.inc(exchange.sent_bytes)
    if ANSWER in exchange.scope:
        _count_elements(exchange)
        _specifications.count()
        _wholes.count()


def _route(exchange: Exchange) -> str:
    """The template of the route; where none was reached, the path if it is that of one."""
    route = exchange.scope.get("route")
    if route is not None:
        return route.path
    return exchange.path if exchange.path in exchange.scope["app"].state.paths else _OTHER


def _count_elements(exchange: Exchange) -> None:
    """Those of the tensor that was answered; of a part of it, as many as its bytes hold."""
    answer = exchange.scope[ANSWER]
    sent = min(answer.tensor.size, exchange.sent_bytes // answer.tensor.dtype.itemsize)
    _elements(answer.provenance["scheme"]).inc(sent)


@lru_cache(maxsize=256)
def _elements(scheme: str) -> Counter:
    return ELEMENTS.labels(scheme)


def count_lookup(cache: str, *, hit: bool) -> None:
    """Count one look into a cache."""
    LOOKUPS.labels(cache, "hit" if hit else "miss").inc()


class _Lookups:
    """Counts for a cache that knows its own hits and misses: what was added since the last time."""

    def __init__(self, cache: str, known: Callable[[], tuple[int, int]]) -> None:
        self._known, self._last = known, known()
        self._counters = LOOKUPS.labels(cache, "hit"), LOOKUPS.labels(cache, "miss")

    def count(self) -> None:
        known = self._known()
        if known == self._last:
            return
        for counter, now, before in zip(self._counters, known, self._last):
            if now > before:
                counter.inc(now - before)
        self._last = known


_specifications = _Lookups("specifications", lookups)
_wholes = _Lookups("wholes", WHOLES.lookups)


def set_engine() -> None:
    """Note which engine this process computes with."""
    for name in ("numpy", "numba"):
        ENGINE.labels(name).set(name == engines.current().name)


async def answer_metrics(_: Request) -> Response:
    """The route, where the metrics have no port of their own."""
    content = await run_in_threadpool(generate_latest, registry())
    return Response(content, headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE_LATEST})


def registry() -> CollectorRegistry:
    """What this process counts; where several serve, what all of them do."""
    if _FOLDER not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    together.register(_AllProcesses(Path(os.environ[_FOLDER])))
    return together


class _AllProcesses(Collector):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        for file in self._folder.glob("gauge_live*.db"):
            process = int(file.stem.rpartition("_")[2])
            if not _is_alive(process):
                mark_process_dead(process, str(self._folder))
        return MultiProcessCollector(None, str(self._folder)).collect()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def watched(host: str, port: int | None, *, workers: int = 1) -> Iterator[None]:
    """What the process that starts the server does for its metrics: a folder for several workers, and a port of their own if one is given.

    Enter it before the workers are started, which must not be forked. Raises OSError where the port cannot be had.
    """
    with ExitStack() as stack:
        if workers > 1:
            memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # no disk, and writable where all else is read-only
            os.environ[_FOLDER] = stack.enter_context(tempfile.TemporaryDirectory(prefix="weight-init-", dir=memory))
            stack.callback(os.environ.pop, _FOLDER)
        if port is not None:
            _serve(host, port, stack)
        yield


def _serve(host: str, port: int, stack: ExitStack) -> None:
    try:
        server, thread = start_http_server(port, host, registry())
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"the metrics' port {port}") from error
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
