"""A client that sends more than its rate is refused. Each of several rates holds, in one process and in a Redis for all."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import fakeredis
import httpx
import pytest
from pydantic import ValidationError

from service.settings import Settings
from service.web.protection import rates
from service.web.protection.limits import client_of
from tests.serving import serving
from tests.sockets import connected, receive_all

SMALL = "/init?shape=32,32&scheme=normal&seed=1"
KEYS = ("the-key-of-the-first", "the-key-of-the-second")


def settings(**given: object) -> Settings:
    return Settings.model_validate(given)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def redis_url(monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a fake Redis, which also runs scripts in Lua."""
    server = fakeredis.FakeServer()
    monkeypatch.setattr("redis.asyncio.Redis.from_url", lambda *_, **__: fakeredis.FakeAsyncRedis(server=server))
    return "redis://cache:6379"


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"rate_store": request.getfixturevalue("redis_url")} if request.param == "redis" else {}


def test_refuses_requests_beyond_the_rate_and_says_when_to_try_again(store: dict[str, str]) -> None:
    with serving(settings(rate="3/hour", **store)) as url, httpx.Client(base_url=url) as client:
        assert [client.get(SMALL).status_code for _ in range(3)] == [200] * 3
        refused = client.get(SMALL)
        assert (refused.status_code, refused.headers["Content-Type"]) == (429, "application/problem+json")
        assert 1 <= int(refused.headers["Retry-After"]) <= 3600
        assert "(WEIGHT_INIT_RATE)" in refused.json()["detail"]
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


@pytest.mark.parametrize("rate", ["1/day;3/hour", "3/hour, 1/day", "1 per day|5/minute|3/hour"])
def test_all_of_several_rates_hold_and_the_longest_wait_is_reported(rate: str, store: dict[str, str]) -> None:
    with serving(settings(rate=rate, **store)) as url, httpx.Client(base_url=url) as client:
        assert client.get(SMALL).status_code == 200
        refused = [client.get(SMALL) for _ in range(4)]
        assert [row.status_code for row in refused] == [429] * 4
        assert all(int(row.headers["Retry-After"]) > 3600 for row in refused)
        assert "3 per 1 hour and 1 per 1 day" in refused[0].json()["detail"]


def test_requests_beyond_a_short_rate_do_not_use_up_a_longer_one() -> None:
    async def scenario() -> None:
        limiter = rates.Limiter("10/day;1/second", None)
        start = time.monotonic()
        while await limiter.wait_s("me") is None or time.monotonic() - start < 0.2:  # far more than ten requests
            continue
        assert await limiter.wait_s("me") == 1, "the wait for the next second"

    asyncio.run(scenario())


