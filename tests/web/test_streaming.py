"""Blocks are computed a few ahead of the socket, in order, and no longer than somebody wants them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from service.files.virtual import Buffer, VirtualFile
from service.web import streaming
from service.web.streaming import BLOCK_BYTES, Ahead, file_blocks


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

    if streaming._WORKERS == 1:
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
    ahead = Ahead(most_of_one=3, most_of_all=8)
    with ExitStack() as streams:
        found = []
        for _ in range(20):
            streams.enter_context(ahead)
            found.append(ahead.blocks)
    assert found == [3, 3, 2, 2] + [1] * 16
    assert ahead.blocks == 3
