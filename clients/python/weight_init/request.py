"""Builds requests as plain values. It does not send them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, SupportsIndex

import numpy as np
import numpy.typing as npt

EXACT_JSON_INTEGER = 2**53  # JSON parsers that use float64 lose digits above it

_FORMATS_BY_SUFFIX = {"": None, ".bin": "raw"}  # any other suffix is the name of its format


@dataclass(frozen=True)
class Request:
    """An HTTP request, as the arguments of httpx. `url` is relative to the service's URL; `content` is JSON or None."""

    method: str
    url: str
    params: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def from_byte(self, start: int, etag: str) -> Self:
        """Return the request for the body from byte `start` on, or for all of it if its ETag is no longer `etag`."""
        return replace(self, headers={**self.headers, "Range": f"bytes={start}-", "If-Range": etag})


SCHEMES = Request("GET", "/schemes")
ACTIVATIONS = Request("GET", "/activations")


def init_request(*, dtype: npt.DTypeLike | None = None, seed: SupportsIndex | str | None = None, **fields: Any) -> Request:
    """Return the request for one tensor. Fields that are None are left to the service, which also validates the values."""
    content = _without_none({**fields, "dtype": _dtype_name(dtype), "seed": _json_seed(seed)})
    return Request("POST", "/init", content=_json(content).encode(), headers={"Content-Type": "application/json"})


def recommend_request(**fields: Any) -> Request:
    """Return the request for a recommendation. Fields that are None are left to the service."""
    params = _without_none(fields)
    return Request(
        "GET", "/recommend", params={name: _json(value) if isinstance(value, Mapping) else value for name, value in params.items()}
    )


def format_by(suffix: str) -> str | None:
    """Return the format for a file extension, or None for the service's default."""
    return _FORMATS_BY_SUFFIX.get(suffix.lower(), suffix[1:].lower())


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _dtype_name(dtype: npt.DTypeLike | None) -> str | None:
    """Return the name of a NumPy dtype. A name stays as it is, because the service has dtypes that NumPy does not know."""
    return dtype if dtype is None or isinstance(dtype, str) else np.dtype(dtype).name


def _json_seed(seed: object) -> object:
    return str(seed) if isinstance(seed, int | np.integer) and seed > EXACT_JSON_INTEGER else seed


def _json(value: object) -> str:
    return json.dumps(value, default=_to_builtin)


def _to_builtin(value: object) -> object:
    """Convert NumPy scalars and arrays to built-in types for JSON."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"expected numbers, strings, lists and dicts; received {value!r}. Convert it to one of these.")
