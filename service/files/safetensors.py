"""The safetensors format: eight bytes of header length, a JSON header, then the tensors' bytes."""

from __future__ import annotations

import struct
from typing import Any

import orjson

from service.core.tensors.tensor import VirtualTensor
from service.files.virtual import Literal, TensorBytes, VirtualFile

DEFAULT_TENSOR_NAME = "weight"
_ALIGNMENT = 8


def safetensors_file(tensor: VirtualTensor, provenance: dict[str, Any]) -> VirtualFile:
    """The tensor under its name (or `weight`), with how it was made in `__metadata__`, as JSON under `weight_init`.

    `format: pt` is there because the transformers library opens no file without it.
    """
    header = {
        "__metadata__": {"format": "pt", "weight_init": orjson.dumps(provenance).decode("utf-8")},
        tensor.spec.name or DEFAULT_TENSOR_NAME: {
            "dtype": tensor.dtype.safetensors,
            "shape": list(tensor.shape),
            "data_offsets": [0, tensor.nbytes],
        },
    }
    text = orjson.dumps(header)
    text += b" " * (-len(text) % _ALIGNMENT)
    return VirtualFile((Literal(struct.pack("<Q", len(text)) + text), TensorBytes(tensor)))
