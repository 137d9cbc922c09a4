"""What is asked next, and when: without a network, and without waiting."""

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
from weight_init.answer import Head, json_object
from weight_init.errors import ConnectionFailed, InvalidAnswer, ProblemError, TimedOut
from weight_init.exchange import Attempt, exchange
from weight_init.incoming import IncomingDocument, IncomingFile, IncomingWeights
from weight_init.request import init_request

BODY = np.arange(12, dtype=np.float32).tobytes()
REQUEST = init_request(shape=(4, 3), format="raw")
ANNOUNCED = {"Weight-Init": '{"shape": [12], "dtype": "float32"}', "Content-Length": "48"}
LASTING = ANNOUNCED | {"ETag": '"a"', "Accept-Ranges": "bytes"}
BROKEN = ConnectionFailed("broken")


@dataclass(frozen=True)
class Answer:
    """Its status, headers and parts; then the connection breaks, or the body is whole."""

    status: int
    headers: dict[str, str]
    parts: tuple[bytes, ...] = ()
    error: ConnectionFailed | None = None


def whole(headers: dict[str, str] = LASTING) -> Answer:
    return Answer(200, headers, (BODY,))


def broken_after(nbytes: int, headers: dict[str, str] = LASTING) -> Answer:
    return Answer(200, headers, (BODY[:nbytes],), BROKEN)


def rest(start: int, stop: int = 48, headers: dict[str, str] | None = None) -> Answer:
    described = LASTING | {"Content-Range": f"bytes {start}-47/48", "Content-Length": str(48 - start)} | (headers or {})
    return Answer(206, described, (BODY[start:stop],), BROKEN if stop < 48 else None)


def busy(retry_after: str | None, status: int = 503) -> Answer:
    return Answer(status, {} if retry_after is None else {"Retry-After": retry_after}, (b"later",))


def play(flow: Any, answers: Iterable[Answer | ConnectionFailed], attempts: list[Attempt]) -> Any:
    """Run a flow against these answers. The result; `attempts` gets what was asked."""
    with closing(flow):
        try:
            attempt = next(flow)
            for answer in answers:
                attempts.append(attempt)
                attempt = flow.throw(answer) if isinstance(answer, ConnectionFailed) else send(flow, answer)
        except StopIteration as end:
            return end.value
    raise AssertionError("asks for more answers")


def send(flow: Any, answer: Answer) -> Any:
    for arrived in (Head(answer.status, httpx.Headers(answer.headers)), *answer.parts):
        assert flow.send(arrived) is None
    return flow.throw(answer.error) if answer.error else flow.send(b"")


def init(answers: Iterable[Answer | ConnectionFailed], *, retries: int = 4, attempts: list[Attempt] | None = None) -> Any:
    return play(exchange(REQUEST, IncomingWeights(), retries), answers, [] if attempts is None else attempts)


def pauses(attempts: list[Attempt]) -> list[float]:
    return [attempt.pause_s for attempt in attempts]


def ranges(attempts: list[Attempt]) -> list[str | None]:
    return [attempt.request.headers.get("Range") for attempt in attempts]


# Pauses


@pytest.mark.parametrize(("text", "pause_s"), [("7", 7), ("0", 0), ("60", 60), (None, 1), ("Fri, 31 Dec 1999 23:59:59 GMT", 1), ("-5", 1)])
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_says_when(status: int, text: str | None, pause_s: float) -> None:
    attempts: list[Attempt] = []
    np.testing.assert_array_equal(init([busy(text, status), whole()], attempts=attempts), np.arange(12))
    assert pauses(attempts) == [0, pause_s]


def test_nobody_waits_for_more_than_a_minute() -> None:
    with pytest.raises(ProblemError, match="received 503") as caught:
        init([busy("61")])
    assert caught.value.retry_after_s == 61


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500, 502, 504])
def test_other_problems_are_told_at_once(status: int) -> None:
    with pytest.raises(ProblemError) as caught:
        init([Answer(status, {"Retry-After": "1"}, (b"no",))])
    assert (caught.value.status, caught.value.retry_after_s) == (status, None)


def test_a_broken_connection_gets_more_and_more_time() -> None:
    attempts: list[Attempt] = []
    with pytest.raises(ConnectionFailed, match="broken"):
        init([BROKEN] * 12, retries=11, attempts=attempts)
    assert pauses(attempts) == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 51.2])


@pytest.mark.parametrize("retries", [0, 1, 4])
@pytest.mark.parametrize("answer", [BROKEN, busy("1")], ids=["broken", "busy"])
def test_so_often_and_no_more(answer: Answer | ConnectionFailed, retries: int) -> None:
    attempts: list[Attempt] = []
    with pytest.raises((ConnectionFailed, ProblemError)):
        init(itertools.repeat(answer), retries=retries, attempts=attempts)
    assert len(attempts) == 1 + retries


