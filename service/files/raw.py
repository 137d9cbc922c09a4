"""The elements and nothing else: little-endian, C order."""

from __future__ import annotations

from service.core.tensors.tensor import VirtualTensor
from service.files.virtual import TensorBytes, VirtualFile


def raw_file(tensor: VirtualTensor) -> VirtualFile:
    """The tensor's bytes alone; shape and dtype travel beside them."""
    return VirtualFile((TensorBytes(tensor),))
