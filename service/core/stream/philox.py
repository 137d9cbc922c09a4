"""The random words of the stream, version 1: 32 bits at any index of any named stream of any seed.

Philox4x32-10 is the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
1, 2, 3" (SC 2011, doi:10.1145/2063384.2063405). It has no state: block `b` of a stream depends on the counter alone.
So any part of a tensor can be computed without the rest. STREAM.md describes it for other languages.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]

STREAM_VERSION = 1
WORDS_PER_BLOCK = 4
MAX_SEED = 2**64 - 1

_ROUNDS = 10
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = 0x9E3779B9, 0xBB67AE85  # added to the key before each round: the golden ratio and √3 - 1
_MASK_32 = 0xFFFFFFFF
_SECOND_STREAM = 1 << 63


def philox4x32(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Apply ten rounds of Philox4x32 to arrays of counters: four uint32 arrays of one shape in, four of the same shape out."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        product_0 = c0.astype(np.uint64) * _MULTIPLIER_0
        product_1 = c2.astype(np.uint64) * _MULTIPLIER_1
        c0, c1, c2, c3 = (
            _high(product_1) ^ c1 ^ np.uint32(k0),
            product_1.astype(np.uint32),
            _high(product_0) ^ c3 ^ np.uint32(k1),
            product_0.astype(np.uint32),
        )
        k0, k1 = (k0 + _WEYL_0) & _MASK_32, (k1 + _WEYL_1) & _MASK_32
    return c0, c1, c2, c3


def _high(product: npt.NDArray[np.uint64]) -> Words:
    return (product >> np.uint64(32)).astype(np.uint32)


def stream_id(name: str | None) -> int:
    """Return the 63-bit id of a tensor's name; 0 for an unnamed tensor.

    >>> stream_id(None)
    0
    >>> hex(stream_id("encoder.layer.0.weight"))
    '0x2872d2d429c2f157'
    """
    if name is None:
        return 0
    digest = hashlib.blake2b(name.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "little") & (_SECOND_STREAM - 1)


@dataclass(frozen=True)
class Stream:
    """The random words of one (seed, id). Word `i` is output `i mod 4` of block `i div 4`."""

    seed: int
    id: int = 0

    @classmethod
    def of(cls, seed: int, name: str | None = None) -> Stream:
        """Return the stream of a tensor's name under a seed in [0, 2**64)."""
        return cls(seed, stream_id(name))

    @property
    def second(self) -> Stream:
        """The second stream of the same tensor, for the low bits of float64 and for a scheme's second draw."""
        return Stream(self.seed, self.id | _SECOND_STREAM)

    def words(self, start: int, stop: int) -> Words:
        """Return words `start` to `stop`, of shape [stop - start]."""
        first_block, last_block = start // WORDS_PER_BLOCK, -(-stop // WORDS_PER_BLOCK)
        blocks = np.arange(first_block, last_block, dtype=np.uint64)
        words = np.stack(self._outputs(blocks), axis=-1).reshape(-1)
        skip = start - first_block * WORDS_PER_BLOCK
        return words[skip : skip + stop - start]

    def words_at(self, indices: npt.NDArray[np.uint64]) -> Words:
        """Return the words at `indices`, in their shape, for a layout or slice whose elements are not consecutive."""
        outputs = np.stack(self._outputs(indices // np.uint64(WORDS_PER_BLOCK)), axis=-1)
        lane = (indices % np.uint64(WORDS_PER_BLOCK)).astype(np.intp)
        words: Words = np.take_along_axis(outputs, lane[..., np.newaxis], axis=-1)[..., 0]
        return words

    def _outputs(self, blocks: npt.NDArray[np.uint64]) -> tuple[Words, Words, Words, Words]:
        counter = (
            blocks.astype(np.uint32),
            _high(blocks),
            np.full(blocks.shape, self.id & _MASK_32, np.uint32),
            np.full(blocks.shape, self.id >> 32, np.uint32),
        )
        return philox4x32(counter, (self.seed & _MASK_32, self.seed >> 32))
