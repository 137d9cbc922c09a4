"""Metrics for Prometheus. Every label has few values: existing routes, methods and schemes, and statuses.

Several worker processes count in files of a shared folder, which prometheus_client finds in PROMETHEUS_MULTIPROC_DIR. The process that
serves /metrics adds them up. When a worker ends, its counters stay and its gauges go.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override

from service.contract.specification import lookups
from service.core.stream import engines
from service.core.tensors.wholes import WHOLES
from service.web.monitoring.exchange import ANSWER, Exchange

PATH = "/metrics"

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"))
_OTHER = "other"
_FIRST_BYTE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_DURATION_S = (*_FIRST_BYTE_S, 60, 300, 1800)  # the longest are for tensors of terabytes

disable_created_metrics()  # the creation time of each series: unused, and half of the page

REQUESTS = Counter("weight_init_requests", "Requests answered; 499: the client disconnected before", ("route", "method", "status"))
REFUSED = Counter("weight_init_refused", "Requests refused, by the problem in the response", ("reason",))
FIRST_BYTE = Histogram("weight_init_first_byte_seconds", "Time until a response begins", ("route",), buckets=_FIRST_BYTE_S)
DURATION = Histogram("weight_init_request_seconds", "Time until a response ends or its client disconnects", ("route",), buckets=_DURATION_S)
SENT = Counter("weight_init_sent_bytes", "Bytes of content sent", ("route",))
ELEMENTS = Counter("weight_init_elements", "Tensor elements sent", ("scheme",))
STREAMS = Gauge("weight_init_streams", "Responses being streamed", multiprocess_mode="livesum")
LEFT = Counter("weight_init_clients_left", "Clients that disconnected before the end of their response")
LOOKUPS = Counter("weight_init_cache_lookups", "Cache lookups", ("cache", "result"))
ENGINE = Gauge("weight_init_engine", "Worker processes by engine", ("engine",), multiprocess_mode="livesum")


class _ExchangeMetrics(NamedTuple):
    """The metrics for one route, method and status. They are cached, because looking them up takes longer than counting."""

    requests: Counter
    duration: Histogram
    first_byte: Histogram
    sent: Counter
    refused: Counter | None


@lru_cache(maxsize=1024)
def _exchange_metrics(route: str, method: str, status: int) -> _ExchangeMetrics:
    return _ExchangeMetrics(
        REQUESTS.labels(route, method, str(status)),
        DURATION.labels(route),
        FIRST_BYTE.labels(route),
        SENT.labels(route),
        REFUSED.labels(HTTPStatus(status).name.lower()) if status in _REFUSALS else None,
    )


_REFUSALS = frozenset(map(int, HTTPStatus)).intersection((*range(400, 499), 503, 505))


def count(exchange: Exchange) -> None:
    """Count a finished exchange."""
    method = exchange.scope["method"]
    series = _exchange_metrics(_route(exchange), method if method in _METHODS else _OTHER, exchange.status)
    series.requests.inc()
    series.duration.observe(exchange.duration_s)
    if exchange.first_byte_s is not None:
        series.first_byte.observe(exchange.first_byte_s)
    if series.refused is not None:
        series.refused.inc()
    if exchange.is_streamed:
        STREAMS.dec()
    if not exchange.is_whole:
        LEFT.inc()
    if exchange.sent_bytes:
        series.sent.inc(exchange.sent_bytes)
    if ANSWER in exchange.scope:
        _count_elements(exchange)
        _specifications.count()
        _wholes.count()


def _route(exchange: Exchange) -> str:
    """Return the path template of the route. If the request reached no route, return its path if a route has that path."""
    route = exchange.scope.get("route")
    if route is not None:
        return route.path
    return exchange.path if exchange.path in exchange.scope["app"].state.paths else _OTHER


def _count_elements(exchange: Exchange) -> None:
    """Count the elements of the tensor, or, if only a part was sent, as many as its bytes hold."""
    answer = exchange.scope[ANSWER]
    sent = min(answer.tensor.size, exchange.sent_bytes // answer.tensor.dtype.itemsize)
    _elements(answer.provenance["scheme"]).inc(sent)


@lru_cache(maxsize=256)
def _elements(scheme: str) -> Counter:
    return ELEMENTS.labels(scheme)


def count_lookup(cache: str, *, hit: bool) -> None:
    """Count one cache lookup."""
    LOOKUPS.labels(cache, "hit" if hit else "miss").inc()


class _CacheLookups:
    """The lookups of a cache that counts its own hits and misses. `count` adds those since the last call."""

    def __init__(self, cache: str, read: Callable[[], tuple[int, int]]) -> None:
        self._read, self._last = read, read()
        self._counters = LOOKUPS.labels(cache, "hit"), LOOKUPS.labels(cache, "miss")

    def count(self) -> None:
        counts = self._read()
        if counts == self._last:
            return
        for counter, now, before in zip(self._counters, counts, self._last):
            if now > before:
                counter.inc(now - before)
        self._last = counts


_specifications = _CacheLookups("specifications", lookups)
_wholes = _CacheLookups("wholes", WHOLES.lookups)


def set_engine() -> None:
    """Record the engine that this process computes with."""
    for name in ("numpy", "numba"):
        ENGINE.labels(name).set(name == engines.current().name)


async def get_metrics(_: Request) -> Response:
    """Return the metrics. This route exists only if they have no port of their own."""
    return await run_in_threadpool(current)


def current() -> Response:
    """Return the response with the metrics of all processes."""
    return Response(generate_latest(registry()), headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE_LATEST})


def registry() -> CollectorRegistry:
    """Return the metrics of this process, or of all worker processes if there are several."""
    if _FOLDER not in os.environ:
        return REGISTRY
    combined = CollectorRegistry()
    combined.register(_AllProcesses(Path(os.environ[_FOLDER])))
    return combined


class _AllProcesses(Collector):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @override
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
def counted_together(workers: int) -> Iterator[None]:
    """Let several worker processes count together. Enter this before they start. They must not be forked."""
    if workers == 1:
        yield
        return
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # needs no disk, and is writable even if the file system is read-only
    with tempfile.TemporaryDirectory(prefix="weight-init-", dir=memory) as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_FOLDER]


def remove_folder() -> None:
    """Remove the folder of several workers, whose parent can no longer do it."""
    if _FOLDER in os.environ:
        shutil.rmtree(os.environ[_FOLDER], ignore_errors=True)
