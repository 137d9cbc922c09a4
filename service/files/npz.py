"""NumPy's .npz: an uncompressed zip file that holds the tensor as .npy. Its provenance is the comment of the zip file, as JSON.

It is no member, because some readers take every member for an array. The directory of a zip file holds a checksum of each member. So the
file is a stream: it can only be read from the start. But its length is known before.
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
from service.files.virtual import Buffer, VirtualFile, block_ranges

_BLOCK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that zip can store, so the bytes do not depend on the clock
_ZIP64_LIMIT = (1 << 31) - 1  # above it, zipfile writes lengths and offsets in 64 bits
_UNIX = 3  # the zip format's number for the system that made a file


def npz_stream(tensor: VirtualTensor, provenance: dict[str, Any]) -> Iterator[Buffer]:
    """Return a zip file with the member `<name or weight>.npy`. Raises Unsupported for bfloat16."""
    return _zip(_member(tensor.spec.name), npy_file(tensor), _comment(provenance))


def npz_nbytes(tensor: VirtualTensor, provenance: dict[str, Any]) -> int:
    """Return the length of the file in bytes. Raises Unsupported for bfloat16.

    It is the sum of the records in the specification of the format (PKWARE, .ZIP File Format Specification, section 4.3).
    """
    name_bytes, nbytes = len(_member(tensor.spec.name).encode("utf-8")), npy_file(tensor).nbytes
    # A member has a header, a name, its data and a descriptor. zipfile reserves 64 bits for lengths that may grow by a twentieth.
    member = 30 + name_bytes + nbytes + 16 + (20 + 8 if nbytes * 1.05 > _ZIP64_LIMIT else 0)
    directory = 46 + name_bytes + (4 + 2 * 8 if nbytes > _ZIP64_LIMIT else 0)  # two lengths in 64 bits
    return member + directory + (56 + 20 if member > _ZIP64_LIMIT else 0) + 22 + len(_comment(provenance))


def _comment(provenance: dict[str, Any]) -> bytes:
    return orjson.dumps(provenance)


def _member(name: str | None) -> str:
    """Return a member name without slashes, so that no unpacker takes it for a path."""
    return (name or DEFAULT_TENSOR_NAME).replace("/", ".").replace("\\", ".") + ".npy"


def _zip(name: str, content: VirtualFile, comment: bytes) -> Iterator[Buffer]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = comment
        info = zipfile.ZipInfo(name, _EPOCH)
        info.create_system, info.file_size = _UNIX, content.nbytes
        with archive.open(info, "w", force_zip64=content.nbytes >= 1 << 31) as member:
            for part in block_ranges(0, content.nbytes, _BLOCK_BYTES):
                member.write(content.read(*part))
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
