"""The JSON documents that are answered: one typed dictionary each, from which the OpenAPI document has their schemas.

Later versions may add keys. None of these types forbids others.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field
from typing_extensions import TypeAliasType, TypedDict

from service.contract.errors import FieldError

Value = float | str | bool
_VALUES = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}]}

ParameterValues = TypeAliasType("ParameterValues", Annotated[dict[str, Value], Field(description="Parameters by name.")])


class AppliedActivation(TypedDict, total=False):
    """An activation, by its name with its parameters beside it, or as a formula."""

    __pydantic_config__ = ConfigDict(json_schema_extra={"additionalProperties": _VALUES})  # type: ignore[misc]  # how Pydantic reads it

    name: str
    expression: str
    assumed: Annotated[bool, Field(description="whether no activation was given, so this one is assumed")]


class Gains(TypedDict):
    """The factors that keep the second moment of the signal, that of the gradient, the signal's variance; and torch's own."""

    forward: float | None
    backward: float | None
    variance: float | None
    torch: float | None


class Advice(TypedDict):
    """The recommended scheme, its numbers, and why."""

    activation: AppliedActivation | None
    scheme: str
    distribution: str | None
    parameters: ParameterValues
    formula: str
    stddev: Annotated[float | None, Field(description="null where a fan that it needs is not known")]
    bound: Annotated[float | None, Field(description="the largest magnitude; for a normal, that of the uniform of the same variance")]
    gain: Gains | None
    bias: Annotated[str, Field(description="the scheme of the bias")]
    bias_value: float | None
    reason: str
    reference: str | None


class Alternative(TypedDict):
    """Another scheme, when it may serve, and what it does to the variance in each layer."""

    scheme: str
    parameters: ParameterValues
    when: str
    stddev: float | None
    variance_per_layer: float | None


class Recommendation(Advice):
    """The recommended scheme, its numbers, why, and what else may serve."""

    layer: str
    fan_in: int | None
    fan_out: int | None
    variance_per_layer: Annotated[float | None, Field(description="the factor on the signal's second moment: 1 is steady")]
    alternatives: list[Alternative]


Slice = TypedDict("Slice", {"of": Annotated[list[int], Field(description="the shape of the whole")], "is": str})
Slice.__doc__ = "The part that was asked for."


class Repetition(TypedDict):
    """So many elements in succession, so many times."""

    block: int
    times: int


class Metadata(TypedDict):
    """How a tensor was made, and what to think of it."""

    name: str | None
    slice: Slice | None
    cut: Annotated[list[float | None] | None, Field(description="the cuts of a truncated normal: so many times `scale` from `loc`")]
    layer: str | None
    stream: Annotated[int, Field(description="the version of the stream")]
    seed: Annotated[int | str, Field(description="a string beyond 2^53")]
    shape: list[int]
    layout: str
    dtype: str
    scheme: str
    draw: str
    loc: NotRequired[float]
    scale: NotRequired[float]
    repeated: NotRequired[Annotated[Repetition, Field(description="that blocks of outputs are equal")]]
    requested: Annotated[str, Field(description="the scheme as it was asked for")]
    parameters: ParameterValues
    formula: str
    mean: float | None
    stddev: Annotated[float | None, Field(description="that of the values, after truncation")]
    bounds: list[float] | None
    fan_in: int | None
    fan_out: int | None
    fan_convention: str
    activation: AppliedActivation | None
    reproducible: Annotated[str, Field(description="bitwise, or how nearly")]
    recommended: Advice
    warnings: list[str]
    extras: NotRequired[
        Annotated[ParameterValues, Field(description="what the scheme wants done beside the tensor, such as a forward multiplier")]
    ]


class Tensor(TypedDict):
    """A tensor in JSON."""

    shape: list[int]
    dtype: str
    data: Annotated[float | list[Any], Field(description="nested lists of the shape; a number for a scalar")]
    metadata: Annotated[Metadata, Field(description="the same as in the header Weight-Init")]


class ParameterDescription(TypedDict):
    """A parameter of a scheme or an activation."""

    name: str
    summary: str
    domain: Annotated[str, Field(description="the values that it takes, in words")]
    default: Annotated[Value | None, Field(description="null where there is none")]
    required: bool


class SchemeAlias(TypedDict):
    """Another name of a scheme, and what it presets."""

    name: str
    parameters: ParameterValues


class SchemeDescription(TypedDict):
    """A scheme."""

    name: str
    summary: str
    formula: str
    aliases: list[SchemeAlias]
    parameters: list[ParameterDescription]
    needs_fans: bool
    reference: str | None


class SchemeCatalogue(TypedDict):
    """Every scheme."""

    schemes: list[SchemeDescription]


class ActivationDescription(TypedDict):
    """An activation."""

    name: str
    formula: str
    aliases: list[str]
    parameters: list[ParameterDescription]
    gain: Gains | None
    recommended: Annotated[str, Field(description="the scheme that fits")]
    reference: str | None


class ActivationCatalogue(TypedDict):
    """Every activation."""

    activations: list[ActivationDescription]


class Health(TypedDict):
    """The process answers."""

    status: str
    version: str


class Readiness(TypedDict):
    """The process wants requests."""

    status: str
    engine: Annotated[str, Field(description="what computes: numba or numpy")]


class Problem(TypedDict):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Field(description="what was expected, what was received, what to do")]
    errors: NotRequired[list[FieldError]]