def test_a_rate_that_is_given_twice_counts_once() -> None:
    with serving(settings(rate="2/hour;2/hour")) as url:
        assert [httpx.get(url + SMALL).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("rate", ["often", "100", "second", "-1/second", "0/second", "5/second;0/hour", "5/second;often", "5/second;"])
def test_an_invalid_rate_stops_the_start(rate: str) -> None:
    with pytest.raises(ValidationError, match="expected a number of requests and a time, such as 100/second"):
        settings(rate=rate)


# a store for all processes


def test_two_processes_share_their_counts_in_redis(redis_url: str) -> None:
    with serving(settings(rate="2/day", rate_store=redis_url)) as one, serving(settings(rate="2/day", rate_store=redis_url)) as other:
        assert [httpx.get(url + SMALL).status_code for url in (one, other, one, other)] == [200, 200, 429, 429]


def test_counts_by_itself_without_the_store_and_logs_it_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with serving(settings(rate="2/hour", rate_store=f"redis://127.0.0.1:{port}")) as url:
        assert [httpx.get(url + SMALL).status_code for _ in range(3)] == [200, 200, 429]
    assert caplog.text.count("cannot reach the store of request rates") == 1


@pytest.fixture
def frozen() -> Iterator[str]:
    """The URL of a Redis that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}"


def test_one_request_at_most_waits_for_a_frozen_store(frozen: str, caplog: pytest.LogCaptureFixture) -> None:
    def seconds(client: httpx.Client) -> float:
        start = time.monotonic()
        assert client.get(SMALL).status_code == 200
        return time.monotonic() - start

    # one client for all, because making one takes as long as an answer may
    with (
        serving(settings(rate="1000/second", rate_store=frozen)) as url,
        httpx.Client(base_url=url) as client,
        ThreadPoolExecutor(12) as pool,
    ):
        durations_s = [*pool.map(seconds, [client] * 12), *map(seconds, [client] * 5)]
    assert sum(duration > rates._STORE_TIMEOUT_S for duration in durations_s) == 1
    assert caplog.text.count("cannot reach the store of request rates") == 1
    assert "no answer within 0.5 s" in caplog.text


class Silent(OSError):
    pass


async def hold(release: asyncio.Event) -> str:
    await release.wait()
    return "the answer"


def test_a_store_that_stops_answering_releases_all_requests_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        store, release = rates._Store((Silent,)), asyncio.Event()
        release.set()
        assert await store.ask(hold(release)) == "the answer"
        release.clear()
        first = asyncio.create_task(store.ask(hold(release)))
        await asyncio.sleep(rates._STORE_TIMEOUT_S / 2)
        assert store.may_be_asked()
        second = asyncio.create_task(store.ask(hold(release)))
        start = time.monotonic()
        done = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(result) for result in done] == [rates._StoreFailed] * 2
        assert time.monotonic() - start < rates._STORE_TIMEOUT_S, "the second waits no longer than the first"
        assert not store.may_be_asked()

    asyncio.run(scenario())


def test_one_request_tries_the_store_again_after_a_pause(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise Silent("gone")

    async def scenario() -> None:
        now_s = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: now_s)
        store, release = rates._Store((Silent,)), asyncio.Event()
        release.set()
        assert [store.may_be_asked() for _ in range(3)] == [True, False, False], "the first request finds out whether it answers"
        with pytest.raises(rates._StoreFailed):
            await store.ask(fail())
        assert not store.may_be_asked()
        now_s += rates._STORE_PAUSE_S
        assert [store.may_be_asked() for _ in range(3)] == [True, False, False]
        with pytest.raises(rates._StoreFailed):
            await store.ask(fail())
        now_s += rates._STORE_PAUSE_S
        assert store.may_be_asked()
        assert await store.ask(hold(release)) == "the answer"
        assert [store.may_be_asked() for _ in range(3)] == [True] * 3

    with caplog.at_level("INFO"):
        asyncio.run(scenario())
    assert [row.getMessage().partition(";")[0] for row in caplog.records if row.name == "weight_init.web"] == [
        "cannot reach the store of request rates",
        "the store of request rates is back",
    ]


# who a client is


def test_limits_the_rate_of_each_key() -> None:
    with serving(settings(rate="1/hour", api_keys=",".join(KEYS))) as url:
        statuses = [httpx.get(url + SMALL, headers=bearer(key)).status_code for key in (*KEYS, *KEYS)]
        assert statuses == [200, 200, 429, 429]
        assert httpx.get(url + SMALL).status_code == 401


@pytest.mark.parametrize("given", [{}, {"Authorization": "Basic x"}, bearer("a-wrong-key-of-some-length")])
def test_limits_requests_without_a_valid_key_but_none_with_one(given: dict[str, str], store: dict[str, str]) -> None:
    with serving(settings(rate="3/hour", api_keys=KEYS[0], **store)) as url:
        responses = [httpx.get(url + SMALL, headers=given) for _ in range(5)]
        assert [row.status_code for row in responses] == [401] * 3 + [429] * 2
        assert 1 <= int(responses[-1].headers["Retry-After"]) <= 3600
        assert "at most 3 per 1 hour without a valid key from one address (WEIGHT_INIT_RATE)" in responses[-1].json()["detail"]
        assert [httpx.get(url + SMALL, headers=bearer(KEYS[0])).status_code for _ in range(4)] == [200] * 3 + [429]


def test_limits_wrong_keys_even_if_no_rate_is_set() -> None:
    with serving(settings(api_keys=KEYS[0])) as url, httpx.Client(base_url=url) as client:
        statuses = [client.get(SMALL, headers=bearer(f"a-wrong-key-number-{number}")).status_code for number in range(110)]
        assert statuses == [401] * 100 + [429] * 10
        assert {client.get(SMALL, headers=bearer(KEYS[0])).status_code for _ in range(110)} == {200}


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:5::1", "2001:db8::/64"),
        ("2001:db9::1", "2001:db9::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        *(
            (text, "unknown")
            for text in ("", " ", "a:b:c", "a:b", "_hidden", "unknown", "1.2.3", "1.2.3.4:x", "[::1", "é", "x" * 30_000, "1" * 5000)
        ),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_network_or_unknown(address: str, client: str) -> None:
    assert client_of({"client": (address, 5)}) == client


def test_a_client_without_an_address_is_unknown() -> None:
    assert client_of({"client": None}) == client_of({}) == "unknown"


FORWARDED = [
    b"a:b:c",
    b"1.2.3.4, a:b",
    b"",
    b"   ",
    b",,,",
    b"x" * 20_000,
    b"1.2.3.4:" + b"9" * 4000,
    b"\xff\xfe\xe9",
    b"[2001:db8::1]:443",
    b"[2001:db8::1",
    b"fe80::1%eth0",
    b"1.2.3.4:99",
    b"1.2.3.4:-1",
    b"unknown",
    b"_hidden",
    b"%s%d",
]


@pytest.mark.parametrize("proxies", ["127.0.0.1", "*"])
def test_a_proxy_may_forward_anything_as_the_address_of_a_client(proxies: str) -> None:
    with serving(settings(rate="1000/hour", trusted_proxies=proxies)) as url:
        for name, values in ((b"X-Forwarded-For", FORWARDED), (b"X-Forwarded-Proto", [*FORWARDED, b"ws", b"ftp", b"https,http"])):
            for value in values:
                with connected(url) as connection:
                    connection.sendall(b"GET /schemes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s: %s\r\n\r\n" % (name, value))
                    assert receive_all(connection).startswith(b"HTTP/1.1 200 "), (name, value)


def test_an_invented_address_has_no_rate_of_its_own() -> None:
    with serving(settings(rate="2/hour", trusted_proxies="127.0.0.1")) as url:
        statuses = [httpx.get(url + SMALL, headers={"X-Forwarded-For": f"invented-{number}"}).status_code for number in range(4)]
        assert statuses == [200, 200, 429, 429]
        assert httpx.get(url + SMALL, headers={"X-Forwarded-For": "10.1.2.3"}).status_code == 200, "a real address is another client"
