"""NumPy's .npz: an uncompressed zip file that holds the tensor as .npy and its provenance as JSON.

The directory of a zip file holds a checksum of each member. So the file is a stream: it can only be read from the start. But its length
is known before.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import orjson
from typing_extensions import override

from service.core.tensors.tensor import VirtualTensor
from service.files.npy import npy_file
from service.files.safetensors import DEFAULT_TENSOR_NAME
from service.files.virtual import Buffer, block_ranges

_BLOCK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that zip can store, so the bytes do not depend on the clock
_ZIP64_LIMIT = (1 << 31) - 1  # above it, zipfile writes lengths and offsets in 64 bits
_UNIX = 3  # the zip format's number for the system that made a file


def npz_stream(tensor: VirtualTensor, provenance: dict[str, Any]) -> Iterator[Buffer]:
    """Return a zip file with the members `<name or weight>.npy` and `metadata.json`. Raises Unsupported for bfloat16."""
    content = npy_file(tensor)
    return _zip(
        [
            (
                f"{_member(tensor.spec.name)}.npy",
                (content.read(*part) for part in block_ranges(0, content.nbytes, _BLOCK_BYTES)),
                content.nbytes,
            ),
            ("metadata.json", iter([orjson.dumps(provenance)]), 0),
        ]
    )


def npz_nbytes(tensor: VirtualTensor, provenance: dict[str, Any]) -> int:
    """Return the length of the file in bytes. Raises Unsupported for bfloat16.

    It is the sum of the records in the specification of the format (PKWARE, .ZIP File Format Specification, section 4.3).
    """
    lengths = {f"{_member(tensor.spec.name)}.npy": npy_file(tensor).nbytes, "metadata.json": len(orjson.dumps(provenance))}
    local = directory = 0
    for name, nbytes in lengths.items():
        name_bytes = len(name.encode("utf-8"))
        numbers = 2 * (nbytes > _ZIP64_LIMIT) + (local > _ZIP64_LIMIT)  # in 64 bits: two lengths, and the offset
        directory += 46 + name_bytes + (4 + 8 * numbers if numbers else 0)
        # A member has a header, a name, its data and a descriptor. zipfile reserves 64 bits for lengths that may grow by a twentieth.
        is_long = nbytes * 1.05 > _ZIP64_LIMIT and name != "metadata.json"
        local += 30 + name_bytes + nbytes + 16 + (20 + 8 if is_long else 0)
    return local + directory + (56 + 20 if local > _ZIP64_LIMIT else 0) + 22


def _member(name: str | None) -> str:
    """Return a member name without slashes, so that no unpacker takes it for a path."""
    return (name or DEFAULT_TENSOR_NAME).replace("/", ".").replace("\\", ".")


def _zip(members: list[tuple[str, Iterator[Buffer], int]]) -> Iterator[Buffer]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, blocks, nbytes in members:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.file_size = _UNIX, nbytes
            with archive.open(info, "w", force_zip64=nbytes >= 1 << 31) as member:
                for block in blocks:
                    member.write(block)
                    yield from sink.take()
    yield from sink.take()


class _Sink(io.RawIOBase):
    """Collects what zipfile writes. It cannot seek, so zipfile writes each checksum after the data."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[Buffer] = []

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Any) -> int:
        self._parts.append(bytes(data) if not isinstance(data, memoryview) else data)
        return len(data)

    def take(self) -> list[Buffer]:
        parts, self._parts = self._parts, []
        return parts
