"""Checks that the compiled kernels give the known answers, which are those of the NumPy engine, when they are loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np

from service.core.stream import numpy_engine
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.philox import Stream
from service.core.stream.reflections import Reflections
from service.core.stream.view import View

_SIZE = 4096
_STREAM = Stream.of(2**64 - 59, "known answer")
_DISTRIBUTIONS = (
    Distribution(Draw.UNIFORM, -0.3, 1.7),
    Distribution(Draw.NORMAL, 0.1, 0.02),
    Distribution(Draw.TRUNCATED_NORMAL, 0.1, 0.02, (-2.0, 3.0)),
    Distribution(Draw.TRUNCATED_NORMAL, 0.1, 0.02, (-16.0, -2.9)),  # all draws in the tail, which is one draw in 256 of a normal
    Distribution(Draw.TRUNCATED_NORMAL, 0.1, 0.02, (-16.0, -4.16)),  # with one in the far tail of float64, which others never reach
)
_FAR = 9_285_650  # the element at -7.25 standard deviations, where one in a million is
# Each is filled by other kernels: by rows, by columns, and element by element.
_VIEWS = (View((_SIZE,), (1,), _FAR - 5), View((64, 64), (1, 64), _FAR - 1024), View((8, 32, 16), (3, 1000, 31), _FAR - 3))


def wrong_answers(engine: ModuleType) -> list[str]:
    """Return what this engine computes differently from the NumPy engine."""
    wrong = (question for question, answer in _questions() if answer(engine) != answer(numpy_engine))
    return list(dict.fromkeys(wrong))


def _questions() -> Iterator[tuple[str, Callable[[ModuleType], bytes]]]:
    halves = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
    for dtype, distribution, view in product((np.dtype(np.float32), np.dtype(np.float64), *halves), _DISTRIBUTIONS, _VIEWS):
        yield f"{distribution.draw.name} in {dtype}", partial(_filled, dtype, distribution, view)
    for dtype in halves:
        yield f"rounding to {dtype}", partial(_rounded, dtype)
    yield "reflections", _reflected


def _filled(dtype: np.dtype[Any], distribution: Distribution, view: View, engine: ModuleType) -> bytes:
    out = np.empty(view.size, dtype)
    engine.fill(out, distribution, _STREAM, view, 0)
    return out.tobytes()


def _reflected(engine: ModuleType) -> bytes:
    normals, columns = np.empty((2, 4, 49)), np.empty((50, 49))
    for out in (normals, columns):
        engine.fill(out.reshape(-1), Distribution(Draw.NORMAL, 0.0, 1.0), _STREAM, View((out.size,), (1,)), 0)
    reflections = Reflections(np.zeros((2, 50, 4)), np.zeros((2, 4)), np.zeros((2, 4, 4)))
    signs = np.zeros((2, 4))
    for block, of_block in enumerate(normals):
        vectors, factors, products = (part[block] for part in reflections)
        engine.make_block(vectors[4 * block :], factors, products, signs[block], of_block, 4 * block)
    engine.reflect(columns, reflections)
    return columns.tobytes() + signs.tobytes()


def _rounded(dtype: np.dtype[Any], engine: ModuleType) -> bytes:
    halves = np.arange(0x33000000, 0x477FF000, 5 << 12, dtype=np.uint32).view(np.float32)  # half of them lie between two float16
    values = np.concatenate([halves, -halves])
    out = np.empty(len(values), dtype)
    engine.round_into(out, values)
    return out.tobytes()
