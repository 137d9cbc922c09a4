"""A request becomes a tensor in a file, and what there is to say about it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from service.contract.advice import advice_for, described_activation
from service.contract.request import InitRequest
from service.contract.resolve import initializer_of, layer_of
from service.core.assess import warnings_for
from service.core.dtypes import find_dtype
from service.core.errors import TooLarge
from service.core.initializer import Initializer
from service.core.layers import LayerKind, Shape
from service.core.philox import STREAM_VERSION
from service.core.tensor import TensorSpec, VirtualTensor, check_name, check_seed, check_shape, fresh_seed
from service.core.views import View, canonical_shape, find_layout, view_of
from service.files.formats import Format
from service.files.virtual import Buffer, VirtualFile

Metadata = dict[str, Any]

_EXACT_JSON_INTEGER = 2**53


@dataclass(frozen=True)
class Limits:
    """The largest answers, checked before anything is allocated."""

    max_tensor_bytes: int = 1 << 40
    max_json_elements: int = 1_000_000


@dataclass(frozen=True)
class Answer:
    """A file of one tensor. `provenance` is all that determines its bytes; `metadata` adds how that came about, and advice.

    `repeatable`: the request named its seed, so the same request will have the same bytes for ever.
    """

    tensor: VirtualTensor
    file: VirtualFile | Iterator[Buffer]
    format: Format
    provenance: Metadata
    metadata: Metadata
    repeatable: bool

    @property
    def file_name(self) -> str:
        """What to save it as."""
        return f"{self.tensor.spec.name or 'weight'}.{self.format.extension}"

    @property
    def etag(self) -> str:
        """A strong validator: equal exactly when the bytes of the file are."""
        inputs = [self.format.name, self.metadata if self.format.carries_advice else self.provenance]
        return hashlib.blake2b(orjson.dumps(inputs), digest_size=16).hexdigest()


def answer(request: InitRequest, file_format: Format, limits: Limits) -> Answer:
    """The tensor that a request asks for, in a format. Nothing of it is computed yet. Raises InitError."""
    layout = find_layout(request.layout)
    layer = layer_of(request).kind
    shape = canonical_shape(check_shape(request.shape), layout, layer)
    initializer = initializer_of(request, shape)
    view = view_of(tuple(request.shape), layout, layer)
    spec = TensorSpec(
        distribution=initializer.distribution,
        dtype=find_dtype(request.dtype),
        view=view if request.slice is None else view.slice(request.slice),
        seed=fresh_seed() if request.seed is None else check_seed(int(request.seed)),
        name=check_name(request.name),
    )
    tensor = VirtualTensor(spec)
    _check_size(tensor, file_format, limits)
    provenance = _provenance(request, tensor, initializer.scheme.name, view, layout, layer)
    metadata = {"name": None, "slice": None, "cut": None, "layer": None} | provenance | _description(initializer, shape)
    return Answer(
        tensor=tensor,
        file=file_format.open(tensor, provenance, metadata),
        format=file_format,
        provenance=provenance,
        metadata=metadata,
        repeatable=request.seed is not None,
    )


def _check_size(tensor: VirtualTensor, file_format: Format, limits: Limits) -> None:
    if tensor.nbytes > limits.max_tensor_bytes:
        raise TooLarge(
            "shape",
            expected=f"at most {limits.max_tensor_bytes} bytes (WEIGHT_INIT_MAX_TENSOR_BYTES)",
            received=tensor.nbytes,
            action="Ask for a slice of it, or let the operator raise the limit.",
        )
    if file_format.name == "json" and tensor.size > limits.max_json_elements:
        raise TooLarge(
            "shape",
            expected=f"at most {limits.max_json_elements} elements in JSON (WEIGHT_INIT_MAX_JSON_ELEMENTS)",
            received=tensor.size,
            action="Ask for npy, safetensors or raw, which have no such limit, or for a slice.",
        )


def _provenance(request: InitRequest, tensor: VirtualTensor, scheme: str, whole: View, layout: str, layer: LayerKind | None) -> Metadata:
    """All that determines the bytes, in the terms of STREAM.md, and nothing else: it is written into files, whose bytes may
    never change. So no advice, no defaults of parameters, no version, and no field for what was not asked for.
    """
    spec, values = tensor.spec, tensor.spec.distribution
    facts = {
        "stream": STREAM_VERSION,
        "seed": spec.seed if spec.seed <= _EXACT_JSON_INTEGER else str(spec.seed),
        "name": spec.name,
        "shape": list(tensor.shape),
        "layout": layout,
        "layer": layer,
        "slice": None if request.slice is None else {"of": list(whole.shape), "is": request.slice},
        "dtype": tensor.dtype.name,
        "scheme": scheme,
        "draw": values.draw.value,
        "loc": values.loc,
        "scale": values.scale,
        "cut": values.cut and list(values.cut),
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def _description(initializer: Initializer, shape: Shape) -> Metadata:
    """How the distribution came about, and what to think of it."""
    values = initializer.distribution
    return {
        "requested": initializer.requested,
        "parameters": {name: value for name, value in initializer.parameters.items() if value is not None},
        "formula": initializer.scheme.formula,
        "mean": values.mean,
        "stddev": values.stddev,
        "bounds": values.bounds and list(values.bounds),
        "fan_in": initializer.fans.fan_in,
        "fan_out": initializer.fans.fan_out,
        "fan_convention": initializer.fan_convention.value,
        "activation": described_activation(initializer.activation),
        "reproducible": "bitwise",
        "recommended": advice_for(initializer.activation, initializer.true_fans),
        "warnings": warnings_for(initializer, shape),
    }
