"""Blocks are computed a few ahead of the socket, in order, and only while the client reads them."""

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

from service.files.virtual import Buffer, Segment, VirtualFile
from service.web.responses import memory, streaming
from service.web.responses.streaming import BLOCK_BYTES, LookAhead, file_blocks, pool


class RecordingSegment(Segment):
    """A segment of `blocks` blocks, each filled with its number, that records which blocks are read."""

    nbytes: int = 0

    def __init__(self, blocks: int, *, before: Callable[[int], object] = lambda number: None) -> None:
        self.nbytes = blocks * BLOCK_BYTES
        self.read_blocks: list[int] = []
        self._before = before

    def read(self, start: int, stop: int) -> Buffer:
        number = start // BLOCK_BYTES
        self._before(number)
        self.read_blocks.append(number)
        return bytes([number]) * (stop - start)


def test_yields_blocks_in_order_even_if_a_later_one_is_ready_first() -> None:
    second_is_done = threading.Event()

    def before(number: int) -> None:
        if number == 0:
            assert second_is_done.wait(30)
        if number == 1:
            second_is_done.set()

    async def numbers() -> list[int]:
        return [block[0] async for block in file_blocks(VirtualFile((RecordingSegment(9, before=before),)), pool)]

    if streaming._THREADS == 1:
        pytest.skip("one core computes one block at a time")
    assert asyncio.run(numbers()) == list(range(9))


def test_computes_no_more_than_the_look_ahead_if_the_reader_stops() -> None:
    content = RecordingSegment(100)

    async def take_two() -> None:
        blocks = file_blocks(VirtualFile((content,)), pool)
        await anext(blocks)
        await anext(blocks)
        await blocks.aclose()

    asyncio.run(take_two())
    assert len(content.read_blocks) <= 2 + streaming._MAX_AHEAD


def test_many_readers_share_the_look_ahead_and_each_has_at_least_one_block() -> None:
    look_ahead = LookAhead(per_response=3, total=8, after_peak=lambda: None)
    with ExitStack() as streams:
        blocks = []
        for _ in range(20):
            streams.enter_context(look_ahead)
            blocks.append(look_ahead.blocks)
    assert blocks == [3, 3, 2, 2] + [1] * 16
    assert look_ahead.blocks == 3


def test_releases_memory_once_after_a_peak() -> None:
    releases: list[int] = []
    look_ahead = LookAhead(per_response=3, total=8, after_peak=lambda: releases.append(1))

    def stream(at_once: int) -> None:
        with ExitStack() as streams:
            for _ in range(at_once):
                streams.enter_context(look_ahead)

    stream(at_once=2)
    assert releases == []
    stream(at_once=50)
    stream(at_once=2)
    assert releases == [1]


def test_releases_free_memory_between_small_allocations() -> None:
    if memory._malloc_trim() is None:
        pytest.skip("only glibc has malloc_trim")

    async def growth() -> int:
        before = _resident_bytes()
        blocks, pins = [], []
        for _ in range(2000):
            blocks.append(bytearray(100_000))  # smaller than what the allocator maps separately
            pins.append(bytes(600))
        del blocks
        with ThreadPoolExecutor(1) as executor:
            memory.release_soon(executor)
            end = time.monotonic() + 30
            while _resident_bytes() - before > 50_000_000 and time.monotonic() < end:
                await asyncio.sleep(0.05)
        del pins
        return _resident_bytes() - before

    assert asyncio.run(growth()) < 50_000_000


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
