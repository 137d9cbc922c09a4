"""Turns a request into a file of a tensor, with metadata."""

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
from service.core.errors import Busy, TooLarge, TooSlow
from service.core.initializer import Initializer
from service.core.stream import engines
from service.core.tensors.cost import read_seconds, whole_seconds
from service.core.tensors.dtypes import find_dtype
from service.core.tensors.rules import Rule, Whole
from service.core.tensors.tensor import TensorSpec, VirtualTensor, check_name, check_seed, fresh_seed
from service.core.tensors.wholes import WHOLES
from service.files.formats import Format
from service.files.virtual import Buffer, VirtualFile

Metadata = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """The largest tensors and checkpoints to serve. They are checked before anything is allocated."""

    max_tensor_bytes: int = 1 << 40
    max_json_elements: int = 1_000_000
    max_structured_elements: int = 1 << 26
    max_compute_s: float = 30.0
    max_whole_bytes: int = WHOLES.max_bytes
    max_checkpoint_tensors: int = 200_000
    max_checkpoint_bytes: int = 1 << 44


@dataclass(frozen=True)
class Answer:
    """A tensor in a file. `provenance` is what determines its bytes. The metadata adds how the scheme was applied, and advice.

    `metadata_text` is one line of JSON in ASCII, which fits into a header. `repeatable`: the request gave a seed, so the same request
    always has the same bytes.
    """

    tensor: VirtualTensor
    file: VirtualFile | Iterator[Buffer]
    format: Format
    provenance: Metadata
    metadata_text: str
    repeatable: bool

    @property
    def metadata(self) -> Metadata:
        """The metadata as a new dictionary, which the caller may change."""
        metadata: Metadata = json.loads(self.metadata_text)
        return metadata

    @property
    def file_name(self) -> str:
        """The name to save the file under."""
        return f"{self.tensor.spec.name or 'weight'}.{self.format.extension}"

    @property
    def nbytes(self) -> int | None:
        """The length of the file in bytes; None if it is known only at the end."""
        if isinstance(self.file, VirtualFile):
            return self.file.nbytes
        return self.format.stream_nbytes(self.tensor, self.provenance) if self.format.stream_nbytes else None

    @property
    def seconds(self) -> float:
        """The estimated CPU time of the whole file, without that of a tensor computed whole."""
        return read_seconds(self.tensor, self.tensor.size) + self.tensor.size * self.format.ns_per_element * 1e-9

    @property
    def total_seconds(self) -> float:
        """The estimated CPU time of the whole file, with that of a tensor computed whole."""
        return self.seconds + whole_seconds(self.tensor)

    @property
    def etag(self) -> str:
        """A validator: two are equal exactly when the bytes of the files are."""
        inputs = [self.format.name, self.metadata if self.format.carries_advice else self.provenance]
        return hashlib.blake2b(orjson.dumps(inputs), digest_size=16).hexdigest()


def answer(request: InitRequest, file_format: Format, limits: Limits) -> Answer:
    """Return the requested tensor in a file format. No element is computed yet. Raises InitError."""
    initializer, tensor = tensor_of(request)
    check_size(tensor, file_format, limits)
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


def tensor_of(request: InitRequest) -> tuple[Initializer, VirtualTensor]:
    """Return the requested tensor and its initializer. Raises InitError."""
    initializer = initializer_of(specification_of(request))
    whole = initializer.view
    spec = TensorSpec(
        rule=initializer.rule,
        dtype=find_dtype(request.dtype),
        view=whole if request.slice is None else whole.slice(request.slice),
        seed=fresh_seed() if request.seed is None else check_seed(int(request.seed)),
        name=check_name(request.name),
    )
    return initializer, VirtualTensor(spec)


def check_size(tensor: VirtualTensor, file_format: Format, limits: Limits) -> None:
    """Check that the tensor is within the limits. Raises TooLarge, and Busy while the kernels that it needs are being loaded."""
    if tensor.nbytes > limits.max_tensor_bytes:
        raise TooLarge(
            "shape",
            expected=f"at most {limits.max_tensor_bytes} bytes (WEIGHT_INIT_MAX_TENSOR_BYTES)",
            received=tensor.nbytes,
            action="Ask for a slice, or ask the operator to raise the limit.",
        )
    if tensor.needs is not None and tensor.size:
        _check_whole(tensor, tensor.needs, limits)
    if file_format.name == "json" and tensor.size > limits.max_json_elements:
        raise TooLarge(
            "shape",
            expected=f"at most {limits.max_json_elements} elements in JSON (WEIGHT_INIT_MAX_JSON_ELEMENTS)",
            received=tensor.size,
            action="Ask for a slice, or for npy, safetensors or raw, which have no such limit.",
        )


def _check_whole(tensor: VirtualTensor, whole: Whole, limits: Limits) -> None:
    """Check the size of what has to be computed at once. Raises TooLarge."""
    nbytes, elements, seconds = whole.peak_bytes(tensor.dtype.draws_in.itemsize), math.prod(whole.shape), whole_seconds(tensor)
    received = f"a shape of {list(whole.shape)}"
    if nbytes > limits.max_whole_bytes:
        expected = f"at most {limits.max_whole_bytes} bytes of memory for {whole.name}, half of what the service has left"
        received += f", which takes {nbytes} bytes"
    elif elements > limits.max_structured_elements:
        expected = f"at most {limits.max_structured_elements} elements for {whole.name} (WEIGHT_INIT_MAX_STRUCTURED_ELEMENTS)"
        received += f", which has {elements}"
    elif seconds > limits.max_compute_s and engines.is_loading():
        raise Busy(f"shape: {whole.name} of this size needs the compiled kernels, which are being loaded. Try again soon.")
    elif seconds > limits.max_compute_s:
        expected = f"at most {limits.max_compute_s:g} s of computation for {whole.name} (WEIGHT_INIT_MAX_COMPUTE_S)"
        received += f", which takes about {seconds:.2g} s"
        raise TooSlow("shape", expected=expected, received=received, action=_smaller(tensor.spec.rule))
    else:
        return
    raise TooLarge("shape", expected=expected, received=received, action=_smaller(tensor.spec.rule))


def _smaller(rule: Rule) -> str:
    """Return what to ask for in place of a tensor of this rule that is too large."""
    lines = rule.lines if isinstance(rule, Whole) else None
    if lines is None:
        return "It is computed whole, so a slice does not help. Use a smaller shape, or a scheme that draws each element."
    kind = "rows" if lines.are_rows else "columns"
    return f"Its {kind} are computed alone, so ask for a slice of fewer {kind}, or use a scheme that draws each element."
