"""NumPy's .npy format, version 1.0.

The header is written here because NumPy has changed its padding between versions, and these bytes may never change.
Format: NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays".
"""

from __future__ import annotations

import struct
from functools import lru_cache

from service.core.errors import Unsupported
from service.core.stream.view import Shape
from service.core.tensors.dtypes import DType
from service.core.tensors.tensor import VirtualTensor
from service.files.virtual import Literal, TensorBytes, VirtualFile

_MAGIC = b"\x93NUMPY\x01\x00"
_ALIGNMENT = 64


def npy_file(tensor: VirtualTensor) -> VirtualFile:
    """Return the tensor as .npy. Raises Unsupported for bfloat16, which NumPy reads back as void."""
    return VirtualFile((Literal(_header(tensor.shape, tensor.dtype)), TensorBytes(tensor)))


@lru_cache(maxsize=1024)  # a model has many layers of the same shape
def _header(shape: Shape, dtype: DType) -> bytes:
    if dtype.name == "bfloat16":
        raise Unsupported(
            "dtype",
            expected="a dtype that .npy supports (float32, float64 or float16)",
            received=dtype.name,
            action="NumPy reads bfloat16 back as void. Ask for format safetensors or raw.",
        )
    text = f"{{'descr': '{dtype.numpy.str}', 'fortran_order': False, 'shape': {shape!r}, }}".encode("ascii")
    prefix = len(_MAGIC) + 2
    padding = -(prefix + len(text) + 1) % _ALIGNMENT
    text += b" " * padding + b"\n"
    return _MAGIC + struct.pack("<H", len(text)) + text
