"""A tensor in JSON: its shape, dtype and metadata, and its values as nested lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from service.core.tensors.tensor import VirtualTensor


def json_stream(tensor: VirtualTensor, metadata: dict[str, Any]) -> Iterator[bytes]:
    """Yield one JSON object with shape, dtype, data and metadata.

    Every number has the fewest digits that read back as the same float of its dtype. bfloat16 is written as float32.
    """
    values = tensor.read().reshape(tensor.shape)
    if tensor.dtype.name == "bfloat16":
        values = values.astype(np.float32)
    content = {"shape": list(tensor.shape), "dtype": tensor.dtype.name, "data": values, "metadata": metadata}
    yield orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY, default=_scalar)


def _scalar(value: object) -> object:
    """Convert an array of rank 0, which orjson does not serialize by itself."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value[()]
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
