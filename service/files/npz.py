"""NumPy's .npz: an uncompressed zip of the tensor as .npy and of its provenance as JSON.

A zip's directory holds a checksum of each member, so it can only be written from the start: a stream, without ranges.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import orjson

from service.core.tensors.tensor import VirtualTensor
from service.files.npy import npy_file
from service.files.safetensors import DEFAULT_TENSOR_NAME
from service.files.virtual import Buffer, block_ranges

_BLOCK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip format's first moment: the same bytes whenever it is written
_UNIX = 3


def npz_stream(tensor: VirtualTensor, provenance: dict[str, Any]) -> Iterator[Buffer]:
    """The members `<name or weight>.npy` and `metadata.json`. Raises Unsupported for bfloat16 before the first block."""
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


def _member(name: str | None) -> str:
    """A member's name that no unpacker can take for a path."""
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
                    yield from sink.taken()
    yield from sink.taken()


class _Sink(io.RawIOBase):
    """Where zipfile writes; it cannot seek, so that checksums follow the data."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[Buffer] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data) if not isinstance(data, memoryview) else data)
        return len(data)

    def taken(self) -> list[Buffer]:
        parts, self._parts = self._parts, []
        return parts
