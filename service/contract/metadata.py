"""The provenance of a tensor, and its metadata, which adds how the scheme was applied and advice."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import orjson

from service.contract.advice import activation_document, advice_for
from service.contract.specification import CACHE_SIZE
from service.core.advice.warnings import warnings_for
from service.core.initializer import Initializer
from service.core.stream.philox import STREAM_VERSION
from service.core.tensors.dtypes import find_dtype
from service.core.tensors.rules import bounds_in
from service.core.tensors.tensor import VirtualTensor

Facts = dict[str, Any]

# The metadata begins with these keys, in this order. They are about one tensor; the rest is about its initializer.
TENSOR_KEYS = ("name", "slice", "cut", "layer", "stream", "seed", "shape", "layout", "axes", "dtype", "scheme")

_EXACT_JSON_INTEGER = 2**53

# a header must be one line of ASCII
_as_ascii = json.JSONEncoder(separators=(",", ":")).encode


def provenance_of(initializer: Initializer, tensor: VirtualTensor, slice_text: str | None) -> Facts:
    """Return what determines the bytes, in the terms of STREAM.md, and nothing else.

    Files contain it, and their bytes may never change. So it has no advice, no default parameters, no version, and no null values.
    """
    spec, layer = tensor.spec, initializer.specification
    facts = {
        "stream": STREAM_VERSION,
        "seed": json_integer(spec.seed),
        "name": spec.name,
        "shape": list(tensor.shape),
        "layout": layer.layout if layer.axes is None else None,
        "axes": layer.axes,
        "layer": layer.role and layer.role.name,
        "slice": None if slice_text is None else {"of": list(layer.shape), "is": slice_text},
        "dtype": tensor.dtype.name,
        "scheme": initializer.scheme.name,
    } | spec.rule.facts
    return {name: fact for name, fact in facts.items() if fact is not None}


def json_integer(value: int) -> int | str:
    """Return an integer as every JSON reader keeps it exact: beyond 2^53 as a decimal string."""
    return value if value <= _EXACT_JSON_INTEGER else str(value)


def metadata_text(provenance: Facts, initializer: Initializer) -> str:
    """Return the metadata (documents.Metadata) as one line of JSON in ASCII.

    It joins the text about this tensor to the cached text about its initializer, which all tensors of a layer share.
    """
    facts = {name: provenance.get(name) for name in TENSOR_KEYS}
    text = orjson.dumps(facts).decode("utf-8")
    if not text.isascii():  # rare, and several times slower than orjson
        text = _as_ascii(facts)
    return f"{text[:-1]},{initializer_text(initializer, provenance['dtype'])[1:]}"


@lru_cache(maxsize=CACHE_SIZE)
def initializer_text(initializer: Initializer, dtype: str) -> str:
    """Return the metadata from `draw` on: how the scheme was applied, and advice. Raises InitError."""
    rule, specification = initializer.rule, initializer.specification
    bounds = bounds_in(rule, find_dtype(dtype))
    content = rule.facts | {
        "requested": specification.scheme,
        "parameters": {name: value for name, value in initializer.parameters.items() if value is not None},
        "formula": initializer.scheme.formula,
        "mean": rule.mean,
        "stddev": rule.stddev,
        "bounds": bounds and list(bounds),
        "fan_in": initializer.fans.fan_in,
        "fan_out": initializer.fans.fan_out,
        "fan_convention": initializer.fan_convention.value,
        "activation": activation_document(initializer.activation),
        "reproducible": "bitwise",
        "recommended": advice_for(initializer.recommended, initializer.activation),
        "warnings": warnings_for(initializer),
        **_extras(initializer),
    }
    return _as_ascii({name: fact for name, fact in content.items() if name not in TENSOR_KEYS})


def _extras(initializer: Initializer) -> Facts:
    """Return what the scheme needs besides the tensor, such as a factor in the forward pass. Most schemes need nothing."""
    scheme = initializer.scheme
    extras = scheme.extras(initializer.parameters, initializer.fans) if scheme.extras else {}
    return {"extras": extras} if extras else {}
