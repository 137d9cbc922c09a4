"""The random words of the stream."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.stream.philox import MAX_SEED, Stream, philox4x32, stream_id

# Random123's known answers for Philox4x32-10: counter, key, words.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]

indices = st.integers(0, 2**62)
seeds = st.integers(0, MAX_SEED)
names = st.none() | st.text(min_size=1, max_size=20)


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(counter: str, key: str, words: str) -> None:
    c0, c1, c2, c3 = (np.array([int(word, 16)], np.uint32) for word in counter.split())
    k0, k1 = (int(word, 16) for word in key.split())
    assert " ".join(f"{int(word[0]):08x}" for word in philox4x32((c0, c1, c2, c3), (k0, k1))) == words


def test_key_and_counter_hold_seed_block_and_id_as_specified() -> None:
    seed, block, identity = 0x299F31D0_A4093822, 0x05A308D3_243F6A88, 0x03707344_13198A2E
    word = Stream(seed, identity).words_at(np.array([4 * block], np.uint64))[0]
    c0, c1, c2, c3 = (np.array([part], np.uint32) for part in (0x243F6A88, 0x05A308D3, 0x13198A2E, 0x03707344))
    assert word == philox4x32((c0, c1, c2, c3), (0xA4093822, 0x299F31D0))[0][0]


@given(seed=seeds, name=names, start=indices, length=st.integers(0, 40), skip=st.integers(0, 40))
def test_any_range_equals_that_part_of_the_stream(seed: int, name: str | None, start: int, length: int, skip: int) -> None:
    stream = Stream.of(seed, name)
    longer = stream.words(start, start + skip + length)
    assert np.array_equal(stream.words(start + skip, start + skip + length), longer[skip:])


@given(seed=seeds, name=names, chosen=st.lists(indices, min_size=1, max_size=20))
def test_words_at_indices_equal_the_words_of_ranges(seed: int, name: str | None, chosen: list[int]) -> None:
    stream = Stream.of(seed, name)
    expected = [stream.words(index, index + 1)[0] for index in chosen]
    assert stream.words_at(np.array(chosen, np.uint64)).tolist() == expected


@given(name=st.text(min_size=1, max_size=50))
def test_a_name_is_hashed_to_63_bits(name: str) -> None:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    assert stream_id(name) == int.from_bytes(digest, "little") % 2**63


def test_an_unnamed_tensor_has_id_0() -> None:
    assert stream_id(None) == 0


def _agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Return the share of equal bits, which is ½ for unrelated words."""
    different = np.unpackbits((one ^ other).view(np.uint8)).mean()
    return float(1 - different)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Stream.of(7, "a"), Stream.of(7, "b")),
        (Stream.of(7), Stream.of(7, "a")),
        (Stream.of(7), Stream.of(8)),
        (Stream.of(7), Stream.of(7 + 2**32)),
        (Stream.of(7, "a"), Stream.of(7, "a").second),
    ],
)
def test_streams_of_other_names_and_seeds_and_second_streams_are_unrelated(one: Stream, other: Stream) -> None:
    n = 1 << 16  # 2²¹ bits have a mean with standard error 3.5e-4; five of them, 1.7e-3, give false alarms at a rate of 6e-7
    assert abs(_agreement(one.words(0, n), other.words(0, n)) - 0.5) < 5 * 0.5 / np.sqrt(32 * n)