def test_a_timeout_is_told_at_once() -> None:
    with pytest.raises(TimedOut):
        init([TimedOut("nothing came")])


def test_what_is_not_an_answer_is_told_at_once() -> None:
    with pytest.raises(InvalidAnswer):
        init([Answer(200, {}, (b"<html>",))])


# Resuming


def test_the_rest_is_asked_for() -> None:
    attempts: list[Attempt] = []
    weights = init([broken_after(20), rest(20, 41), busy("2"), BROKEN, rest(41)], retries=3, attempts=attempts)
    np.testing.assert_array_equal(weights, np.arange(12))
    assert ranges(attempts) == [None, "bytes=20-", "bytes=41-", "bytes=41-", "bytes=41-"]
    assert pauses(attempts) == pytest.approx([0, 0.1, 0.1, 2, 0.4])
    assert attempts[1].request.headers["If-Range"] == '"a"'
    assert attempts[1].request.content == REQUEST.content


def test_new_bytes_begin_a_new_row_of_attempts() -> None:
    attempts: list[Attempt] = []
    answers = [broken_after(4), *(rest(start, start + 4) for start in range(4, 48, 4))]
    np.testing.assert_array_equal(init(answers, retries=1, attempts=attempts), np.arange(12))
    assert pauses(attempts) == pytest.approx([0] + [0.1] * 11)


@pytest.mark.parametrize(
    "headers",
    [ANNOUNCED, ANNOUNCED | {"ETag": '"a"', "Accept-Ranges": "none"}, LASTING | {"ETag": 'W/"a"'}],
    ids=["no tag", "no ranges", "weak tag"],
)
def test_what_cannot_be_resumed_begins_anew(headers: dict[str, str]) -> None:
    attempts: list[Attempt] = []
    np.testing.assert_array_equal(init([broken_after(20, headers), whole(headers)], attempts=attempts), np.arange(12))
    assert ranges(attempts) == [None, None]


def test_what_always_begins_anew_comes_to_an_end() -> None:
    attempts: list[Attempt] = []
    with pytest.raises(ConnectionFailed):
        init(itertools.repeat(broken_after(20, ANNOUNCED)), retries=3, attempts=attempts)
    assert len(attempts) == 4


def test_a_whole_answer_instead_of_the_rest_begins_anew() -> None:
    other = {"Weight-Init": '{"shape": [2], "dtype": "float32"}', "Content-Length": "8"}
    np.testing.assert_array_equal(init([broken_after(20), Answer(200, other, (BODY[4:12],))]), [1, 2])


@pytest.mark.parametrize(
    "answers",
    [
        [rest(0)],
        [broken_after(20), rest(16)],
        [broken_after(20), rest(20, headers={"ETag": '"b"'})],
        [broken_after(20), rest(20, headers={"Content-Range": "bytes */48"})],
    ],
    ids=["unasked", "elsewhere", "another file", "no place"],
)
def test_a_part_must_be_the_one_asked_for(answers: list[Answer]) -> None:
    with pytest.raises(InvalidAnswer, match="Check the proxy") as caught:
        init(answers)
    assert caught.value.status == 206


def test_a_short_body_is_a_broken_one() -> None:
    """As of a proxy that ends an answer in chunks though it has not got all of it."""
    lasting = {name: value for name, value in LASTING.items() if name != "Content-Length"}
    attempts: list[Attempt] = []
    np.testing.assert_array_equal(init([Answer(200, lasting, (BODY[:20],)), rest(20)], attempts=attempts), np.arange(12))
    assert ranges(attempts) == [None, "bytes=20-"]


def test_a_file_is_resumed_and_begun_anew() -> None:
    file = io.BytesIO()
    answers = [broken_after(20), rest(20, 30), broken_after(40, ANNOUNCED), whole()]
    metadata = play(exchange(REQUEST, IncomingFile(file), 4), answers, [])
    assert file.getvalue() == BODY
    assert metadata == {"shape": [12], "dtype": "float32"}


def test_a_part_may_not_be_longer_than_the_rest() -> None:
    longer = Answer(206, rest(20).headers, (BODY[20:], b"more"))
    for incoming in (IncomingWeights(), IncomingFile(io.BytesIO())):
        with pytest.raises(InvalidAnswer, match="received more"):
            play(exchange(REQUEST, incoming, 4), [broken_after(20), longer], [])


def test_a_document_begins_anew() -> None:
    broken = Answer(200, {}, (b'{"a"',), BROKEN)
    assert play(exchange(REQUEST, IncomingDocument(json_object), 4), [broken, Answer(200, {}, (b'{"a": ', b"1}"))], []) == {"a": 1}
