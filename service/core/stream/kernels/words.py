"""Computes the words of the stream, compiled. philox.py explains them.

They are computed in 64-bit lanes. The product of two 32-bit numbers then needs no widening, and masking off the high half costs nothing,
so LLVM vectorizes the ten rounds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import uint32, uint64

from service.core.stream.kernels.compiling import compiled, inlined

BLOCKS = 1024  # blocks of a run: its 4096 words, 16 KiB, fit in the L1 cache


class Key(NamedTuple):
    """The seed and the id of a stream, as uint64."""

    seed: Any
    id: Any


_LOW = uint64(0xFFFFFFFF)
_32 = uint64(32)
_MULTIPLIER_0, _MULTIPLIER_1 = uint64(0xD2511F53), uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = uint64(0x9E3779B9), uint64(0xBB67AE85)


@inlined
def _philox(c0, c1, key):
    """Return the four words of the block c0 + 2³²·c1, each in the low half of 64 bits. The high halves are arbitrary."""
    c2, c3 = key.id & _LOW, key.id >> _32
    k0, k1 = key.seed & _LOW, key.seed >> _32
    for _ in range(10):
        product_0, product_1 = (c0 & _LOW) * _MULTIPLIER_0, (c2 & _LOW) * _MULTIPLIER_1
        c0, c1 = (product_1 >> _32) ^ (c1 & _LOW) ^ k0, product_1
        c2, c3 = (product_0 >> _32) ^ (c3 & _LOW) ^ k1, product_0
        k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3


@compiled
def words_of_blocks(pairs, block, count, key):
    """Compute the words of `count` consecutive blocks: pairs[2j] holds the first two words of block j, pairs[2j + 1] the others."""
    low, high = block & _LOW, block >> _32
    for j in range(count):
        c0, c1, c2, c3 = _philox(low + uint64(j), high, key)
        pairs[2 * j] = (c0 & _LOW) | (c1 << _32)
        pairs[2 * j + 1] = (c2 & _LOW) | (c3 << _32)


@compiled
def words_of_columns(words, position, step, count, key):
    """Compute words[r, j], the word at position + r + j·step for r = 0 … 3. Position and step are multiples of 4."""
    block, blocks = position >> uint64(2), step >> uint64(2)
    for j in range(count):
        current = block + uint64(j) * blocks
        c0, c1, c2, c3 = _philox(current & _LOW, current >> _32, key)
        words[0, j] = uint32(c0)
        words[1, j] = uint32(c1)
        words[2, j] = uint32(c2)
        words[3, j] = uint32(c3)


@compiled
def words_at(words, positions, key):
    """Compute the words at any positions, with one block for each."""
    for j in range(positions.shape[0]):
        block, lane = positions[j] >> uint64(2), positions[j] & uint64(3)
        c0, c1, c2, c3 = _philox(block & _LOW, block >> _32, key)
        first, second = (c1 if lane & uint64(1) else c0), (c3 if lane & uint64(1) else c2)
        words[j] = uint32(second if lane & uint64(2) else first)
