"""File formats: the libraries that define them read our files, and any range of a file can be read."""

from __future__ import annotations

import io
import itertools
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from service.core.errors import InvalidValue, UnknownName, Unsupported
from service.core.layers.layouts import view_of
from service.core.stream.distributions import Distribution, Draw
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import TensorSpec, VirtualTensor
from service.files.formats import FORMATS, find_format, format_of_file
from service.files.json import json_stream
from service.files.npz import npz_nbytes, npz_stream
from service.files.virtual import Literal, Segment, VirtualFile, block_ranges, merged

SHAPES: list[tuple[int, ...]] = [(), (1,), (3, 5), (2, 3, 4), (70, 1000)]
PROVENANCE, METADATA = {"seed": 7}, {"seed": 7, "advice": "none"}


def normal_tensor(shape: tuple[int, ...] = (3, 5), dtype: str = "float32", name: str | None = None) -> VirtualTensor:
    return VirtualTensor(TensorSpec(Distribution(Draw.NORMAL, 0.0, 1.0), DTYPES[dtype], view_of(shape), 7, name))


def file_bytes(name: str, tensor: VirtualTensor) -> bytes:
    file = FORMATS[name].open(tensor, PROVENANCE, METADATA)
    return bytes(file.read()) if isinstance(file, VirtualFile) else b"".join(file)


def expected(tensor: VirtualTensor) -> npt.NDArray[Any]:
    return tensor.read().reshape(tensor.shape)


def identical(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_reads_npy(shape: tuple[int, ...], dtype: str) -> None:
    tensor = normal_tensor(shape, dtype)
    content = file_bytes("npy", tensor)
    assert identical(np.load(io.BytesIO(content)), expected(tensor))
    assert (len(content) - tensor.nbytes) % 64 == 0  # aligned, so that the file can be memory-mapped


@pytest.mark.parametrize("shape", SHAPES)
def test_npy_loads_like_the_file_that_numpy_writes(shape: tuple[int, ...]) -> None:
    tensor = normal_tensor(shape)
    reference = io.BytesIO()
    np.save(reference, expected(tensor))
    assert np.lib.format.read_magic(io.BytesIO(file_bytes("npy", tensor))) == (1, 0)
    assert identical(np.load(io.BytesIO(reference.getvalue())), np.load(io.BytesIO(file_bytes("npy", tensor))))


@pytest.mark.parametrize("name", ["npy", "npz"])
def test_refuses_bfloat16_because_numpy_reads_it_as_void(name: str) -> None:
    with pytest.raises(Unsupported, match="Ask for format safetensors or raw"):
        file_bytes(name, normal_tensor(dtype="bfloat16"))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_safetensors_library_reads_safetensors(shape: tuple[int, ...], dtype: str) -> None:
    tensor = normal_tensor(shape, dtype)
    assert identical(safetensors.numpy.load(file_bytes("safetensors", tensor))["weight"], expected(tensor))


def test_safetensors_supports_bfloat16() -> None:
    tensor = normal_tensor(dtype="bfloat16")
    ((name, row),) = safetensors.deserialize(file_bytes("safetensors", tensor))  # type: ignore[no-untyped-call]  # it has no type hints
    assert (name, row["dtype"], row["shape"]) == ("weight", "BF16", [3, 5])
    assert bytes(row["data"]) == expected(tensor).tobytes()


def test_safetensors_contains_the_provenance(tmp_path: Any) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(file_bytes("safetensors", normal_tensor(name="encoder.0.weight")))
    with safetensors.safe_open(path, "np") as file:
        assert file.keys() == ["encoder.0.weight"]
        assert json.loads(file.metadata()["weight_init"]) == PROVENANCE
        assert file.metadata()["format"] == "pt"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_json_keeps_every_value(shape: tuple[int, ...], dtype: str) -> None:
    tensor = normal_tensor(shape, dtype)
    content = json.loads(file_bytes("json", tensor))
    assert (content["shape"], content["dtype"], content["metadata"]) == (list(shape), dtype, METADATA)
    assert identical(np.array(content["data"]).astype(tensor.dtype.numpy), expected(tensor))


@given(data=st.data())
def test_json_in_blocks_has_the_bytes_of_json_at_once(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), max_size=6)))
    rule = Distribution(Draw.UNIFORM, -1.0, 1.0) if data.draw(st.booleans()) else Distribution(Draw.CONSTANT, -0.0, 0.0)
    tensor = VirtualTensor(TensorSpec(rule, DTYPES[data.draw(st.sampled_from(list(DTYPES)))], view_of(shape), data.draw(st.integers(0, 9))))
    values = tensor.read().reshape(shape).tolist() if shape else tensor.read()[0].item()
    if tensor.dtype.name != "float64":  # the fewest digits depend on the precision
        values = np.asarray(tensor.read().reshape(shape), np.float16 if tensor.dtype.name == "float16" else np.float32)
        values = values if shape else values[()]
    content = {"shape": list(shape), "dtype": tensor.dtype.name, "data": values, "metadata": METADATA}
    blocks = list(json_stream(tensor, METADATA, block=data.draw(st.integers(1, 50))))
    assert b"".join(blocks) == orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


