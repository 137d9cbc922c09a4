"""A request becomes a tensor in a file, and what there is to say about it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from service.contract.metadata import metadata_text, provenance_of
from service.contract.request import InitRequest
from service.contract.specification import initializer_of, specification_of
from service.core.errors import TooLarge
from service.core.tensors.dtypes import find_dtype
from service.core.tensors.rules import is_bitwise, whole_in
from service.core.tensors.tensor import TensorSpec, VirtualTensor, check_name, check_seed, fresh_seed
from service.files.formats import Format
from service.files.virtual import Buffer, VirtualFile

Metadata = dict[str, Any]


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
    initializer = initializer_of(specification_of(request))
    whole = initializer.view
    spec = TensorSpec(
        rule=initializer.rule,
        dtype=find_dtype(request.dtype),
        view=whole if request.slice is None else whole.slice(request.slice),
        seed=fresh_seed() if request.seed is None else check_seed(int(request.seed)),
        name=check_name(request.name),
    )
    tensor = VirtualTensor(spec)
    _check_size(tensor, file_format, limits)
    provenance = provenance_of(initializer, tensor, request.slice)
    text = metadata_text(provenance, initializer)
    return Answer(
        tensor=tensor,
        file=file_format.open(tensor, provenance, json.loads(text) if file_format.carries_advice else {}),
        format=file_format,
        provenance=provenance,
        metadata_text=text,
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
    rule = whole_in(tensor.spec.rule)
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
