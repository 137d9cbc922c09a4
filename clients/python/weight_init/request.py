"""What to send: requests as plain values, apart from the sending of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, SupportsIndex

import numpy as np
import numpy.typing as npt

EXACT_JSON_INTEGER = 2**53  # above it, JSON readers that hold numbers as float64 lose digits

_FORMATS_BY_SUFFIX = {"": None, ".bin": "raw"}  # others are the format's name


@dataclass(frozen=True)
class Request:
    """An HTTP request, in httpx's words. `url` is relative to that of the service; `content`, if any, is JSON."""

    method: str
    url: str
    params: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def from_byte(self, start: int, etag: str) -> Self:
        """The same for the rest of a body, from byte `start` on, if it still is the one with that tag; else for all of it."""
        return replace(self, headers={**self.headers, "Range": f"bytes={start}-", "If-Range": etag})


SCHEMES = Request("GET", "/schemes")
ACTIVATIONS = Request("GET", "/activations")


def init_request(*, dtype: npt.DTypeLike | None = None, seed: SupportsIndex | str | None = None, **fields: Any) -> Request:
    """The request for one tensor. Fields that are None are left to the service, which also checks the values."""
    content = _given({**fields, "dtype": _dtype_name(dtype), "seed": _json_seed(seed)})
    return Request("POST", "/init", content=_json(content).encode(), headers={"Content-Type": "application/json"})


def recommend_request(**fields: Any) -> Request:
    """The request for a recommendation. Fields that are None are left to the service."""
    given = _given(fields)
    return Request(
        "GET", "/recommend", params={name: _json(value) if isinstance(value, Mapping) else value for name, value in given.items()}
    )


def format_by(suffix: str) -> str | None:
    """The format of a file, from the extension of its name; None for the service's default."""
    return _FORMATS_BY_SUFFIX.get(suffix.lower(), suffix[1:].lower())


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _dtype_name(dtype: npt.DTypeLike | None) -> str | None:
    """`np.float16` and `np.dtype("float16")` by name; a name as it is, for the service knows more of them than NumPy."""
    return dtype if dtype is None or isinstance(dtype, str) else np.dtype(dtype).name


def _json_seed(seed: object) -> object:
    return str(seed) if isinstance(seed, int | np.integer) and seed > EXACT_JSON_INTEGER else seed


def _json(value: object) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: object) -> object:
    """NumPy's numbers and arrays as Python's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"expected numbers, text, lists and dicts; received {value!r}. Convert it to one of these.")
