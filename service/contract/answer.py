"""A request becomes a tensor in a file, and what there is to say about it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from service.contract.request import InitRequest
from service.contract.specification import OF_THE_TENSOR, Specified, as_ascii, described, specified_by
from service.core.errors import TooLarge
from service.core.stream.philox import STREAM_VERSION
from service.core.tensors.dtypes import find_dtype
from service.core.tensors.rules import is_bitwise, structure_in
from service.core.tensors.tensor import TensorSpec, VirtualTensor, check_name, check_seed, fresh_seed
from service.files.formats import Format
from service.files.virtual import Buffer, VirtualFile

Metadata = dict[str, Any]

_EXACT_JSON_INTEGER = 2**53


@dataclass(frozen=True)
class Limits:
    """The largest answers, checked before anything is allocated."""

    max_tensor_bytes: int = 1 << 40
    max_json_elements: int = 1_000_000
    max_structured_elements: int = 1 << 24
    max_structured_operations: int = 200 * 10**9


@dataclass(frozen=True)
class Answer:
    """A file of one tensor. `provenance` is all that determines its bytes; the metadata adds how that came about, and advice.

    `metadata_text` is one line of JSON in ASCII, which a header can hold; `repeatable`: the request named its seed, so the same
    request will have the same bytes for ever.
    """

    tensor: VirtualTensor
    file: VirtualFile | Iterator[Buffer]
    format: Format
    provenance: Metadata
    metadata_text: str
    repeatable: bool

    @property
    def metadata(self) -> Metadata:
        """All that there is to say about the tensor; the caller's own."""
        metadata: Metadata = json.loads(self.metadata_text)
        return metadata

    @property
    def file_name(self) -> str:
        """What to save it as."""
        return f"{self.tensor.spec.name or 'weight'}.{self.format.extension}"

    @property
    def bitwise(self) -> bool:
        """Whether the bytes are the same on every machine."""
        return is_bitwise(self.tensor.spec.rule)

    @property
    def etag(self) -> str:
        """A validator: equal exactly when the bytes of the file are; where `is_bitwise` is false, up to their last digit."""
        inputs = [self.format.name, self.metadata if self.format.carries_advice else self.provenance]
        return hashlib.blake2b(orjson.dumps(inputs), digest_size=16).hexdigest()


def answer(request: InitRequest, file_format: Format, limits: Limits) -> Answer:
    """The tensor that a request asks for, in a format. Nothing of it is computed yet. Raises InitError."""
    specified = specified_by(request)
    view = specified.view
    spec = TensorSpec(
        rule=specified.initializer.rule,
        dtype=find_dtype(request.dtype),
        view=view if request.slice is None else view.slice(request.slice),
        seed=fresh_seed() if request.seed is None else check_seed(int(request.seed)),
        name=check_name(request.name),
    )
    tensor = VirtualTensor(spec)
    _check_size(tensor, file_format, limits)
    provenance = _provenance(request, specified, tensor)
    metadata_text = _metadata_text(provenance, described(specified))
    return Answer(
        tensor=tensor,
        file=file_format.open(tensor, provenance, json.loads(metadata_text) if file_format.carries_advice else {}),
        format=file_format,
        provenance=provenance,
        metadata_text=metadata_text,
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
    rule = structure_in(tensor.spec.rule)
    if rule is not None and math.prod(rule.shape) > limits.max_structured_elements:
        raise TooLarge(
            "shape",
            expected=f"at most {limits.max_structured_elements} elements for {rule.name} (WEIGHT_INIT_MAX_STRUCTURED_ELEMENTS)",
            received=math.prod(rule.shape),
            action="It must be computed whole, so that a slice does not help; ask for a scheme that draws each element.",
        )
    if rule is not None and rule.operations > limits.max_structured_operations:
        raise TooLarge(
            "shape",
            expected=f"at most {limits.max_structured_operations:.2g} operations for {rule.name} (WEIGHT_INIT_MAX_STRUCTURED_OPERATIONS)",
            received=f"a shape of {list(rule.shape)}, which takes about {rule.operations:.2g}",
            action="It must be computed whole, so that a slice does not help; ask for less, or for a scheme that draws each element.",
        )
    if file_format.name == "json" and tensor.size > limits.max_json_elements:
        raise TooLarge(
            "shape",
            expected=f"at most {limits.max_json_elements} elements in JSON (WEIGHT_INIT_MAX_JSON_ELEMENTS)",
            received=tensor.size,
            action="Ask for npy, safetensors or raw, which have no such limit, or for a slice.",
        )


def _provenance(request: InitRequest, specified: Specified, tensor: VirtualTensor) -> Metadata:
    """All that determines the bytes, in the terms of STREAM.md, and nothing else: it is written into files, whose bytes may
    never change. So no advice, no defaults of parameters, no version, and no field for what was not asked for.
    """
    spec = tensor.spec
    facts = {
        "stream": STREAM_VERSION,
        "seed": spec.seed if spec.seed <= _EXACT_JSON_INTEGER else str(spec.seed),
        "name": spec.name,
        "shape": list(tensor.shape),
        "layout": specified.layout,
        "layer": specified.layer,
        "slice": None if request.slice is None else {"of": list(specified.view.shape), "is": request.slice},
        "dtype": tensor.dtype.name,
        "scheme": specified.initializer.scheme.name,
    } | spec.rule.facts
    return {name: fact for name, fact in facts.items() if fact is not None}


def _metadata_text(provenance: Metadata, description: str) -> str:
    """The facts that the metadata begins with, null for what was not asked for, and then the description, which is text already."""
    facts = _as_ascii({name: provenance.get(name) for name in OF_THE_TENSOR})
    return f"{facts[:-1]},{description[1:]}"


def _as_ascii(facts: Metadata) -> str:
    """Most names are ASCII, and are written several times faster by who would leave others as they are."""
    text = orjson.dumps(facts).decode("utf-8")
    return text if text.isascii() else as_ascii(facts)
