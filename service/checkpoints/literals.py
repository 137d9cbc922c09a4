"""Tensors whose values stand in the manifest: counters, position ids, and small tables that a library computes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from service.core.errors import InvalidValue, unknown_name
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import check_shape
from service.files.safetensors import INTEGERS

VALUES = "values"  # the key that makes a tensor of a manifest a literal
_KEYS = {"name", "shape", "dtype", VALUES}

LITERAL_DTYPES: dict[str, tuple[np.dtype[Any], str]] = {row.name: (row.numpy, row.safetensors) for row in DTYPES.values()} | INTEGERS


def literal_of(entry: Mapping[str, Any], dtype: str) -> tuple[npt.NDArray[Any], str]:
    """Return the values of a literal as an array, and the name of their type. `dtype` is the default. Raises InitError."""
    for key in entry:
        if key not in _KEYS:
            raise InvalidValue(key, expected=f"no other field beside {VALUES}", received=key, action="Leave it out: nothing is drawn.")
    name = entry.get("dtype", dtype)
    if not isinstance(name, str) or name not in LITERAL_DTYPES:
        raise unknown_name("dtype", str(name), LITERAL_DTYPES, kind="dtype")
    shape = check_shape(_shape(entry.get("shape")))
    values = entry[VALUES]
    if not isinstance(values, list) or len(values) != math.prod(shape):
        received = f"{len(values)} values" if isinstance(values, list) else values
        raise InvalidValue(
            VALUES, expected=f"a flat list of {math.prod(shape)} numbers in C order", received=received, action="Correct values or shape."
        )
    return _array(values, LITERAL_DTYPES[name][0], name).reshape(shape), name


def _shape(given: object) -> list[int]:
    if not isinstance(given, list) or not all(type(length) is int for length in given):
        raise InvalidValue("shape", expected="a list of integers of at least 0", received=given, action="Give the shape of the values.")
    return given


def _array(values: list[Any], numpy: np.dtype[Any], name: str) -> npt.NDArray[Any]:
    """Convert JSON numbers, or booleans for `bool`. Raises InvalidValue for a value that the type cannot hold."""
    kinds = (bool,) if name == "bool" else (int,) if numpy.kind in "iu" else (int, float)
    for value in values:
        if type(value) not in kinds or not _fits(value, numpy):
            raise InvalidValue(VALUES, expected=f"values of {name}", received=value, action="Correct the value, or choose another dtype.")
    return np.array(values, np.float64 if numpy.kind not in "iub" else numpy).astype(numpy)


def _fits(value: float, numpy: np.dtype[Any]) -> bool:
    if numpy.kind in "iu":
        limits = np.iinfo(numpy)
        return bool(limits.min <= value <= limits.max)
    return numpy.kind == "b" or (math.isfinite(value) and abs(value) <= next(row.largest for row in DTYPES.values() if row.numpy == numpy))
