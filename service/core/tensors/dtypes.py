"""The element types, one row each. Bytes are little-endian on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from service.core.errors import unknown_name


@dataclass(frozen=True)
class DType:
    """An element type: its NumPy dtype and the precision in which its values are drawn before the final rounding."""

    name: str
    numpy: np.dtype[Any]
    draws_in: np.dtype[Any]
    safetensors: str
    largest: float
    smallest: float  # the smallest normal number; smaller values lose digits

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self.numpy.itemsize


BFLOAT16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
_FLOAT32, _FLOAT64, _FLOAT16 = np.dtype("<f4"), np.dtype("<f8"), np.dtype("<f2")


def _row(name: str, numpy: np.dtype[Any], draws_in: np.dtype[Any], safetensors: str) -> DType:
    limits: Any = ml_dtypes.finfo(numpy)  # type: ignore[no-untyped-call]  # handles NumPy's own types too
    return DType(name, numpy, draws_in, safetensors, float(limits.max), float(limits.smallest_normal))


DTYPES: dict[str, DType] = {
    row.name: row
    for row in (
        _row("float32", _FLOAT32, _FLOAT32, "F32"),
        _row("float64", _FLOAT64, _FLOAT64, "F64"),
        _row("float16", _FLOAT16, _FLOAT32, "F16"),
        _row("bfloat16", BFLOAT16, _FLOAT32, "BF16"),
    )
}


def find_dtype(name: str) -> DType:
    """Return the element type of this name. Raise UnknownName."""
    try:
        return DTYPES[name]
    except KeyError:
        raise unknown_name("dtype", name, DTYPES, kind="dtype", similarity=0.85) from None
