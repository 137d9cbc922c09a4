"""The safetensors format: eight bytes for the length of the header, a JSON header, and the bytes of the tensors."""

from __future__ import annotations

import struct
from typing import Any

import orjson

from service.core.errors import InvalidValue
from service.core.tensors.tensor import VirtualTensor
from service.files.virtual import Literal, TensorBytes, VirtualFile

DEFAULT_TENSOR_NAME = "weight"
_ALIGNMENT = 8
_METADATA = "__metadata__"  # the key of the header that is no tensor


def safetensors_file(tensor: VirtualTensor, provenance: dict[str, Any]) -> VirtualFile:
    """Return the tensor under its name, or `weight`. `__metadata__` holds its provenance, as JSON under `weight_init`.

    `__metadata__` has `format: pt` because the transformers library opens no file without it. Raises InvalidValue for this name.
    """
    if tensor.spec.name == _METADATA:
        raise InvalidValue(
            "name", expected="another name in a safetensors file", received=_METADATA, action="The format reserves it: rename the tensor."
        )
    header = {
        _METADATA: {"format": "pt", "weight_init": orjson.dumps(provenance).decode("utf-8")},
        tensor.spec.name or DEFAULT_TENSOR_NAME: {
            "dtype": tensor.dtype.safetensors,
            "shape": list(tensor.shape),
            "data_offsets": [0, tensor.nbytes],
        },
    }
    text = orjson.dumps(header)
    text += b" " * (-len(text) % _ALIGNMENT)
    return VirtualFile((Literal(struct.pack("<Q", len(text)) + text), TensorBytes(tensor)))
