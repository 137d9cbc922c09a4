"""The tables and test vectors of STREAM.md."""

from __future__ import annotations

import json
import re
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from service.core.layers.layouts import view_of
from service.core.stream import quantiles
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.philox import Stream
from service.core.stream.quantiles import Table, join, normal32, normal64, quantile_range, truncated32, truncated64, uniform32, uniform64
from service.core.stream.rare_cuts import rare_cut
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.orthonormal import fill_orthonormal_columns
from service.core.tensors.tensor import TensorSpec, VirtualTensor

# The first and last words, the boundaries between two pieces, and words that reveal a wrong logarithm, threshold or clamp.
_WORDS = (0, 1, 0x5CAC, (1 << 23) - 1, 1 << 23, 0x820B67, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_WORDS_64 = (
    *(0, 0x0DF086DE, 0x0F451BD1, 0x0F451BD2, 0x16C8487F, 0x1334C15EC5EF714C, 0x13333333333331FF, 0x1333333333333200),
    *(0x7FE0B1E495E69B58, 1 << 63, (1 << 64) - 1),
)
_STREAMS = ((7, None, 0), (7, "conv1.weight", 0), (7, "y" * 129, 0), (2**64 - 1, "é", 2**34 + 1))
_CUTS = ((-2.0, 2.0), (0.0, 1.5), (-0.5, 0.25))
_RARE_CUTS = ((5.0, 8.0), (-9.0, -8.5), (0.5, 0.50001))
_ORTHONORMAL = ((7, 0, 1, 1), (7, 0, 6, 6), (2**64 - 1, 1000, 50, 9))
_SCALES = ((0.1, 1 / 3), (0.0, 1e-7))


def float32_coefficients() -> str:
    """Return the coefficients P, Q and T with their bits."""
    return _coefficients({"P": quantiles.P32, "Q": quantiles.Q32, "T": quantiles.T32})


def float64_coefficients() -> str:
    """Return the coefficients A to F with their bits."""
    return "\n\n".join(
        _coefficients(tables)
        for tables in (
            {"A": quantiles.A64, "B": quantiles.B64},
            {"C": quantiles.C64, "D": quantiles.D64},
            {"E": quantiles.E64, "F": quantiles.F64},
        )
    )


def _coefficients(tables: dict[str, Table]) -> str:
    head = "| | " + " | ".join(f"{name} | bits" for name in tables) + " |"
    rows = [
        f"| {k} | " + " | ".join(" | " if x is None else f"{x.item():.{_digits(x)}g} | {_bits(np.array([x]))[0]}" for x in row) + " |"
        for k, row in enumerate(zip_longest(*tables.values()))
    ]
    return "\n".join([head, "|---" * (1 + 2 * len(tables)) + "|", *rows])


def _digits(x: np.floating[Any]) -> int:
    """Return the number of significant digits that read back as the same float."""
    return 9 if x.itemsize == 4 else 17


def vectors() -> str:
    """Return the ids, words and draws of a few streams as JSON."""
    numbers = {
        "words": [_words(*row) for row in _STREAMS],
        "draws": _draws(Stream.of(7)),
        "values": [_values(loc, scale) for loc, scale in _SCALES],
        "rare_cuts": [_rare_cut(Stream.of(7), *cut) for cut in _RARE_CUTS],
        "orthonormal": [_orthonormal(*row) for row in _ORTHONORMAL],
        "truncated_f32_of_word_0": {"cut": [-0.5, 0.25], "f32": _bits(truncated32(np.zeros(1, np.uint32), quantile_range(-0.5, 0.25)))},
        "normal_f32_of_words": {f"{word:08x}": _bits(normal32(np.array([word], np.uint32)))[0] for word in _WORDS},
        "normal_f64_of_words": {f"{word:016x}": _bits(normal64(np.array([word], np.uint64)))[0] for word in _WORDS_64},
    }
    text = json.dumps(numbers, indent=2, ensure_ascii=False)
    on_one_line = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda match: f"[{' '.join(match[1].split())}]", text)
    return f"```json\n{on_one_line}\n```"


def _words(seed: int, name: str | None, start: int) -> dict[str, Any]:
    stream = Stream.of(seed, name)
    return {
        "seed": str(seed),
        "name": name,
        "id": f"{stream.id:016x}",
        "start": start,
        "words": _bits(stream.words(start, start + 6)),
        "second": _bits(stream.second.words(start, start + 6)),
    }


def _draws(stream: Stream) -> dict[str, Any]:
    words = stream.words(0, 4)
    words64 = join(words, stream.second.words(0, 4))
    return {
        "seed": str(stream.seed),
        "name": None,
        "uniform_f32": _bits(uniform32(words)),
        "uniform_f64": _bits(uniform64(words64)),
        "normal_f32": _bits(normal32(words)),
        "normal_f64": _bits(normal64(words64)),
        "truncated": [
            {
                "cut": [low, high],
                "first": (cut := quantile_range(low, high)).first,
                "count": cut.count,
                "f32": _bits(truncated32(words, cut)),
                "f64": _bits(truncated64(words64, cut)),
            }
            for low, high in _CUTS
        ],
    }


def _rare_cut(stream: Stream, low: float, high: float) -> dict[str, Any]:
    words, cut = stream.words(0, 4), rare_cut(low, high)
    assert cut is not None
    return {
        "cut": [low, high],
        "f32": _bits(cut.draw32(words)),
        "f64": _bits(cut.draw64(join(words, stream.second.words(0, 4)))),
    }


def _orthonormal(seed: int, start: int, m: int, n: int) -> dict[str, Any]:
    column = np.empty((m, 1))
    fill_orthonormal_columns(column, range(n - 1, n), 1.0, Stream.of(seed), start)
    return {"seed": str(seed), "s": start, "m": m, "n": n, "f64": _bits(column[[0, min(1, m - 1), m - 1], 0])}


def _values(loc: float, scale: float) -> dict[str, Any]:
    distribution = Distribution(Draw.NORMAL, loc, scale)
    tensors = (VirtualTensor(TensorSpec(distribution, dtype, view_of((4,)), 7)) for dtype in DTYPES.values() if scale >= dtype.smallest)
    return {"draw": "normal", "seed": "7", "loc": loc, "scale": scale} | {tensor.dtype.name: _bits(tensor.read()) for tensor in tensors}


def _bits(values: npt.NDArray[Any]) -> list[str]:
    return [f"{int(value):0{2 * values.itemsize}x}" for value in values.view(f"u{values.itemsize}")]
