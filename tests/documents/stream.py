"""The tables and the worked numbers of STREAM.md."""

from __future__ import annotations

import json
import re
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from service.core import quantiles
from service.core.philox import Stream
from service.core.quantiles import Table, join, normal32, normal64, quantile_range, truncated32, truncated64, uniform32, uniform64

_EDGE_WORDS = (0, 1, (1 << 23) - 1, 1 << 23, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_STREAMS = ((7, None, 0), (7, "conv1.weight", 0), (2**64 - 1, "é", 2**34 + 1))
_CUTS = ((-2.0, 2.0), (0.0, 1.5))


def float32_coefficients() -> str:
    """P, Q and T, with their bits."""
    return _coefficients({"P": quantiles._P32, "Q": quantiles._Q32, "T": quantiles._T32})


def float64_coefficients() -> str:
    """A to F, with their bits."""
    return "\n\n".join(
        _coefficients(tables)
        for tables in (
            {"A": quantiles._A64, "B": quantiles._B64},
            {"C": quantiles._C64, "D": quantiles._D64},
            {"E": quantiles._E64, "F": quantiles._F64},
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
    """As many as read back to the same float."""
    return 9 if x.itemsize == 4 else 17


def vectors() -> str:
    """Ids, words and draws of a few streams, in JSON."""
    numbers = {
        "words": [_words(*row) for row in _STREAMS],
        "draws": _draws(Stream.of(7)),
        "normal_f32_of_words": {f"{word:08x}": _bits(normal32(np.array([word], np.uint32)))[0] for word in _EDGE_WORDS},
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


def _bits(values: npt.NDArray[Any]) -> list[str]:
    return [f"{int(value):0{2 * values.itemsize}x}" for value in values.view(f"u{values.itemsize}")]
