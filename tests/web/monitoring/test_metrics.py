"""/metrics: every request is counted once, with few labels, by any number of processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.settings import Settings
from service.web.monitoring import metrics
from tests.processes import started, until
from tests.serving import serving

URL = "/init?shape=256,784&activation=relu&seed=7&format=raw"
NBYTES = 4 * 256 * 784
LARGE = "/init?shape=16777216,64&scheme=normal&seed=1&format=raw"  # 4 GiB
DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana.json"


class Counts:
    """The samples at /metrics. `of` returns the sum of those with the given labels."""

    def __init__(self, text: str) -> None:
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def of(self, name: str, **labels: str) -> float:
        return sum(row.value for row in self.samples if row.name == f"weight_init_{name}" and labels.items() <= row.labels.items())

    @property
    def names(self) -> set[str]:
        return {row.name for row in self.samples}


def counts(url: str) -> Counts:
    return Counts(httpx.get(f"{url}/metrics").raise_for_status().text)


@contextmanager
def counted(url: str, more: float, name: str, **labels: str) -> Iterator[None]:
    """Check that the block adds `more` to a metric. A request is counted when it has ended, a moment after its last byte."""
    before = counts(url).of(name, **labels)
    yield
    until(lambda: counts(url).of(name, **labels) == before + more)


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", URL, {"route": "/init", "method": "GET", "status": "200"}),
        ("HEAD", URL, {"route": "/init", "method": "HEAD", "status": "200"}),
        ("GET", "/init?shape=0", {"route": "/init", "method": "GET", "status": "422"}),
        ("PUT", "/init", {"route": "/init", "method": "PUT", "status": "405"}),
        ("GET", "/nowhere/at/all", {"route": "other", "method": "GET", "status": "404"}),
        ("PROPFIND", "/init", {"route": "/init", "method": "other", "status": "405"}),
        ("GET", "/docs", {"route": "/docs", "method": "GET", "status": "200"}),
    ],
)
def test_counts_requests_by_route_method_and_status(
    http: httpx.Client, server_url: str, method: str, path: str, labels: dict[str, str]
) -> None:
    with counted(server_url, 1, "requests_total", **labels):
        http.request(method, path)


def test_clients_cannot_create_labels(http: httpx.Client, server_url: str) -> None:
    http.request("PROPFIND", "/made/up/0")
    before = len(counts(server_url).samples)
    for number in range(1, 50):
        http.request("SEARCH", f"/made/up/{number}", params={"scheme": number})
        http.get("/init", params={"shape": "3,5", "scheme": f"made_up_{number}", "name": str(number)})
    more = len(counts(server_url).samples) - before
    assert more < 49, "a series for each would fill the memory of Prometheus"


@pytest.mark.parametrize(
    ("path", "headers", "nbytes"),
    [(URL, {}, NBYTES), (URL, {"Range": "bytes=0-399"}, 400), (URL, {"Range": "bytes=-4000"}, 4000)],
)
def test_counts_the_bytes_and_elements_that_were_sent(
    http: httpx.Client, server_url: str, path: str, headers: dict[str, str], nbytes: int
) -> None:
    with (
        counted(server_url, nbytes, "sent_bytes_total", route="/init"),
        counted(server_url, nbytes / 4, "elements_total", scheme="he_normal"),
    ):
        assert len(http.get(path, headers=headers).content) == nbytes


@pytest.mark.parametrize("url", [URL, "/init?shape=3,5&seed=7"])
def test_head_and_304_send_no_elements(http: httpx.Client, server_url: str, url: str) -> None:
    etag = http.head(url).headers["ETag"]
    with (
        counted(server_url, 0, "elements_total"),
        counted(server_url, 0, "sent_bytes_total", route="/init"),
        counted(server_url, 1, "requests_total", method="HEAD"),
        counted(server_url, 1, "requests_total", status="304"),
    ):
        http.head(url)
        assert http.get(url, headers={"If-None-Match": etag}).status_code == 304


def test_an_alias_counts_as_its_scheme(http: httpx.Client, server_url: str) -> None:
    with counted(server_url, 15, "elements_total", scheme="he_normal"):
        http.post("/init", json={"shape": [3, 5], "scheme": "torch.nn.init.kaiming_normal_", "format": "json"})


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/init?shape=1048577,1048576", "request_entity_too_large"), ("/init?shape=x", "unprocessable_entity"), ("/nowhere", "not_found")],
)
def test_counts_refusals_by_reason(http: httpx.Client, server_url: str, path: str, reason: str) -> None:
    with counted(server_url, 1, "refused_total", reason=reason):
        http.get(path)


def test_the_first_byte_takes_less_time_than_the_whole_response(http: httpx.Client, server_url: str) -> None:
    names = ("first_byte_seconds", "request_seconds")
    before = counts(server_url)
    with counted(server_url, 1, "first_byte_seconds_count", route="/init"), counted(server_url, 1, "request_seconds_count", route="/init"):
        http.get("/init?shape=2000,2000&seed=1&format=raw")
    after = counts(server_url)
    first, whole = (after.of(f"{name}_sum", route="/init") - before.of(f"{name}_sum", route="/init") for name in names)
    assert 0 < first < whole


def test_a_stream_is_active_until_its_client_disconnects(server_url: str) -> None:
    host, port = server_url.removeprefix("http://").split(":")
    with (
        counted(server_url, 0, "streams"),
        counted(server_url, 1, "clients_left_total"),
        socket.create_connection((host, int(port))) as client,
        counted(server_url, 1, "streams"),
    ):
        client.sendall(f"GET {LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(15) == b"HTTP/1.1 200 OK"


@pytest.fixture
def settled(http: httpx.Client, server_url: str) -> None:
    """Let the server count the lookups that other tests made in this process: it adds them when the next tensor has been sent."""
    with counted(server_url, 1, "requests_total", route="/init", method="GET", status="200"):
        http.get("/init?shape=1&scheme=zeros&seed=1")


@pytest.mark.usefixtures("settled")
def test_caches_count_hits_and_misses(http: httpx.Client, server_url: str) -> None:
    url = "/init?shape=17,1009&activation=relu&seed=7"
    with counted(server_url, 1, "cache_lookups_total", cache="digests", result="miss"):
        http.get(url, headers={"Want-Repr-Digest": "sha-256=10"})
    with (
        counted(server_url, 1, "cache_lookups_total", cache="specifications", result="hit"),
        counted(server_url, 1, "cache_lookups_total", cache="digests", result="hit"),
    ):
        http.get(url, headers={"Want-Repr-Digest": "sha-256=10"})
    with (
        counted(server_url, 1, "cache_lookups_total", cache="specifications", result="miss"),
        counted(server_url, 1, "cache_lookups_total", cache="digests", result="miss"),
    ):
        http.get(f"{url}&gain=1.0625", headers={"Want-Repr-Digest": "sha-256=10"})


@pytest.mark.usefixtures("settled")
def test_an_orthogonal_matrix_is_computed_once(http: httpx.Client, server_url: str) -> None:
    url = "/init?shape=33,31&scheme=orthogonal&seed=1009&format=raw"
    with counted(server_url, 1, "cache_lookups_total", cache="wholes", result="miss"):
        http.get(url)
    with counted(server_url, 0, "cache_lookups_total", cache="wholes", result="miss"):
        http.get(url)


def test_reports_the_engine_in_use(http: httpx.Client, server_url: str) -> None:
    metrics.set_engine()  # other tests may have changed the engine of this process
    engine = http.get("/readyz").json()["engine"]
    current = counts(server_url)
    assert current.of("engine", engine=engine) == 1
    assert current.of("engine") == 1


def test_counts_an_unexpected_exception_as_500(http: httpx.Client, server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.contract.catalogue.schemes", lambda: 1 / 0)
    with counted(server_url, 1, "requests_total", route="/schemes", status="500"):
        assert http.get("/schemes").status_code == 500


def test_metrics_are_not_cached_and_not_in_the_openapi_document(http: httpx.Client) -> None:
    answer = http.get("/metrics")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert "/metrics" not in http.get("/openapi.json").json()["paths"]


# a port of its own


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port: int = listening.getsockname()[1]
        return port


@pytest.mark.parametrize("workers", [1, 2])
def test_metrics_with_a_port_of_their_own_are_only_there(workers: int) -> None:
    port = free_port()
    with started(metrics_port=port, workers=workers) as server:
        assert httpx.get(f"{server.url}/metrics").status_code == 404
        with counted(f"http://127.0.0.1:{port}", 1, "requests_total", route="/init"):
            httpx.get(f"{server.url}{URL}")


def test_the_application_alone_serves_no_metrics_if_they_have_a_port() -> None:
    with serving(Settings(metrics_port=free_port())) as url:
        assert httpx.get(f"{url}/metrics").status_code == 404


@pytest.mark.parametrize("workers", [1, 2])
def test_clients_that_send_no_request_take_neither_threads_nor_the_metrics(workers: int) -> None:
    port = free_port()
    with started(metrics_port=port, workers=workers, head_timeout_s=1) as server, ExitStack() as stack:
        url = f"http://127.0.0.1:{port}"
        assert counts(url).of("engine") >= 1
        threads = server.status("Threads")
        for _ in range(100):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost:")
        until(lambda: scrape(url) in (200, 503))
        assert server.status("Threads") == threads
        until(lambda: scrape(url) == 200)  # once their time is over


def scrape(url: str) -> int | None:
    try:
        return httpx.get(f"{url}/metrics").status_code
    except httpx.TransportError:
        return None  # refused before the request was read


def test_the_metrics_port_serves_nothing_else() -> None:
    port = free_port()
    with started(metrics_port=port) as server:
        url = f"http://127.0.0.1:{port}"
        assert httpx.head(f"{url}/metrics").headers["Content-Type"].startswith("text/plain; version=")
        assert "The only route is /metrics" in httpx.get(f"{url}/init?shape=3").json()["detail"]
        assert httpx.post(f"{url}/metrics").headers["Allow"] == "GET, HEAD"
        assert server.log.count("Started server process") == 1, "it writes no log of its own"


def test_reports_a_taken_port_without_a_traceback() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "service", "serve", "--port", "0"]
        environment = os.environ | {"WEIGHT_INIT_METRICS_PORT": str(port)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr == f"weight-init: metrics port {port}: Address already in use.\n"


# several processes


def wait_for_processes(url: str, processes: int) -> None:
    until(lambda: counts(url).of("engine") == processes)


def test_processes_are_counted_together_and_counts_survive_their_process() -> None:
    with started(workers=2) as server:
        wait_for_processes(server.url, 2)
        with counted(server.url, 40, "requests_total", route="/init"), counted(server.url, 40 * 15, "elements_total"):
            for seed in range(40):  # each on a connection of its own, which either process may accept
                assert httpx.get(f"{server.url}/init?shape=3,5&seed={seed}").status_code == 200
        worker = int(re.findall(r"Started server process \[(\d+)\]", server.log)[0])
        before = counts(server.url).of("requests_total", route="/init")
        os.kill(worker, signal.SIGKILL)
        until(lambda: server.log.count("Started server process") == 3)
        wait_for_processes(server.url, 2)
        assert counts(server.url).of("requests_total", route="/init") == before


# the dashboard


def test_the_dashboard_shows_every_metric(http: httpx.Client, server_url: str) -> None:
    for path in (URL, "/nowhere"):
        http.get(path, headers={"Want-Repr-Digest": "sha-256=10"})
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    shown = {name for panel in panels for target in panel["targets"] for name in re.findall(r"weight_init_\w+", target["expr"])}
    assert len(shown) == 10, "all metrics of the service"
    until(lambda: shown <= counts(server_url).names)
