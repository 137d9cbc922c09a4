"""What to send: requests as plain values, apart from the sending of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

EXACT_JSON_INTEGER = 2**53  # above it, JSON readers that hold numbers as float64 lose digits


@dataclass(frozen=True)
class Request:
    """An HTTP request. `path` is relative to the URL of the service; `body`, if any, is JSON."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the body needs."""
        return {} if self.body is None else {"Content-Type": "application/json"}


SCHEMES = Request("GET", "/schemes")
ACTIVATIONS = Request("GET", "/activations")


def init_request(
    shape: Sequence[SupportsIndex],
    *,
    format: str | None,
    dtype: npt.DTypeLike | None = None,
    seed: SupportsIndex | None = None,
    **fields: Any,
) -> Request:
    """The request for one tensor. Fields that are None are left to the service, which also checks the values."""
    asked = {"shape": shape, "format": format, "dtype": _dtype_name(dtype), "seed": _json_seed(seed), **fields}
    return Request("POST", "/init", body=json.dumps(_given(asked), default=_plain).encode())


def recommend_request(activation: str, **fields: Any) -> Request:
    """The request for the scheme that fits an activation. Fields that are None are left to the service."""
    return Request("GET", "/recommend", query=_given({"activation": activation, **fields}))


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _dtype_name(dtype: npt.DTypeLike | None) -> str | None:
    """`np.float16` and `np.dtype("float16")` by name; a name as it is, for the service knows more of them than NumPy."""
    return dtype if dtype is None or isinstance(dtype, str) else np.dtype(dtype).name


def _json_seed(seed: object) -> object:
    return str(seed) if isinstance(seed, int | np.integer) and seed > EXACT_JSON_INTEGER else seed


def _plain(value: object) -> object:
    """NumPy's numbers and arrays as Python's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"expected numbers, text, lists and dicts; received {value!r}. Convert it to one of these.")
