"""The safetensors format: eight bytes for the length of the header, a JSON header, and the bytes of the tensors.

https://github.com/huggingface/safetensors describes it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import orjson

from service.core.errors import InvalidValue
from service.core.tensors.tensor import VirtualTensor
from service.files.virtual import Literal, TensorBytes, VirtualFile

DEFAULT_TENSOR_NAME = "weight"
_ALIGNMENT = 8
_METADATA = "__metadata__"  # the key of the header that is no tensor

# The types of tensors that hold no weights, and their names in the format.
INTEGERS: dict[str, tuple[np.dtype[Any], str]] = {
    "bool": (np.dtype("?"), "BOOL"),
    "uint8": (np.dtype("u1"), "U8"),
    "int32": (np.dtype("<i4"), "I32"),
    "int64": (np.dtype("<i8"), "I64"),
}

# The format's own library writes tensors in this order of their types, so that each begins at a multiple of its item's length.
_ORDER = ("I64", "F64", "F32", "I32", "BF16", "F16", "U8", "BOOL")
_RANK = {name: rank for rank, name in enumerate(_ORDER)}


class Row(NamedTuple):
    """A tensor as the header describes it: its type in the format, its shape, and its length in bytes."""

    dtype: str
    shape: tuple[int, ...]
    nbytes: int


def safetensors_file(tensor: VirtualTensor, provenance: dict[str, Any]) -> VirtualFile:
    """Return the tensor under its name, or `weight`. `__metadata__` holds its provenance, as JSON under `weight_init`.

    Raises InvalidValue for the name `__metadata__`.
    """
    name = check_tensor_name(tensor.spec.name or DEFAULT_TENSOR_NAME)
    row = Row(tensor.dtype.safetensors, tensor.shape, tensor.nbytes)
    return VirtualFile((Literal(header([(name, row)], {"weight_init": orjson.dumps(provenance).decode("utf-8")})), TensorBytes(tensor)))


def check_tensor_name(name: str) -> str:
    """Return a name that the format allows. Raises InvalidValue for the one that it reserves."""
    if name == _METADATA:
        raise InvalidValue(
            "name", expected="another name in a safetensors file", received=_METADATA, action="The format reserves it: rename the tensor."
        )
    return name


def in_order(rows: Mapping[str, Row]) -> list[str]:
    """Return the names of tensors in the order of the format's own library: by their types, then by their names."""
    return sorted(rows, key=lambda name: (_RANK[rows[name].dtype], name))


def header(rows: Iterable[tuple[str, Row]], metadata: Mapping[str, str]) -> bytes:
    """Return the header for tensors in this order, without holes between them.

    `format: pt` stands in the metadata because the transformers library opens no file without it.
    """
    content: dict[str, Any] = {_METADATA: {"format": "pt", **metadata}}
    start = 0
    for name, row in rows:
        stop = start + row.nbytes
        content[name] = {"dtype": row.dtype, "shape": row.shape, "data_offsets": (start, stop)}
        start = stop
    text = orjson.dumps(content)
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text
