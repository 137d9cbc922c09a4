"""The tensors of a manifest. Each is the one that the same request to /init draws under its name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy.typing as npt
import orjson

from service.checkpoints.literals import LITERAL_DTYPES, VALUES, literal_of
from service.checkpoints.manifest import Entry, Manifest, manifest_from
from service.checkpoints.rules import MATCH, Fields, Rules, merged, says_how_to_draw
from service.contract.answer import Limits, check_size, tensor_of
from service.contract.errors import InvalidRequest
from service.contract.metadata import json_integer, provenance_of
from service.contract.reading import read_fields
from service.contract.request import InitRequest
from service.core.errors import InitError, InvalidValue, TooLarge, UnknownName, unknown_name
from service.core.initializer import Initializer
from service.core.stream.philox import STREAM_VERSION
from service.core.tensors.cost import read_seconds, whole_seconds
from service.core.tensors.tensor import VirtualTensor, check_name, check_seed
from service.files.formats import FORMATS
from service.files.safetensors import Row, check_tensor_name
from service.files.virtual import Literal, Segment, TensorBytes

NOT_IN_MANIFESTS = ("slice", "format")  # about one response; a checkpoint holds whole tensors in one format
_OF_ONE_TENSOR = ("name", "shape", VALUES)
MAX_DIFFERENT = 10_000  # ways to draw a tensor in one checkpoint; each takes 0.2 ms and 8 KiB, and no model has many
_MAX_LISTED = 10  # names in an error or a warning
_MAX_SHOWN = 80  # characters of such a name
_MAX_SUGGESTED_FROM = 1000  # names; comparing one takes 20 µs
_SAFETENSORS = FORMATS["safetensors"]
_COMPACT = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True)
class Drawn:
    """How tensors are drawn that differ in their names alone. `prototype` is one of them."""

    row: Row
    fields: Fields
    initializer: Initializer
    prototype: VirtualTensor
    rule: int | None  # the index of the rule that covers them

    def tensor(self, name: str) -> VirtualTensor:
        """Return the tensor with this name."""
        return VirtualTensor(self.prototype.spec.named(name))

    def segment(self, name: str) -> Segment:
        """Return the bytes of the tensor with this name."""
        return TensorBytes(self.tensor(name))

    @cached_property
    def seconds(self) -> float:
        """The estimated CPU time of one such tensor, with that of what is computed whole."""
        return read_seconds(self.prototype, self.prototype.size) + self.whole_s

    @cached_property
    def whole_s(self) -> float:
        """The part of it that is needed before any element can be read."""
        return whole_seconds(self.prototype)

    @cached_property
    def digest(self) -> bytes:
        """A digest of what determines the bytes of such a tensor, except for its name."""
        return _digest(provenance_of(self.initializer, self.prototype, None) | {"name": None})


@dataclass(frozen=True)
class Stored:
    """A tensor whose values stand in the manifest."""

    row: Row
    values: npt.NDArray[Any]
    seconds = whole_s = 0.0

    def segment(self, _: str) -> Segment:
        """Return the bytes of the tensor."""
        return Literal(self.values.tobytes())

    @cached_property
    def digest(self) -> bytes:
        """A digest of the values."""
        return hashlib.blake2b(self.values.tobytes() + repr(self.row).encode("ascii"), digest_size=16).digest()


Source = Drawn | Stored


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a manifest by their names, in the order of the model.

    `tied` maps the names that no file holds to those that hold their values. `warnings` say what is odd about the manifest.
    """

    manifest: Manifest
    tensors: Mapping[str, Source]
    warnings: tuple[str, ...]

    @property
    def tied(self) -> Mapping[str, str]:
        """The names of tensors that share the values of another, and the name of that one."""
        return self.manifest.tied

    @cached_property
    def nbytes(self) -> int:
        """The length of all tensors in bytes."""
        return sum(source.row.nbytes for source in self.tensors.values())

    @cached_property
    def seconds(self) -> float:
        """The estimated CPU time of all tensors."""
        return sum(source.seconds for source in self.tensors.values())

    @cached_property
    def digest(self) -> str:
        """A digest of everything that determines the bytes of the tensors, in 32 hexadecimal digits."""
        digest = hashlib.blake2b(digest_size=16)
        for name, source in self.tensors.items():
            digest.update(b"%d %s" % (len(name), name.encode("utf-8")) + source.digest)
        return digest.hexdigest()

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The `__metadata__` of its files: what the manifest says, and under `weight_init` how the tensors are drawn."""
        made = {
            "stream": STREAM_VERSION,
            "seed": json_integer(int(self.manifest.seed)),
            "dtype": self.manifest.dtype,
            "layout": self.manifest.layout,
            "rules": [rule.model_dump() for rule in self.manifest.rules],
            "defaults": self.manifest.defaults,
            "digest": self.digest,
        }
        text = _COMPACT.encode({name: value for name, value in made.items() if value not in (None, [], {})})
        return {**self.manifest.metadata, "weight_init": text}

    def source(self, name: str) -> Source:
        """Return the tensor with this name, or the one that shares its values. Raises UnknownName."""
        stored = self.tied.get(name, name)
        if stored not in self.tensors:
            raise _unknown_tensor("tensor", name, [*self.tensors, *self.tied])
        return self.tensors[stored]

    def request(self, name: str) -> InitRequest:
        """Return the request to /init for the tensor with this name. Raises UnknownName, and InvalidValue for a literal."""
        source, stored = self.source(name), self.tied.get(name, name)
        if isinstance(source, Stored):
            raise InvalidValue(
                "tensor",
                expected="a tensor that is drawn",
                received=f"{name}, whose values stand in the manifest",
                action="Read them there or in model.safetensors.",
            )
        return read_fields(InitRequest, source.fields | {"name": stored})


def checkpoint_of(content: Mapping[str, Any] | Manifest, limits: Limits) -> Checkpoint:
    """Return the checkpoint of a manifest. No element is computed. Raises InvalidRequest, InitError."""
    manifest = content if isinstance(content, Manifest) else manifest_from(content, max_tensors=limits.max_checkpoint_tensors)
    check_seed(int(manifest.seed))
    reader = _Reader(manifest, limits)
    tensors = dict(reader.tensors())
    _check_tied(manifest.tied, tensors)
    checkpoint = Checkpoint(manifest, tensors, tuple(_warnings(reader.rules.globs, reader.used)))
    if checkpoint.nbytes > limits.max_checkpoint_bytes:
        raise TooLarge(
            "tensors",
            expected=f"at most {limits.max_checkpoint_bytes} bytes (WEIGHT_INIT_MAX_CHECKPOINT_BYTES)",
            received=checkpoint.nbytes,
            action="Ask for a smaller model, or ask the operator to raise the limit.",
        )
    return checkpoint


class _Reader:
    """Reads the tensors of a manifest. Those with the same fields are resolved once."""

    def __init__(self, manifest: Manifest, limits: Limits) -> None:
        self.rules = Rules([rule.model_dump() for rule in manifest.rules])
        for index, fields in enumerate(self.rules.fields):
            _check_shared(fields, f"rules[{index}]")
        _check_shared(manifest.defaults, "defaults")
        self.used: set[int] = set()
        self._entries, self._limits = manifest.tensors, limits
        self._dtype = manifest.dtype
        shared = {"seed": manifest.seed, "dtype": manifest.dtype}
        self._shared = shared if manifest.layout is None else shared | {"layout": manifest.layout}
        self._defaults = manifest.defaults
        self._drawn: dict[tuple[int | None, bytes], Drawn] = {}
        self._uncovered: list[str] = []

    def tensors(self) -> Iterator[tuple[str, Source]]:
        """Yield the name and the source of each tensor. Raises InvalidRequest, InitError."""
        names: set[str] = set()
        for index, entry in enumerate(self._entries):
            place = f"tensors[{index}]"
            name = _name_of(entry, place)
            if name in names:
                raise InvalidValue(f"{place}.name", expected="each name once", received=f"{name} twice", action="Rename one of them.")
            names.add(name)
            source = self._source(entry, name, place)
            if source is not None:
                yield name, source
        if self._uncovered:
            raise _no_rule_for(self._uncovered)

    def _source(self, entry: Entry, name: str, place: str) -> Source | None:
        """Return the source of a tensor, or None if nothing says how to draw it."""
        if VALUES in entry:
            with _located(place):
                values, dtype = literal_of(entry, self._dtype)
            return Stored(Row(LITERAL_DTYPES[dtype][1], values.shape, values.nbytes), values)
        own = {key: value for key, value in entry.items() if key != "name"}
        rule = self.rules.covering(name)
        if rule is not None:
            self.used.add(rule)
        key = (rule, _key(own))
        if key in self._drawn:
            return self._drawn[key]
        fields = merged(self._shared, self._defaults, {} if rule is None else self.rules.fields[rule], own)
        if len(self._drawn) == MAX_DIFFERENT:
            raise TooLarge(
                place,
                expected=f"at most {MAX_DIFFERENT} tensors that differ in more than their names",
                received="another",
                action="Divide the checkpoint.",
            )
        if not says_how_to_draw(fields):
            self._uncovered.append(name)
            return None
        with _located(place):
            self._drawn[key] = self._resolved(fields, name, rule)
        return self._drawn[key]

    def _resolved(self, fields: Fields, name: str, rule: int | None) -> Drawn:
        for field in NOT_IN_MANIFESTS:
            if field in fields:
                raise InvalidValue(field, expected="no such field in a manifest", received=fields[field], action="Leave it out.")
        initializer, tensor = tensor_of(read_fields(InitRequest, fields | {"name": name}))
        check_size(tensor, _SAFETENSORS, self._limits)
        return Drawn(Row(tensor.dtype.safetensors, tensor.shape, tensor.nbytes), fields, initializer, tensor, rule)


def _check_shared(fields: Fields, place: str) -> None:
    """Check that the fields fit several tensors. Raises InvalidValue."""
    for field in _OF_ONE_TENSOR:
        if field in fields:
            raise InvalidValue(
                f"{place}.{field}", expected="fields that several tensors may share", received=field, action=f"Give {field} in tensors."
            )


@contextmanager
def _located(place: str) -> Iterator[None]:
    """Say in errors where in the manifest they are."""
    try:
        yield
    except InitError as error:
        raise error.within(place) from None
    except InvalidRequest as error:
        raise InvalidRequest([{**row, "field": f"{place}.{row['field']}"} for row in error.errors]) from None


def _name_of(entry: Entry, place: str) -> str:
    name = entry.get("name")
    if not isinstance(name, str):
        raise InvalidValue(f"{place}.name", expected="the name of the tensor, a string", received=name, action="Name each tensor.")
    try:
        check_name(name)
        return check_tensor_name(name)
    except InitError as error:
        raise error.within(place) from None


def _no_rule_for(names: list[str]) -> InvalidValue:
    return InvalidValue(
        "rules",
        expected="a scheme, an activation or a layer for every tensor, from a rule, from defaults or from the tensor itself",
        received=f"none for {', '.join(_some(names))}",
        action=f'Add a rule such as {{"{MATCH}": "{names[0][:100]}", "scheme": "normal", "stddev": 0.02}}.',
    )


def _unknown_tensor(field: str, name: str, known: list[str]) -> UnknownName:
    """Return the error for a name that no tensor has. Of names that differ in their numbers alone, it considers the first."""
    distinct = {re.sub(r"\d+", "0", other): other for other in reversed(known)}
    return unknown_name(field, name, list(distinct.values())[:_MAX_SUGGESTED_FROM], kind="tensor", listed=_some(known))


def _some(names: list[str]) -> list[str]:
    """Return the beginnings of the first names, and how many more there are. A warning has to fit into a header."""
    first = [name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…" for name in names[:_MAX_LISTED]]
    return first if len(names) <= _MAX_LISTED else [*first, f"and {len(names) - _MAX_LISTED} more"]


def _check_tied(tied: Mapping[str, str], tensors: Mapping[str, Source]) -> None:
    for name, stored in tied.items():
        check_name(name)
        if name in tensors:
            raise InvalidValue(
                "tied", expected="names that are not among tensors", received=name, action="Leave it out of tensors: it is not stored."
            )
        if stored not in tensors:
            raise _unknown_tensor(f"tied.{name}", stored, list(tensors))


def _warnings(globs: list[str], used: set[int]) -> Iterator[str]:
    unused = [glob for index, glob in enumerate(globs) if index not in used]
    if unused:
        yield f"No tensor is drawn by these rules, because none matches or an earlier rule does: {', '.join(_some(unused))}."


def _key(fields: Fields) -> bytes:
    try:
        return orjson.dumps(fields)
    except TypeError:  # too deep, or an integer of more than 64 bits; the checks then refuse it
        return repr(fields).encode("utf-8", "surrogatepass")


def _digest(content: object) -> bytes:
    return hashlib.blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
