"""The service's element types in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

# As the bytes travel: little-endian. NumPy has no bfloat16; its bits are read as integers first.
WIRE_DTYPES: Mapping[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
}


def values_of(buffer: npt.NDArray[np.uint8], dtype_name: str) -> npt.NDArray[Any]:
    """The values in a buffer of bytes, without a copy, as one dimension.

    bfloat16 becomes `ml_dtypes.bfloat16`; where ml_dtypes is missing, float32 of the same values, in a new array.
    """
    values = buffer.view(WIRE_DTYPES[dtype_name])
    return _bfloat16_of(values) if dtype_name == "bfloat16" else values


def _bfloat16_of(bits: npt.NDArray[np.uint16]) -> npt.NDArray[Any]:
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        return (bits.astype(np.uint32) << 16).view(np.float32)  # a bfloat16 is the upper half of a float32
    return bits.view(bfloat16)
