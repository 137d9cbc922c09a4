"""A tensor in JSON: its shape, dtype and metadata, and its values as nested lists. It is written in blocks, to take little memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from service.core.stream.view import Shape
from service.core.tensors.tensor import VirtualTensor

BLOCK = 1 << 14  # elements, at most 25 bytes each


def json_stream(tensor: VirtualTensor, metadata: dict[str, Any], *, block: int = BLOCK) -> Iterator[bytes]:
    """Yield one JSON object with shape, dtype, data and metadata, computing `block` elements at a time.

    Every number has the fewest digits that read back as the same float of its dtype. bfloat16 is written as float32.
    """
    yield orjson.dumps({"shape": list(tensor.shape), "dtype": tensor.dtype.name})[:-1] + b',"data":'
    yield from _lists(tensor, 0, tensor.shape, block)
    yield b',"metadata":' + orjson.dumps(metadata) + b"}"


def _lists(tensor: VirtualTensor, start: int, shape: Shape, block: int) -> Iterator[bytes]:
    """Yield the elements from `start` on as nested lists of this shape."""
    if math.prod(shape) <= block:
        yield _text(tensor, start, shape)
        return
    step = math.prod(shape[1:])  # elements of one item of the outermost list
    count = max(1, block // step)  # items written at once
    yield b"["
    for first in range(0, shape[0], count):
        if first:
            yield b","
        at = start + first * step
        if step <= block:
            yield _text(tensor, at, (min(count, shape[0] - first), *shape[1:]))[1:-1]
        else:
            yield from _lists(tensor, at, shape[1:], block)
    yield b"]"


def _text(tensor: VirtualTensor, start: int, shape: Shape) -> bytes:
    values = tensor.read(start, start + math.prod(shape)).reshape(shape)
    if tensor.dtype.name == "bfloat16":
        values = values.astype(np.float32)
    return orjson.dumps(values if shape else values[()], option=orjson.OPT_SERIALIZE_NUMPY)
