"""The service's element types as NumPy dtypes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

# Little-endian, as in the response. NumPy has no bfloat16, so its bits are read as integers first.
WIRE_DTYPES: Mapping[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
}


def to_array(buffer: npt.NDArray[np.uint8], dtype_name: str) -> npt.NDArray[Any]:
    """Return the values in a byte buffer as a one-dimensional array, without a copy.

    bfloat16 becomes `ml_dtypes.bfloat16`. Without ml_dtypes it is widened to float32, in a new array.
    """
    values = buffer.view(WIRE_DTYPES[dtype_name])
    return _bfloat16_array(values) if dtype_name == "bfloat16" else values


def _bfloat16_array(bits: npt.NDArray[np.uint16]) -> npt.NDArray[Any]:
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        return (bits.astype(np.uint32) << 16).view(np.float32)  # a bfloat16 is the upper half of a float32
    return bits.view(bfloat16)
