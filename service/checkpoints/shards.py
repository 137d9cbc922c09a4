"""The files of a checkpoint: one safetensors file, or shards with an index, as the Hugging Face Hub divides and names them.

The division is that of `split_torch_state_dict_into_shards` in huggingface_hub: shards take the tensors in the order of the model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from typing_extensions import override

from service.checkpoints.checkpoint import Checkpoint
from service.core.errors import InvalidValue, unknown_name
from service.core.tensors.tensor import VirtualTensor
from service.files.formats import FORMATS
from service.files.safetensors import header, in_order
from service.files.virtual import Buffer, Literal, Segment, VirtualFile, fill_with_parts, parts_between, read_parts

DEFAULT_SHARD_BYTES = 5 * 10**9
MIN_SHARD_BYTES = 10**6  # a smaller one divides a large model into millions of files
WHOLE_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
CONFIG_NAME = "config.json"
MANIFEST_NAME = "manifest.json"
FILE_NAMES = (WHOLE_NAME, INDEX_NAME, CONFIG_NAME, MANIFEST_NAME)  # and the shards
MEDIA_TYPE = FORMATS["safetensors"].media_type

SHARD_PATTERN = r"model-[0-9]{5,7}-of-[0-9]{5,7}\.safetensors"
_SHARD_NAME = re.compile(SHARD_PATTERN)
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SIZE = re.compile(r"\s*+(\d{1,15}(?:\.\d{1,6})?)\s*+([kmgt]?i?b?)\s*+", re.ASCII | re.IGNORECASE)


def shard_bytes_from(text: str) -> int:
    """Read a size such as 5GB, 500MB, 2GiB or 5000000000. Raises InvalidValue.

    >>> shard_bytes_from("5GB"), shard_bytes_from("2 GiB")
    (5000000000, 2147483648)
    """
    match = _SIZE.fullmatch(text)
    unit = None if match is None else _UNITS.get(match[2].casefold())
    nbytes = 0 if match is None or unit is None else int(float(match[1]) * unit)
    if nbytes < MIN_SHARD_BYTES:
        raise InvalidValue("shard_size", expected="a size of at least 1MB, such as 5GB", received=text, action="Give a number and a unit.")
    return nbytes


@dataclass(frozen=True)
class Tensors(Segment):
    """The bytes of some tensors of a checkpoint, one after the other."""

    checkpoint: Checkpoint
    names: Sequence[str]

    @cached_property
    def offsets(self) -> list[int]:
        """Where each tensor begins, and then the length of all."""
        return list(accumulate((self.checkpoint.tensors[name].row.nbytes for name in self.names), initial=0))

    @property
    @override
    def nbytes(self) -> int:
        return self.offsets[-1]

    @override
    def read(self, start: int, stop: int) -> Buffer:
        return read_parts(list(parts_between(self.offsets, start, stop)), self._segment)

    @override
    def read_into(self, out: memoryview, start: int) -> None:
        fill_with_parts(out, parts_between(self.offsets, start, start + len(out)), self._segment)

    @override
    def tensors_computed_whole(self, start: int, stop: int) -> Iterator[VirtualTensor]:
        for index, begin, end in parts_between(self.offsets, start, stop):
            if self.checkpoint.tensors[self.names[index]].whole_s:
                yield from self._segment(index).tensors_computed_whole(begin, end)

    def _segment(self, index: int) -> Segment:
        name = self.names[index]
        return self.checkpoint.tensors[name].segment(name)


@dataclass(frozen=True)
class Shard:
    """A safetensors file with some tensors of a checkpoint."""

    checkpoint: Checkpoint
    file_name: str
    names: tuple[str, ...]  # in the order of the file

    @cached_property
    def file(self) -> VirtualFile:
        """The file."""
        return VirtualFile((Literal(self.header), Tensors(self.checkpoint, self.names)))

    @cached_property
    def header(self) -> bytes:
        """The header. It contains a digest of the whole checkpoint, so it differs if any tensor does."""
        tensors = self.checkpoint.tensors
        return header(((name, tensors[name].row) for name in self.names), self.checkpoint.metadata)

    @cached_property
    def etag(self) -> str:
        """A validator: two are equal exactly when the bytes of the files are."""
        return hashlib.blake2b(self.header, digest_size=16).hexdigest()

    @cached_property
    def seconds(self) -> float:
        """The estimated CPU time of the whole file."""
        return sum(self.checkpoint.tensors[name].seconds for name in self.names)

    @cached_property
    def longest_whole_s(self) -> float:
        """The longest CPU time that is needed at once, before any element of a tensor can be read."""
        return max(self.checkpoint.tensors[name].whole_s for name in self.names)


class Shards:
    """A checkpoint as files of about `shard_bytes`. One tensor that is larger has a file of its own."""

    def __init__(self, checkpoint: Checkpoint, shard_bytes: int = DEFAULT_SHARD_BYTES) -> None:
        self.checkpoint = checkpoint
        groups = list(_divided(checkpoint, shard_bytes))
        self.file_names = [WHOLE_NAME] if len(groups) == 1 else [_file_name(number, len(groups)) for number in range(1, len(groups) + 1)]
        self._names = dict(zip(self.file_names, groups))
        self._opened: dict[str, Shard] = {}

    def shard(self, file_name: str) -> Shard:
        """Return one of the files. `model.safetensors` has all tensors, however large. Raises UnknownName."""
        if file_name not in self._opened:
            if file_name == WHOLE_NAME:
                names = list(self.checkpoint.tensors)
            elif file_name in self._names:
                names = self._names[file_name]
            else:
                known = [WHOLE_NAME, INDEX_NAME, *self.file_names]
                raise unknown_name("file", file_name, known, kind="file", listed=[WHOLE_NAME, self.file_names[0], self.file_names[-1]])
            rows = {name: self.checkpoint.tensors[name].row for name in names}
            self._opened[file_name] = Shard(self.checkpoint, file_name, tuple(in_order(rows)))
        return self._opened[file_name]

    def has_header(self, file_name: str) -> bool:
        """Return whether the header of a file is made, which takes long for many tensors."""
        return file_name in self._opened and "header" in vars(self._opened[file_name])

    def __iter__(self) -> Iterator[Shard]:
        return map(self.shard, self.file_names)

    @cached_property
    def index(self) -> dict[str, Any]:
        """The content of model.safetensors.index.json."""
        weight_map = {name: file_name for file_name, names in self._names.items() for name in names}
        return {"metadata": {"total_size": self.checkpoint.nbytes}, "weight_map": dict(sorted(weight_map.items()))}


def is_shard_name(file_name: str) -> bool:
    """Return whether this is the name of a safetensors file of some checkpoint."""
    return file_name == WHOLE_NAME or _SHARD_NAME.fullmatch(file_name) is not None


def _divided(checkpoint: Checkpoint, shard_bytes: int) -> Iterator[list[str]]:
    """Yield the names of the tensors of each shard, in the order in which huggingface_hub numbers them."""
    names: list[str] = []
    nbytes = 0
    for name, source in checkpoint.tensors.items():
        if source.row.nbytes > shard_bytes:
            yield [name]
            continue
        if nbytes + source.row.nbytes > shard_bytes:
            yield names
            names, nbytes = [], 0
        names.append(name)
        nbytes += source.row.nbytes
    if names:
        yield names


def _file_name(number: int, shards: int) -> str:
    return f"model-{number:05d}-of-{shards:05d}.safetensors"
