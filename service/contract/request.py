"""The fields of a request. Types are checked here; domains are checked in the core, where they are known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.core.activations import ACTIVATIONS, Activation
from service.core.errors import InitError, InvalidValue, unknown_name
from service.core.layers.roles import ROLES
from service.core.parameters import Kind, Parameter
from service.core.schemes import DEFAULT_SCHEME, SCHEMES, Scheme
from service.core.tensors.tensor import MAX_RANK

_PARAMETERS: dict[str, list[tuple[str, Parameter]]] = {}
_OWNERS: list[Scheme | Activation] = [*SCHEMES.values(), *ACTIVATIONS.values()]
for _owner in _OWNERS:
    for _row in _owner.parameters:
        _PARAMETERS.setdefault(_row.name, []).append((_owner.name, _row))

PARAMETER_NAMES = sorted(_PARAMETERS)


def described_parameter(name: str) -> str:
    """What a parameter is, for each scheme and activation that has it."""
    owners_of: dict[str, list[str]] = {}
    for owner, row in _PARAMETERS[name]:
        owners_of.setdefault(row.summary, []).append(owner)
    return "; ".join(f"{summary} (of {', '.join(owners)})" for summary, owners in owners_of.items())


def choices_of(name: str) -> list[str]:
    """The choices of a parameter in any of its schemes."""
    return list(dict.fromkeys(choice for _, row in _PARAMETERS[name] for choice in row.choices))


def parameter_row(name: str) -> Parameter:
    """A parameter's row in the first scheme that has it."""
    return _PARAMETERS[name][0][1]


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field. `field` is its place, dots between levels."""

    field: str
    expected: str
    received: str
    action: str

    @classmethod
    def of(cls, error: InitError) -> Self:
        """The same, of an error of the core."""
        return cls(error.field, error.expected, error.received, error.action)

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected}; received {self.received}. {self.action}"


class InvalidRequest(Exception):
    """A request whose fields are of the wrong type; `malformed` when it is not even JSON."""

    def __init__(self, errors: list[FieldError], *, malformed: bool = False) -> None:
        self.errors = errors
        self.malformed = malformed
        super().__init__(" ".join(map(str, errors)))


class Named(BaseModel):
    """A scheme or an activation with its parameters, which the registry knows."""

    model_config = ConfigDict(strict=True, extra="allow")

    name: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters given beside the name."""
        return dict(self.__pydantic_extra__ or {})


Text = Annotated[str, Field(max_length=1024)]


class Expression(BaseModel):
    """An activation as a formula in x, which core/expressions reads."""

    model_config = ConfigDict(strict=True, extra="forbid")

    expression: Text


Seed = int | Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]


