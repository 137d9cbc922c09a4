"""The manifest of a checkpoint: its tensors, and rules that say how to draw them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.checkpoints.rules import MATCH
from service.contract.errors import FieldError, InvalidRequest
from service.contract.reading import invalid, unique_keys
from service.contract.request import Seed, Text
from service.core.errors import TooLarge

Entry = dict[str, Any]

DEFAULT_SEED = 0
MAX_RULES = 1000
_OBJECTS_OF_A_TENSOR, _VALUES_OF_A_TENSOR = 4, 40  # at most: twice what a tensor with a scheme of many parameters has


class Rule(BaseModel):
    """Fields for every tensor whose name matches the glob `match`."""

    model_config = ConfigDict(strict=True, extra="allow")

    match: Text = Field(
        description="a glob on the names of tensors: * stands for any characters, dots too, ? for one, [abc] for one of these"
    )


class Manifest(BaseModel):
    """The tensors of a checkpoint, and how to draw each.

    A tensor has the fields of a request to /init. The first rule that matches its name fills in what it leaves out, and then `defaults`.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    seed: Seed = Field(default=DEFAULT_SEED, description="an integer from 0 to 2^64 - 1, as a number or a decimal string, for every tensor")
    dtype: Text = Field(default="float32", description="float32, float64, float16 or bfloat16, for every tensor")
    layout: Text | None = Field(default=None, description="torch, keras, jax or flax, for every tensor (default: torch)")
    tensors: list[Entry] = Field(
        description="a list of objects, one for each tensor, in the order of the model: name, shape, and any field of /init; or name,"
        " shape, dtype and values",
        min_length=1,
    )
    rules: Annotated[list[Rule], Field(max_length=MAX_RULES)] = Field(
        default=[],
        description=f"a list of at most {MAX_RULES} objects: a glob `{MATCH}`, and fields for the tensors whose names match it. The first"
        " that matches counts",
    )
    defaults: Entry = Field(default={}, description="an object of fields for every tensor, which those of a rule or a tensor replace")
    tied: dict[str, str] = Field(
        default={},
        description="an object: the name of a tensor that shares the values of another, and the name of that one, which is stored",
    )
    metadata: dict[str, str] = Field(default={}, description="an object of strings that describe the checkpoint")


def read_object(body: bytes, *, max_tensors: int) -> Entry:
    """Read a JSON object, each of whose objects has each key once. Raises InvalidRequest, InitError.

    A body with more values than `max_tensors` tensors need is refused before it is read, as each takes far more memory than in the body.
    """
    _check_count(body, (b"{", b"["), _OBJECTS_OF_A_TENSOR * max_tensors, "objects and lists")
    _check_count(body, (b",",), _VALUES_OF_A_TENSOR * max_tensors, "values")
    try:
        content = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        if not isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
            raise
        received = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _malformed("valid JSON", received, "Send one JSON object.") from None
    if not isinstance(content, dict):
        raise _malformed("a JSON object", type(content).__name__, "Send an object of fields.", malformed=False)
    return content


def manifest_from(content: Mapping[str, Any], *, max_tensors: int) -> Manifest:
    """Return the manifest with this content. Raises InvalidRequest, TooLarge."""
    tensors = content.get("tensors")
    if isinstance(tensors, list) and len(tensors) > max_tensors:
        raise too_many_tensors(max_tensors, len(tensors))
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise invalid(Manifest, error) from None


def _check_count(body: bytes, marks: tuple[bytes, ...], most: int, what: str) -> None:
    count = sum(map(body.count, marks))
    if count > most:
        raise TooLarge(
            "body",
            expected=f"at most {most} {what}, which is enough for the limit on tensors (WEIGHT_INIT_MAX_CHECKPOINT_TENSORS)",
            received=count,
            action="Divide the checkpoint, or ask the operator to raise the limit.",
        )


def too_many_tensors(max_tensors: int, received: int | str) -> TooLarge:
    """Return the error for a manifest with more tensors than the limit."""
    return TooLarge(
        "tensors",
        expected=f"at most {max_tensors} tensors (WEIGHT_INIT_MAX_CHECKPOINT_TENSORS)",
        received=received,
        action="Divide the checkpoint, or ask the operator to raise the limit.",
    )


def _malformed(expected: str, received: str, action: str, *, malformed: bool = True) -> InvalidRequest:
    return InvalidRequest([FieldError(field="body", expected=expected, received=received, action=action)], malformed=malformed)


def _constant(name: str) -> float:
    raise _malformed("numbers of JSON", name, "JSON has no infinity and no NaN: leave it out.")


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS  # too large for any field, which then says so


_MAX_DIGITS = 30
_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys, parse_int=_integer, parse_constant=_constant)
