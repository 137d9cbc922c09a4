"""A client that leaves before its response begins is status 499, in one ordinary line of the log. Nothing is sent to it."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.core.activations import expressions
from service.settings import Settings
from tests.processes import TIMEOUT_S, until
from tests.serving import serving
from tests.sockets import connected, receive_all

HEAD = "POST /init HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LARGE = "/init?shape=16777216,8&scheme=normal&seed=1&format=raw"  # 512 MiB, which takes seconds to hash with the NumPy engine
FORMULA = "/init?shape=3,5&activation=%7B%22expression%22:%22x*tanh(x/7)%22%7D"


def left(url: str) -> int:
    """Return how many requests have status 499."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    return int(sum(row.value for row in samples if row.name == "weight_init_requests_total" and row.labels["status"] == "499"))


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hold back gains of formulas until the end."""
    go_on = threading.Event()
    parse = expressions.parse
    monkeypatch.setattr("service.core.activations.expression.parse", lambda text: go_on.wait(TIMEOUT_S) and parse(text))
    yield
    go_on.set()


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(
    "request_text",
    [
        f"{HEAD}Content-Length: 30\r\n\r\n",
        f'{HEAD}Content-Length: 30\r\n\r\n{{"shape": [3',
        f'{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\n{{"s\r\n',
        f"{HEAD}Expect: 100-continue\r\nContent-Length: 30\r\n\r\n",
        f"GET {LARGE} HTTP/1.1\r\nHost: x\r\nWant-Repr-Digest: sha-512=10\r\n\r\n",
        f"GET {FORMULA} HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["before the body", "in the body", "in a chunked body", "after 100 Continue", "during a digest", "during the gains of a formula"],
)
def test_a_client_that_leaves_is_499(request_text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), serving(Settings()) as url:
        before = left(url)
        with connected(url) as client:
            client.sendall(request_text.encode())
            if "Expect" in request_text:
                assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            else:
                client.settimeout(0.3)
                with pytest.raises(TimeoutError):  # the server has read the request and waits, or works
                    client.recv(1)
        until(lambda: left(url) == before + 1)
    lines = [row for row in caplog.records if row.name == "weight_init.access" and "/init" in row.getMessage()]
    assert [re.match(r"(GET|POST) /init 499, 0 bytes", row.getMessage()) is not None for row in lines] == [True]
    assert not [row for row in caplog.records if row.exc_info or row.levelno > logging.INFO]


def test_a_body_that_never_begins_is_408() -> None:
    with serving(Settings(head_timeout_s=0.2)) as url, connected(url) as client:
        client.sendall(f"{HEAD}Content-Length: 30\r\n\r\n".encode())
        assert receive_all(client).startswith(b"HTTP/1.1 408 ")