@pytest.mark.parametrize("shape", [(1_000_000,), (1_000_000, 1), (1, 1_000_000), (1000, 1000), (2, 500, 1000)])
def test_json_computes_one_block_at_a_time(shape: tuple[int, ...]) -> None:
    tensor = normal_tensor(shape, "float64")
    tracemalloc.start()
    try:
        assert max(map(len, json_stream(tensor, METADATA))) < 1 << 20
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", DTYPES)
def test_raw_contains_only_the_elements(dtype: str) -> None:
    tensor = normal_tensor(dtype=dtype)
    assert file_bytes("raw", tensor) == expected(tensor).tobytes()


@pytest.mark.parametrize("shape", SHAPES)
def test_npz_is_read_by_numpy_and_is_a_valid_zip_file(shape: tuple[int, ...]) -> None:
    tensor = normal_tensor(shape, name="a/../b")
    content = file_bytes("npz", tensor)
    loaded = np.load(io.BytesIO(content))
    assert identical(loaded["a....b"], expected(tensor))
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    assert archive.namelist() == ["a....b.npy"]  # some readers take every member for an array
    assert json.loads(archive.comment) == PROVENANCE


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [None, "w", "a/b", "weights.für.ä"])
def test_the_length_of_npz_is_known_before(shape: tuple[int, ...], name: str | None) -> None:
    tensor = normal_tensor(shape, name=name)
    assert npz_nbytes(tensor, PROVENANCE) == len(file_bytes("npz", tensor))


_LIMIT = (1 << 31) - 1


@pytest.mark.parametrize("nbytes", [int(_LIMIT / 1.05) - 64, int(_LIMIT / 1.05) + 64, _LIMIT - 300, _LIMIT - 5, _LIMIT + 1, 5_000_000_000])
def test_the_length_of_npz_is_known_where_numbers_have_64_bits(nbytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zipfile.crc32", lambda data, crc=0: 0)  # takes no time
    monkeypatch.setattr("service.files.npz.npy_file", lambda tensor: VirtualFile((_Zeros(nbytes),)))
    tensor = normal_tensor()
    assert npz_nbytes(tensor, PROVENANCE) == sum(map(len, npz_stream(tensor, PROVENANCE)))


class _Zeros(Segment):
    """A segment of zeros, without memory of its own."""

    nbytes: int = 0
    _BLOCK = memoryview(bytes(1 << 20))

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes

    def read(self, start: int, stop: int) -> memoryview:
        return self._BLOCK[: stop - start]


@pytest.mark.parametrize("name", ["npy", "safetensors", "raw"])
@given(data=st.data())
def test_any_range_of_a_file_equals_the_same_range_of_the_whole(name: str, data: st.DataObject) -> None:
    tensor = normal_tensor(data.draw(st.sampled_from(SHAPES[:-1])), data.draw(st.sampled_from(["float32", "float64", "float16"])))
    whole = file_bytes(name, tensor)
    file = FORMATS[name].open(tensor, PROVENANCE, METADATA)
    assert isinstance(file, VirtualFile)
    assert file.nbytes == len(whole)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    assert bytes(file.read(start, stop)) == whole[start:stop]


def test_refuses_to_read_outside_a_file() -> None:
    file = FORMATS["raw"].open(normal_tensor(), PROVENANCE, METADATA)
    assert isinstance(file, VirtualFile)
    with pytest.raises(IndexError, match="received 0, 61"):
        file.read(0, 61)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 30))
