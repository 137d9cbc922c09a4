"""The raw format: the elements alone, little-endian, in C order."""

from __future__ import annotations

from service.core.tensors.tensor import VirtualTensor
from service.files.virtual import TensorBytes, VirtualFile


def raw_file(tensor: VirtualTensor) -> VirtualFile:
    """Return the bytes of the elements. The file does not contain the shape and the dtype."""
    return VirtualFile((TensorBytes(tensor),))
