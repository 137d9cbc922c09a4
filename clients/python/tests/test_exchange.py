"""Tests which requests are sent and when, without a network and without waiting."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
from weight_init.errors import ConnectionFailed, InvalidAnswer, ProblemError, TimedOut
from weight_init.exchange import Attempt, exchange
from weight_init.receivers import FileReceiver, JsonReceiver, WeightsReceiver
from weight_init.request import init_request
from weight_init.response import ResponseHead, parse_object

BODY = np.arange(12, dtype=np.float32).tobytes()
REQUEST = init_request(shape=(4, 3), format="raw")
HEADERS = {"Weight-Init": '{"shape": [12], "dtype": "float32"}', "Content-Length": "48"}
RESUMABLE = HEADERS | {"ETag": '"a"', "Accept-Ranges": "bytes"}
BROKEN = ConnectionFailed("broken")


@dataclass(frozen=True)
class Response:
    """A response in parts. The connection breaks at the end if `error` is set."""

    status: int
    headers: dict[str, str]
    parts: tuple[bytes, ...] = ()
    error: ConnectionFailed | None = None


def whole(headers: dict[str, str] = RESUMABLE) -> Response:
    return Response(200, headers, (BODY,))


def broken_after(nbytes: int, headers: dict[str, str] = RESUMABLE) -> Response:
    return Response(200, headers, (BODY[:nbytes],), BROKEN)


def rest(start: int, stop: int = 48, headers: dict[str, str] | None = None) -> Response:
    rest_headers = RESUMABLE | {"Content-Range": f"bytes {start}-47/48", "Content-Length": str(48 - start)} | (headers or {})
    return Response(206, rest_headers, (BODY[start:stop],), BROKEN if stop < 48 else None)


def busy(retry_after: str | None, status: int = 503) -> Response:
    return Response(status, {} if retry_after is None else {"Retry-After": retry_after}, (b"later",))


def play(flow: Any, responses: Iterable[Response | ConnectionFailed], attempts: list[Attempt]) -> Any:
    """Run a flow against these responses and return its result. Append the attempts it makes to `attempts`."""
    with closing(flow):
        try:
            attempt = next(flow)
            for response in responses:
                attempts.append(attempt)
                attempt = flow.throw(response) if isinstance(response, ConnectionFailed) else send(flow, response)
        except StopIteration as end:
            return end.value
    raise AssertionError("expected the flow to end; it requests more responses")


def send(flow: Any, response: Response) -> Any:
    for item in (ResponseHead(response.status, httpx.Headers(response.headers)), *response.parts):
        assert flow.send(item) is None
    return flow.throw(response.error) if response.error else flow.send(b"")


def init(responses: Iterable[Response | ConnectionFailed], *, retries: int = 4, attempts: list[Attempt] | None = None) -> Any:
    return play(exchange(REQUEST, WeightsReceiver(), retries), responses, [] if attempts is None else attempts)


def pauses(attempts: list[Attempt]) -> list[float]:
    return [attempt.pause_s for attempt in attempts]


def ranges(attempts: list[Attempt]) -> list[str | None]:
    return [attempt.request.headers.get("Range") for attempt in attempts]


# Retries and pauses


@pytest.mark.parametrize(("text", "pause_s"), [("7", 7), ("0", 0), ("60", 60), (None, 1), ("Fri, 31 Dec 1999 23:59:59 GMT", 1), ("-5", 1)])
@pytest.mark.parametrize("status", [429, 503])
def test_waits_as_long_as_a_busy_service_says(status: int, text: str | None, pause_s: float) -> None:
    attempts: list[Attempt] = []
    np.testing.assert_array_equal(init([busy(text, status), whole()], attempts=attempts), np.arange(12))
    assert pauses(attempts) == [0, pause_s]


def test_gives_up_if_the_wait_exceeds_a_minute() -> None:
    with pytest.raises(ProblemError, match="received 503") as caught:
        init([busy("61")])
    assert caught.value.retry_after_s == 61


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500, 502, 504])
def test_does_not_retry_other_problems(status: int) -> None:
    with pytest.raises(ProblemError) as caught:
        init([Response(status, {"Retry-After": "1"}, (b"no",))])
    assert (caught.value.status, caught.value.retry_after_s) == (status, None)


def test_pauses_grow_while_the_connection_fails() -> None:
    attempts: list[Attempt] = []
    with pytest.raises(ConnectionFailed, match="broken"):
        init([BROKEN] * 12, retries=11, attempts=attempts)
    assert pauses(attempts) == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 51.2])


@pytest.mark.parametrize("retries", [0, 1, 4])
@pytest.mark.parametrize("response", [BROKEN, busy("1")], ids=["broken", "busy"])
def test_stops_after_the_retries(response: Response | ConnectionFailed, retries: int) -> None:
    attempts: list[Attempt] = []
    with pytest.raises((ConnectionFailed, ProblemError)):
        init(itertools.repeat(response), retries=retries, attempts=attempts)
    assert len(attempts) == 1 + retries


def test_does_not_retry_a_timeout() -> None:
    with pytest.raises(TimedOut):
        init([TimedOut("no data")])


def test_does_not_retry_an_invalid_response() -> None:
    with pytest.raises(InvalidAnswer):
        init([Response(200, {}, (b"<html>",))])


# Resuming


def test_requests_the_rest_of_a_broken_response() -> None:
    attempts: list[Attempt] = []
    weights = init([broken_after(20), rest(20, 41), busy("2"), BROKEN, rest(41)], retries=3, attempts=attempts)
    np.testing.assert_array_equal(weights, np.arange(12))
    assert ranges(attempts) == [None, "bytes=20-", "bytes=41-", "bytes=41-", "bytes=41-"]
    assert pauses(attempts) == pytest.approx([0, 0.1, 0.1, 2, 0.4])
    assert attempts[1].request.headers["If-Range"] == '"a"'
    assert attempts[1].request.content == REQUEST.content


def test_new_bytes_reset_the_retries() -> None:
    attempts: list[Attempt] = []
    responses = [broken_after(4), *(rest(start, start + 4) for start in range(4, 48, 4))]
    np.testing.assert_array_equal(init(responses, retries=1, attempts=attempts), np.arange(12))
    assert pauses(attempts) == pytest.approx([0] + [0.1] * 11)


@pytest.mark.parametrize(
    "headers",
    [HEADERS, HEADERS | {"ETag": '"a"', "Accept-Ranges": "none"}, RESUMABLE | {"ETag": 'W/"a"'}],
    ids=["no tag", "no ranges", "weak tag"],
)
def test_starts_over_if_the_response_cannot_be_resumed(headers: dict[str, str]) -> None:
    attempts: list[Attempt] = []
    np.testing.assert_array_equal(init([broken_after(20, headers), whole(headers)], attempts=attempts), np.arange(12))
    assert ranges(attempts) == [None, None]


def test_starting_over_does_not_reset_the_retries() -> None:
    attempts: list[Attempt] = []
    with pytest.raises(ConnectionFailed):
        init(itertools.repeat(broken_after(20, HEADERS)), retries=3, attempts=attempts)
    assert len(attempts) == 4


def test_starts_over_if_the_whole_response_comes_instead_of_the_rest() -> None:
    other = {"Weight-Init": '{"shape": [2], "dtype": "float32"}', "Content-Length": "8"}
    np.testing.assert_array_equal(init([broken_after(20), Response(200, other, (BODY[4:12],))]), [1, 2])


@pytest.mark.parametrize(
    "responses",
    [
        [rest(0)],
        [broken_after(20), rest(16)],
        [broken_after(20), rest(20, headers={"ETag": '"b"'})],
        [broken_after(20), rest(20, headers={"Content-Range": "bytes */48"})],
    ],
    ids=["unrequested", "wrong start", "another file", "no range"],
)
def test_rejects_a_part_that_was_not_requested(responses: list[Response]) -> None:
    with pytest.raises(InvalidAnswer, match="Check the proxy") as caught:
        init(responses)
    assert caught.value.status == 206


def test_resumes_a_body_that_ends_too_early() -> None:
    """A proxy may end a chunked response properly even though it is incomplete."""
    chunked = {name: value for name, value in RESUMABLE.items() if name != "Content-Length"}
    attempts: list[Attempt] = []
    np.testing.assert_array_equal(init([Response(200, chunked, (BODY[:20],)), rest(20)], attempts=attempts), np.arange(12))
    assert ranges(attempts) == [None, "bytes=20-"]


def test_a_file_is_resumed_and_then_starts_over() -> None:
    file = io.BytesIO()
    responses = [broken_after(20), rest(20, 30), broken_after(40, HEADERS), whole()]
    metadata = play(exchange(REQUEST, FileReceiver(file), 4), responses, [])
    assert file.getvalue() == BODY
    assert metadata == {"shape": [12], "dtype": "float32"}


def test_rejects_a_part_longer_than_the_rest() -> None:
    longer = Response(206, rest(20).headers, (BODY[20:], b"more"))
    for receiver in (WeightsReceiver(), FileReceiver(io.BytesIO())):
        with pytest.raises(InvalidAnswer, match="received more"):
            play(exchange(REQUEST, receiver, 4), [broken_after(20), longer], [])


def test_json_starts_over() -> None:
    broken = Response(200, {}, (b'{"a"',), BROKEN)
    assert play(exchange(REQUEST, JsonReceiver(parse_object), 4), [broken, Response(200, {}, (b'{"a": ', b"1}"))], []) == {"a": 1}
