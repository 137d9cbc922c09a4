"""Blocks are computed a few ahead of the socket, in order, and no longer than somebody wants them."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from service.files.virtual import Buffer, VirtualFile
from service.web.responses import memory, streaming
from service.web.responses.streaming import BLOCK_BYTES, Ahead, file_blocks


class Counted:
    """A segment of `blocks` blocks, each filled with its number, that counts what is read of it."""

    def __init__(self, blocks: int, *, before: Callable[[int], object] = lambda number: None) -> None:
        self.nbytes = blocks * BLOCK_BYTES
        self.read_blocks: list[int] = []
        self._before = before

    def read(self, start: int, stop: int) -> Buffer:
        number = start // BLOCK_BYTES
        self._before(number)
        self.read_blocks.append(number)
        return bytes([number]) * (stop - start)


def test_the_blocks_come_in_order_whichever_is_ready_first() -> None:
    second_is_done = threading.Event()

    def before(number: int) -> None:
        if number == 0:
            assert second_is_done.wait(30)
        if number == 1:
            second_is_done.set()

    async def numbers() -> list[int]:
        return [block[0] async for block in file_blocks(VirtualFile((Counted(9, before=before),)))]

    if streaming._THREADS == 1:
        pytest.skip("one core computes one block at a time")
    assert asyncio.run(numbers()) == list(range(9))


def test_a_reader_that_stops_lets_no_more_than_the_look_ahead_be_computed() -> None:
    content = Counted(100)

    async def take_two() -> None:
        blocks = file_blocks(VirtualFile((content,)))
        await anext(blocks)
        await anext(blocks)
        await blocks.aclose()

    asyncio.run(take_two())
    assert len(content.read_blocks) <= 2 + streaming._MOST_AHEAD


def test_many_readers_share_the_look_ahead_and_each_has_one_block() -> None:
    ahead = Ahead(most_of_one=3, most_of_all=8, after_rush=lambda: None)
    with ExitStack() as streams:
        found = []
        for _ in range(20):
            streams.enter_context(ahead)
            found.append(ahead.blocks)
    assert found == [3, 3, 2, 2] + [1] * 16
    assert ahead.blocks == 3


def test_after_a_rush_memory_is_given_back_once() -> None:
    given_back: list[int] = []
    ahead = Ahead(most_of_one=3, most_of_all=8, after_rush=lambda: given_back.append(1))

    def stream(at_once: int) -> None:
        with ExitStack() as streams:
            for _ in range(at_once):
                streams.enter_context(ahead)

    stream(at_once=2)
    assert given_back == []
    stream(at_once=50)
    stream(at_once=2)
    assert given_back == [1]


def test_giving_back_returns_what_lies_free_between_small_things() -> None:
    if memory._malloc_trim() is None:
        pytest.skip("only glibc is asked")

    async def grown() -> int:
        before = _resident_bytes()
        blocks, pins = [], []
        for _ in range(2000):
            blocks.append(bytearray(100_000))  # below the size that the allocator maps by itself
            pins.append(bytes(600))
        del blocks
        with ThreadPoolExecutor(1) as executor:
            memory.give_back_soon(executor)
            end = time.monotonic() + 30
            while _resident_bytes() - before > 50_000_000 and time.monotonic() < end:
                await asyncio.sleep(0.05)
        del pins
        return _resident_bytes() - before

    assert asyncio.run(grown()) < 50_000_000


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