def test_block_ranges_cover_a_range_once_and_in_order(start: int, length: int, block: int) -> None:
    parts = list(block_ranges(start, start + length, block))
    assert list(itertools.chain.from_iterable(range(*part) for part in parts)) == list(range(start, start + length))
    assert all(0 < stop - begin <= block for begin, stop in parts)
    assert all(begin % block == 0 for begin, _ in parts[1:])


@given(st.lists(st.binary(max_size=9)), st.integers(1, 20))
def test_merging_gives_the_same_bytes_in_larger_blocks(parts: list[bytes], block: int) -> None:
    def stream() -> Iterator[bytes]:
        yield from parts

    blocks = list(merged(stream(), block))
    assert b"".join(blocks) == b"".join(parts)
    assert all(len(piece) >= block for piece in blocks[:-1])


@pytest.mark.parametrize(("name", "expected"), [("NPY", "npy"), ("bin", "raw"), ("BIN", "raw"), ("SafeTensors", "safetensors")])
def test_finds_a_format_by_its_name_or_extension(name: str, expected: str) -> None:
    assert find_format(name).name == expected


def test_an_unknown_format_suggests_similar_ones() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'np[yz]' or 'np[yz]'"):
        find_format("npyz")


@given(sizes=st.lists(st.integers(0, 7), max_size=40), data=st.data())
def test_a_file_of_many_segments_reads_like_their_concatenation(sizes: list[int], data: st.DataObject) -> None:
    parts = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    whole, file = b"".join(parts), VirtualFile(tuple(map(Literal, parts)))
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    assert file.nbytes == len(whole)
    assert bytes(file.read(start, stop)) == whole[start:stop]


def test_reading_a_block_does_not_touch_every_segment() -> None:
    length_lookups: list[int] = []

    class CountingLiteral(Literal):
        @property
        def nbytes(self) -> int:
            length_lookups.append(1)
            return super().nbytes

    file = VirtualFile(tuple(CountingLiteral(bytes(100)) for _ in range(10_000)))
    assert file.nbytes == 1_000_000
    length_lookups.clear()
    assert len(file.read(500_050, 500_150)) == 100
    assert len(length_lookups) <= 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("w.npy", "npy"), ("w.NPY", "npy"), ("w.raw", "raw"), ("w.bin", "raw"), ("w.Bin", "raw"), ("w.SAFETENSORS", "safetensors"),
        ("w.npz", "npz"), ("w.json", "json"), ("layer.0.npy", "npy"), ("w", "npy"), (".npy", "npy"),
    ],
)  # fmt: skip
def test_the_extension_of_a_file_says_its_format(name: str, expected: str) -> None:
    assert format_of_file(name).name == expected


@pytest.mark.parametrize("name", ["w.pt", "w.f32", "w.npy.gz", "w.h5", "w.json5"])
def test_an_unknown_extension_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match=r"output: expected a file name that ends in \.npy, \.json, \.safetensors, \.npz, \.bin, \.raw"):
        format_of_file(name)


def test_a_tensor_cannot_have_the_name_of_the_metadata_of_safetensors() -> None:
    with pytest.raises(InvalidValue, match="name: expected another name in a safetensors file; received '__metadata__'"):
        file_bytes("safetensors", normal_tensor(name="__metadata__"))
    assert file_bytes("npy", normal_tensor(name="__metadata__")) == file_bytes("npy", normal_tensor(name="__metadata__"))


@pytest.mark.parametrize("name", ["metadata.json", "file", "..", "a/b", "w.npy", "ä", "__metadata__", "con", "x" * 256])
def test_npz_holds_one_array_whatever_its_name(name: str) -> None:
    tensor = normal_tensor(name=name)
    with np.load(io.BytesIO(file_bytes("npz", tensor))) as loaded:
        (key,) = loaded.files
        assert identical(loaded[key], expected(tensor))