class Request(BaseModel):
    """Fields of a request. Parameters of the scheme and the activation may stand beside them: they are `extra`."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    @property
    def flat_parameters(self) -> dict[str, Any]:
        """What was given beside the fields."""
        return dict(self.__pydantic_extra__ or {})

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read a JSON body. Raises InvalidRequest, InitError."""
        try:
            request = cls.model_validate_json(body)._with_known_fields()
        except ValidationError as error:
            raise _invalid(cls, error) from None
        _CHECK.decode(body.decode("utf-8"))
        return request

    @classmethod
    def from_text(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Read a query or a command line: the same fields, each as text. Raises InvalidRequest, InitError."""
        values: dict[str, Any] = {}
        for name, text in pairs:
            if name in values:
                _refuse_twice(name)
            values[name] = _value(name, text)
        try:
            return cls.model_validate(values)._with_known_fields()
        except ValidationError as error:
            raise _invalid(cls, error) from None

    def _with_known_fields(self) -> Self:
        known = self.parameter_names()
        for name in self.__pydantic_extra__ or ():
            if name not in known:
                fields = list(type(self).model_fields)
                listed = [*fields, "and the parameters of the scheme and the activation (/schemes, /activations)"]
                raise unknown_name(name, name, [*fields, *known], kind="field", listed=listed)
        return self

    @classmethod
    def parameter_names(cls) -> list[str]:
        """The parameters that may stand beside its fields."""
        return PARAMETER_NAMES


class InitRequest(Request):
    """One tensor to initialize. A field's description is what it takes."""

    shape: Annotated[list[int], Field(max_length=MAX_RANK)] = Field(
        description="the lengths of the dimensions, each an integer of at least 1: [out, in, *kernel], or as `layout` says",
        examples=[[256, 784]],
    )
    scheme: Text | Named = Field(
        default=DEFAULT_SCHEME, description="the name of a scheme, auto (chosen from the activation), or an object of a name and parameters"
    )
    activation: Text | Named | Expression | None = Field(
        default=None,
        description="the name of the activation after the layer, or an object of a name and parameters, or of an expression in x",
    )
    layer: Text | None = Field(
        default=None,
        description="what its axes mean: dense, conv, conv_transpose, depthwise, embedding or recurrent; left out, as the rank says",
    )
    groups: int | None = Field(default=None, description="an integer of at least 1: a convolution's groups; for depthwise, its channels")
    packed: int = Field(default=1, description="an integer of at least 1: the matrices stacked along the outputs, 3 for q, k, v in one")
    fan_convention: Text | None = Field(
        default=None,
        description="who counts the fans: true, torch, keras or jax; left out, the library that the scheme's name belongs to, else true",
    )
    layout: Text = Field(
        default="torch", description="torch ([out, in, *kernel]), or keras, jax or flax ([*kernel, in, out]): the same numbers, transposed"
    )
    dtype: Text = Field(
        default="float32", description="float32, float64 (the same draws with more digits), float16 or bfloat16 (the same numbers, rounded)"
    )
    seed: Seed | None = Field(
        default=None, description="an integer from 0 to 2^64 - 1, as a number or as a decimal string; left out, a fresh one, reported back"
    )
    name: Text | None = Field(default=None, description="the tensor's name, a string: tensors of different names are independent")
    slice: Text | None = Field(default=None, description="the part to answer, in NumPy's basic slicing as text, such as '128:256, :'")
    format: Text | None = Field(
        default=None, description="npy, json, safetensors, npz or raw; left out, the Accept header decides, then npy"
    )
    fan_in: int | None = Field(
        default=None, description="an integer of at least 1, instead of the shape's own fan_in: for a bias, its weight's"
    )
    fan_out: int | None = Field(default=None, description="an integer of at least 1, instead of the shape's own fan_out")

    @property
    def specification(self) -> str:
        """All that it says of the layer, and nothing of the one tensor: as text, in which 1, 1.0 and True, equal to Python, differ."""
        return repr(self.model_dump(exclude=_OF_ONE_TENSOR, exclude_unset=True))


_OF_ONE_TENSOR = {"seed", "name", "slice", "dtype", "format"}


class RecommendRequest(Request):
    """An activation, a layer, or both; and the fans and the depth if the numbers are wanted too."""

    activation: Text | Named | Expression | None = Field(
        default=None,
        description="the name of an activation, or an object of a name and parameters, or of an expression in x",
        examples=["relu"],
    )
    layer: Text | None = Field(
        default=None, description=f"what the weight is in the network: {', '.join(ROLES)}; left out, the activation decides"
    )
    num_layers: int | None = Field(
        default=None, description="an integer of at least 1: the layers of the network, for what feeds a residual stream"
    )
    class_prior: float | None = Field(default=None, description="a number above 0 and below 1: the share of a class, for a sigmoid head")
    distribution: Text | None = Field(default=None, description="normal, truncated_normal or uniform; left out, the recommended one")
    fan_in: int | None = Field(default=None, description="an integer of at least 1: the inputs of a unit")
    fan_out: int | None = Field(default=None, description="an integer of at least 1: the units that an input feeds")

    @classmethod
    def parameter_names(cls) -> list[str]:
        """The parameters that may stand beside its fields."""
        return sorted({row.name for activation in ACTIVATIONS.values() for row in activation.parameters})


_TEXT_FIELDS = {"activation", "scheme", "layer", "layout", "fan_convention", "dtype", "name", "slice", "format", "distribution"} | {
    name for name, rows in _PARAMETERS.items() if all(row.kind is Kind.CHOICE for _, row in rows)
}


_BY_X = re.compile(r"\d+(\s*x\s*\d+)+", re.ASCII)


def _value(name: str, text: str) -> Any:
    """A field's value from its text; text that cannot be read stays text, for the check to name what was received."""
    if name == "shape":
        return _shape(text)
    if name in ("scheme", "activation") and text.lstrip().startswith("{"):
        return _json(text)
    return text if name in _TEXT_FIELDS else _scalar(text)


def _shape(text: str) -> Any:
    """`512,784`, `512x784`, `(512, 784)` and `[512, 784]` are the same; `()` is a scalar's."""
    inner = text.strip()
    bracketed = inner[:1] + inner[-1:] in ("()", "[]")
    inner = inner[1:-1].strip() if bracketed else inner
    if bracketed and not inner:
        return []
    return [_scalar(item) for item in re.split(r"\s*[x,]\s*" if _BY_X.fullmatch(inner) else ",", inner.rstrip(","))]


def _scalar(text: str) -> Any:
    match text.strip().casefold():
        case "true":
            return True
        case "false":
            return False
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _json(text: str) -> Any:
    try:
        return _READER.decode(text)
    except InitError:
        raise
    except (ValueError, RecursionError):
        return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose names differ: of two readers one would take the first of two, another the last. Raises InvalidValue."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        _refuse_twice(next(name for name in names if names.count(name) > 1))
    return content


def _refuse_twice(name: str) -> NoReturn:
    raise InvalidValue(name, expected="each field once", received=f"{name} twice", action="Leave one out.")


_READER = json.JSONDecoder(object_pairs_hook=_object)
_CHECK = json.JSONDecoder(object_pairs_hook=_object, parse_int=str)  # of names alone: numbers may be as long as they like


def _invalid(model: type[BaseModel], error: ValidationError) -> InvalidRequest:
    details = error.errors(include_url=False, include_context=False)
    malformed = any(detail["type"] == "json_invalid" for detail in details)
    by_field = {found.field: found for found in (_field_error(model, detail) for detail in details)}
    return InvalidRequest(list(by_field.values()), malformed=malformed)


def _field_error(model: type[BaseModel], detail: Mapping[str, Any]) -> FieldError:
    """Of a field whose type is a union there are several, which say the same: what the field takes."""
    if detail["type"] == "json_invalid":
        return FieldError("body", "valid JSON", detail["msg"].removeprefix("Invalid JSON: "), "Send one JSON object.")
    if not detail["loc"]:
        return FieldError("body", "a JSON object", _short(detail["input"]), "Send an object of fields.")
    name = str(detail["loc"][0])
    expected = model.model_fields[name].description or detail["msg"]
    if detail["type"] == "missing" and len(detail["loc"]) == 1:
        return FieldError(name, expected, "nothing", f"Give {name}: it has no default.")
    return FieldError(name, expected, _short(detail["input"]), "See /docs for the fields and examples.")


def _short(value: object, longest: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
