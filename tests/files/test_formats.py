"""Files: read by the libraries that own the formats, and readable at any place."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from service.core.errors import UnknownName, Unsupported
from service.core.layers.layouts import view_of
from service.core.stream.distributions import Distribution, Draw
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import TensorSpec, VirtualTensor
from service.files.formats import FORMATS, find_format
from service.files.virtual import Literal, VirtualFile, block_ranges, merged

SHAPES: list[tuple[int, ...]] = [(), (1,), (3, 5), (2, 3, 4), (70, 1000)]
PROVENANCE, METADATA = {"seed": 7}, {"seed": 7, "advice": "none"}


def tensor(shape: tuple[int, ...] = (3, 5), dtype: str = "float32", name: str | None = None) -> VirtualTensor:
    return VirtualTensor(TensorSpec(Distribution(Draw.NORMAL, 0.0, 1.0), DTYPES[dtype], view_of(shape), 7, name))


def written(name: str, made: VirtualTensor) -> bytes:
    opened = FORMATS[name].open(made, PROVENANCE, METADATA)
    return bytes(opened.read()) if isinstance(opened, VirtualFile) else b"".join(opened)


def expected(made: VirtualTensor) -> npt.NDArray[Any]:
    return made.read().reshape(made.shape)


def same(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_reads_npy(shape: tuple[int, ...], dtype: str) -> None:
    made = tensor(shape, dtype)
    content = written("npy", made)
    assert same(np.load(io.BytesIO(content)), expected(made))
    assert (len(content) - made.nbytes) % 64 == 0  # aligned, so that it can be mapped into memory


@pytest.mark.parametrize("shape", SHAPES)
def test_npy_is_what_numpy_itself_writes(shape: tuple[int, ...]) -> None:
    made = tensor(shape)
    numpys = io.BytesIO()
    np.save(numpys, expected(made))
    assert np.lib.format.read_magic(io.BytesIO(written("npy", made))) == (1, 0)
    assert same(np.load(io.BytesIO(numpys.getvalue())), np.load(io.BytesIO(written("npy", made))))


@pytest.mark.parametrize("name", ["npy", "npz"])
def test_bfloat16_is_refused_where_numpy_would_read_void(name: str) -> None:
    with pytest.raises(Unsupported, match="ask for format safetensors or raw"):
        written(name, tensor(dtype="bfloat16"))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_safetensors_reads_safetensors(shape: tuple[int, ...], dtype: str) -> None:
    made = tensor(shape, dtype)
    assert same(safetensors.numpy.load(written("safetensors", made))["weight"], expected(made))


def test_safetensors_holds_bfloat16() -> None:
    made = tensor(dtype="bfloat16")
    ((name, row),) = safetensors.deserialize(written("safetensors", made))  # type: ignore[no-untyped-call]  # has no types
    assert (name, row["dtype"], row["shape"]) == ("weight", "BF16", [3, 5])
    assert bytes(row["data"]) == expected(made).tobytes()


def test_safetensors_says_how_it_was_made(tmp_path: Any) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(written("safetensors", tensor(name="encoder.0.weight")))
    with safetensors.safe_open(path, "np") as opened:
        assert opened.keys() == ["encoder.0.weight"]
        assert json.loads(opened.metadata()["weight_init"]) == PROVENANCE
        assert opened.metadata()["format"] == "pt"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_json_keeps_every_value(shape: tuple[int, ...], dtype: str) -> None:
    made = tensor(shape, dtype)
    content = json.loads(written("json", made))
    assert (content["shape"], content["dtype"], content["metadata"]) == (list(shape), dtype, METADATA)
    assert same(np.array(content["data"]).astype(made.dtype.numpy), expected(made))


@pytest.mark.parametrize("dtype", DTYPES)
def test_raw_is_the_elements_alone(dtype: str) -> None:
    made = tensor(dtype=dtype)
    assert written("raw", made) == expected(made).tobytes()


@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_reads_npz_and_unzip_finds_no_fault(shape: tuple[int, ...]) -> None:
    made = tensor(shape, name="a/../b")
    content = written("npz", made)
    loaded = np.load(io.BytesIO(content))
    assert same(loaded["a....b"], expected(made))
    assert json.loads(loaded["metadata.json"]) == PROVENANCE
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


@pytest.mark.parametrize("name", ["npy", "safetensors", "raw"])
@given(data=st.data())
def test_any_range_of_a_file_equals_that_part_of_the_whole(name: str, data: st.DataObject) -> None:
    made = tensor(data.draw(st.sampled_from(SHAPES[:-1])), data.draw(st.sampled_from(["float32", "float64", "float16"])))
    whole = written(name, made)
    file = FORMATS[name].open(made, PROVENANCE, METADATA)
    assert isinstance(file, VirtualFile)
    assert file.nbytes == len(whole)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    assert bytes(file.read(start, stop)) == whole[start:stop]


def test_reading_outside_a_file_is_an_error() -> None:
    file = FORMATS["raw"].open(tensor(), PROVENANCE, METADATA)
    assert isinstance(file, VirtualFile)
    with pytest.raises(IndexError, match="received 0, 61"):
        file.read(0, 61)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 30))
def test_blocks_cover_a_range_once_and_in_order(start: int, length: int, block: int) -> None:
    parts = list(block_ranges(start, start + length, block))
    assert list(itertools.chain.from_iterable(range(*part) for part in parts)) == list(range(start, start + length))
    assert all(0 < stop - begin <= block for begin, stop in parts)
    assert all(begin % block == 0 for begin, _ in parts[1:])


@given(st.lists(st.binary(max_size=9)), st.integers(1, 20))
def test_merged_parts_are_the_same_bytes_in_larger_blocks(parts: list[bytes], block: int) -> None:
    def made() -> Iterator[bytes]:
        yield from parts

    blocks = list(merged(made(), block))
    assert b"".join(blocks) == b"".join(parts)
    assert all(len(piece) >= block for piece in blocks[:-1])


def test_an_unknown_format_names_those_there_are() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'np[yz]' or 'np[yz]'"):
        find_format("npyz")


@given(sizes=st.lists(st.integers(0, 7), max_size=40), data=st.data())
def test_a_file_of_many_segments_is_read_as_if_they_stood_in_a_row(sizes: list[int], data: st.DataObject) -> None:
    parts = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    whole, file = b"".join(parts), VirtualFile(tuple(map(Literal, parts)))
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    assert file.nbytes == len(whole)
    assert bytes(file.read(start, stop)) == whole[start:stop]


def test_reading_a_block_does_not_look_at_every_segment() -> None:
    lengths_asked: list[int] = []

    class Watched(Literal):
        @property
        def nbytes(self) -> int:
            lengths_asked.append(1)
            return super().nbytes

    file = VirtualFile(tuple(Watched(bytes(100)) for _ in range(10_000)))
    assert file.nbytes == 1_000_000
    lengths_asked.clear()
    assert len(file.read(500_050, 500_150)) == 100
    assert len(lengths_asked) <= 3
