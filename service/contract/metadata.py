"""What there is to say about a tensor: its provenance, and the metadata that adds how it came about and what to think of it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import orjson

from service.contract.advice import advice_for, described_activation
from service.contract.specification import REMEMBERED
from service.core.advice.warnings import warnings_for
from service.core.initializer import Initializer
from service.core.stream.philox import STREAM_VERSION
from service.core.tensors.rules import is_bitwise
from service.core.tensors.tensor import VirtualTensor

Facts = dict[str, Any]

# The metadata begins with these facts about the one tensor (and `cut`, which its rule may have), in this order.
OF_THE_TENSOR = ("name", "slice", "cut", "layer", "stream", "seed", "shape", "layout", "dtype", "scheme")

_EXACT_JSON_INTEGER = 2**53

# one line, in ASCII, as a header must be
_as_ascii = json.JSONEncoder(separators=(",", ":")).encode


def provenance_of(initializer: Initializer, tensor: VirtualTensor, slice_text: str | None) -> Facts:
    """All that determines the bytes, in the terms of STREAM.md, and nothing else.

    It is written into files, whose bytes may never change. So it has no advice, no defaults of parameters, no version, and no field for
    what was not asked for.
    """
    spec, layer = tensor.spec, initializer.specification
    facts = {
        "stream": STREAM_VERSION,
        "seed": spec.seed if spec.seed <= _EXACT_JSON_INTEGER else str(spec.seed),
        "name": spec.name,
        "shape": list(tensor.shape),
        "layout": layer.layout,
        "layer": layer.role and layer.role.name,
        "slice": None if slice_text is None else {"of": list(layer.shape), "is": slice_text},
        "dtype": tensor.dtype.name,
        "scheme": initializer.scheme.name,
    } | spec.rule.facts
    return {name: fact for name, fact in facts.items() if fact is not None}


def metadata_text(provenance: Facts, initializer: Initializer) -> str:
    """The metadata (documents.Metadata) as one line of JSON in ASCII.

    Spliced: the facts of the one tensor, null for what was not asked for, before the description of the initializer, which all tensors
    of a layer share.
    """
    facts = {name: provenance.get(name) for name in OF_THE_TENSOR}
    text = orjson.dumps(facts).decode("utf-8")
    if not text.isascii():  # rare, and several times slower
        text = _as_ascii(facts)
    return f"{text[:-1]},{described(initializer)[1:]}"


@lru_cache(maxsize=REMEMBERED)
def described(initializer: Initializer) -> str:
    """The metadata from `draw` on: how the distribution came about, and what to think of it. Raises InitError."""
    rule, specification = initializer.rule, initializer.specification
    content = rule.facts | {
        "requested": specification.scheme,
        "parameters": {name: value for name, value in initializer.parameters.items() if value is not None},
        "formula": initializer.scheme.formula,
        "mean": rule.mean,
        "stddev": rule.stddev,
        "bounds": rule.bounds and list(rule.bounds),
        "fan_in": initializer.fans.fan_in,
        "fan_out": initializer.fans.fan_out,
        "fan_convention": initializer.fan_convention.value,
        "activation": described_activation(initializer.activation),
        "reproducible": "bitwise" if is_bitwise(rule) else "within an ulp of float32",
        "recommended": advice_for(initializer.recommended, initializer.activation),
        "warnings": warnings_for(initializer),
        **_extras(initializer),
    }
    return _as_ascii({name: fact for name, fact in content.items() if name not in OF_THE_TENSOR})


def _extras(initializer: Initializer) -> Facts:
    """What the scheme wants done beside the tensor, such as a factor in the forward pass; empty for most."""
    scheme = initializer.scheme
    extras = scheme.extras(initializer.parameters, initializer.fans) if scheme.extras else {}
    return {"extras": extras} if extras else {}
