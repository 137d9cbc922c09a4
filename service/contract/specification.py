"""What a request says of a layer, worked out once: a model has many layers, and asks for each of them with its own name and seed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from service.contract.advice import advice_for, described_activation
from service.contract.request import InitRequest
from service.contract.resolve import initializer_of, layer_of
from service.core.advice.warnings import warnings_for
from service.core.initializer import Initializer, recommended
from service.core.layers.layer import LayerKind
from service.core.layers.layouts import canonical_shape, find_layout, view_of
from service.core.stream.view import Shape, View
from service.core.tensors.rules import is_bitwise
from service.core.tensors.tensor import check_shape

Description = dict[str, Any]

# Some 5 KiB each, so 10 MiB when full; a large model has a few dozen.
REMEMBERED = 1024

# What the metadata begins with: facts of the one tensor that was asked for (and `cut`, of its rule), in this order.
OF_THE_TENSOR = ("name", "slice", "cut", "layer", "stream", "seed", "shape", "layout", "dtype", "scheme")

# one line, and nothing but ASCII, as a header must be
as_ascii = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, eq=False)
class Specified:
    """What a specification comes to. `shape` is canonical; `view` is the whole in the layout that was asked for.

    It is shared by all answers of one specification, and nothing of it can be changed.
    """

    initializer: Initializer
    shape: Shape
    layout: str
    layer: LayerKind | None
    view: View


def specified_by(request: InitRequest) -> Specified:
    """What the specification of a request comes to. Raises InitError."""
    return _specified_by(_Specification(request.specification, request))


@lru_cache(maxsize=REMEMBERED)
def described(specified: Specified) -> str:
    """The metadata from `draw` on: how the distribution came about, and what to think of it. Raises InitError.

    As JSON, which nobody can change, and which is most of the header `Weight-Init` as it stands.
    """
    initializer = specified.initializer
    content = initializer.rule.facts | _description(initializer, specified.shape) | _extras(initializer)
    return as_ascii({name: fact for name, fact in content.items() if name not in OF_THE_TENSOR})


@dataclass(frozen=True)
class _Specification:
    """A request under the text of its specification, by which alone it is known."""

    text: str
    request: InitRequest = field(compare=False)


@lru_cache(maxsize=REMEMBERED)
def _specified_by(specification: _Specification) -> Specified:
    request = specification.request
    layout = find_layout(request.layout)
    layer = layer_of(request).kind
    shape = canonical_shape(check_shape(request.shape), layout, layer)
    return Specified(initializer_of(request, shape), shape, layout, layer, view_of(tuple(request.shape), layout, layer))


def lookups() -> tuple[int, int]:
    """How often a specification was known already, and how often not."""
    known = _specified_by.cache_info()
    return known.hits, known.misses


def _description(initializer: Initializer, shape: Shape) -> Description:
    rule, best = initializer.rule, recommended(initializer.activation, initializer.true_fans)
    return {
        "requested": initializer.requested,
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
        "recommended": advice_for(best),
        "warnings": warnings_for(initializer, shape, best),
    }


def _extras(initializer: Initializer) -> Description:
    """What the scheme wants done beside the tensor, such as a factor in the forward pass; nothing where there is nothing."""
    scheme = initializer.scheme
    extras = scheme.extras(initializer.parameters, initializer.fans) if scheme.extras else {}
    return {"extras": extras} if extras else {}
