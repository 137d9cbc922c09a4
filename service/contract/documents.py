"""The JSON documents in responses, one typed dictionary each. OpenAPI takes their schemas from here.

Later versions may add keys, so none of these types forbids others.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, WithJsonSchema
from typing_extensions import TypeAliasType, TypedDict

from service.contract.errors import FieldError

Value = float | str | bool
# Values of parameters are numbers, strings or booleans, which clients generated in Java cannot tell apart. So they have no type.
# The schema is written out, because old versions of Pydantic lose the description of an alias.
_PARAMETER_VALUES = {"additionalProperties": True, "description": "Parameters by name.", "type": "object"}
ParameterValues = TypeAliasType("ParameterValues", Annotated[dict[str, Value], WithJsonSchema(_PARAMETER_VALUES)])


_CONFIG = {"additionalProperties": True, "description": "The fields that differ from the defaults of the architecture.", "type": "object"}


class AppliedActivation(TypedDict, total=False):
    """An activation: its name with its parameters beside it, or a formula."""

    __pydantic_config__ = ConfigDict(json_schema_extra={"additionalProperties": True})  # type: ignore[misc]  # where Pydantic looks

    name: str
    expression: str
    assumed: Annotated[bool, Field(description="true if no activation was given, so this one is assumed")]


class Gains(TypedDict):
    """The gains that keep the second moment of the signal, the second moment of the gradient, and the variance of the signal.

    `torch` is the gain of torch.nn.init.calculate_gain.
    """

    forward: float | None
    backward: float | None
    variance: float | None
    torch: float | None


class Advice(TypedDict):
    """The recommended scheme, its numbers, and the reason."""

    activation: AppliedActivation | None
    scheme: str
    distribution: str | None
    parameters: ParameterValues
    formula: str
    stddev: Annotated[float | None, Field(description="null if it depends on a fan that is not known")]
    bound: Annotated[
        float | None, Field(description="the largest magnitude; for a normal distribution, that of the uniform one with the same variance")
    ]
    gain: Gains | None
    bias: Annotated[str, Field(description="the scheme for the bias")]
    bias_value: float | None
    reason: str
    reference: str | None


class Alternative(TypedDict):
    """Another scheme, when to prefer it, and its effect on the variance in each layer."""

    scheme: str
    parameters: ParameterValues
    when: str
    stddev: float | None
    variance_per_layer: float | None


class Recommendation(Advice):
    """The recommended scheme, its numbers, the reason, and alternatives."""

    layer: str
    fan_in: int | None
    fan_out: int | None
    variance_per_layer: Annotated[
        float | None, Field(description="the factor by which a layer changes the second moment of the signal: 1 is steady")
    ]
    alternatives: list[Alternative]


Slice = TypedDict("Slice", {"of": Annotated[list[int], Field(description="the shape of the whole tensor")], "is": str})
Slice.__doc__ = "The requested part of the tensor."


class Repetition(TypedDict):
    """Each block of `block` elements occurs `times` times in succession."""

    block: int
    times: int


class PackedMatrix(TypedDict):
    """The distribution of one packed matrix."""

    elements: int
    draw: str
    loc: float
    scale: float
    cut: NotRequired[list[float | None]]


class Zeros(TypedDict):
    """Elements in a row that are zero, in torch's layout."""

    start: int
    length: int


class PackedUnits(TypedDict):
    """How many independent weights the tensor has, and in which order their outputs and inputs lie."""

    stacked: int
    packed: Annotated[int, Field(description="the number of packed matrices")]
    sizes: NotRequired[Annotated[list[int], Field(description="the outputs of each packed matrix, if they differ")]]
    groups: int
    order: str


class Metadata(TypedDict):
    """How a tensor was made, and advice about it."""

    name: str | None
    slice: Slice | None
    cut: Annotated[
        list[float | None] | None, Field(description="the cuts of a truncated normal distribution, as multiples of `scale` from `loc`")
    ]
    layer: str | None
    stream: Annotated[int, Field(description="the version of the stream")]
    seed: Annotated[int | str, Field(description="a string if it is above 2^53")]
    shape: list[int]
    layout: Annotated[str | None, Field(description="null if the request said what each axis is in `axes`")]
    axes: Annotated[str | None, Field(description="a letter for each axis, if the request gave them")]
    dtype: str
    scheme: str
    draw: str
    loc: NotRequired[float]
    scale: NotRequired[float]
    parts: NotRequired[Annotated[list[PackedMatrix], Field(description="the distribution of each packed matrix, if they differ")]]
    units: NotRequired[Annotated[PackedUnits, Field(description="the independent weights in the tensor, if the scheme places elements")]]
    repeated: NotRequired[Annotated[Repetition, Field(description="which blocks of outputs are equal")]]
    zero: NotRequired[Annotated[Zeros, Field(description="which elements the request set to zero")]]
    requested: Annotated[str, Field(description="the scheme that the request named")]
    parameters: ParameterValues
    formula: str
    mean: float | None
    stddev: Annotated[float | None, Field(description="the standard deviation of the values, after truncation")]
    bounds: list[float] | None
    fan_in: int | None
    fan_out: int | None
    fan_convention: str
    activation: AppliedActivation | None
    reproducible: Annotated[str, Field(description="bitwise: the same bytes on every machine")]
    recommended: Advice
    warnings: list[str]
    extras: NotRequired[
        Annotated[ParameterValues, Field(description="what the scheme needs besides the tensor, such as a factor in the forward pass")]
    ]


class Tensor(TypedDict):
    """A tensor in JSON."""

    shape: list[int]
    dtype: str
    data: Annotated[Any, Field(description="the values as nested lists, or one number for a scalar")]
    metadata: Annotated[Metadata, Field(description="the same as in the header Weight-Init")]


class ParameterDescription(TypedDict):
    """A parameter of a scheme or an activation."""

    name: str
    summary: str
    domain: Annotated[str, Field(description="the values that it accepts, in words")]
    default: Annotated[Value | None, WithJsonSchema({"description": "a number, a string or a boolean; null if there is none"})]
    required: bool


class SchemeAlias(TypedDict):
    """Another name of a scheme, and the parameters that it sets."""

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


class CheckpointRule(TypedDict):
    """A rule of a checkpoint, and the tensors that it draws."""

    match: Annotated[str, Field(description="a glob on the names of tensors")]
    scheme: str
    parameters: ParameterValues
    stddev: Annotated[float | None, Field(description="that of its first tensor; null if there is none")]
    tensors: int
    elements: int


class CheckpointSummary(TypedDict):
    """What a checkpoint holds."""

    model: Annotated[str | None, Field(description="the preset, or the model_type of a config.json; null for a manifest")]
    variant: Annotated[str | None, Field(description="whose rules draw it")]
    seed: Annotated[Any, Field(description="an integer, or a decimal string beyond 2^53")]
    dtype: str
    tensors: int
    parameters: Annotated[int | None, Field(description="the number of trainable values, each shared one once; null for a manifest")]
    elements: Annotated[int, Field(description="the number of values of all tensors, also those that are not trained")]
    bytes: int
    digest: Annotated[str, Field(description="equal for two checkpoints exactly when their tensors are")]
    warnings: list[str]
    tied: Annotated[dict[str, str], Field(description="tensors that are not stored, each with the one that it shares")]
    rules: list[CheckpointRule]
    files: list[str]


class ConfigField(TypedDict):
    """A field of the config.json of an architecture."""

    name: str
    summary: str
    domain: Annotated[str, Field(description="the values that it accepts, in words")]
    default: Annotated[Any, Field(description="null if it follows from other fields")]


class VariantDescription(TypedDict):
    """Whose rules draw a model."""

    name: str
    summary: str
    reference: str | None


class ArchitectureDescription(TypedDict):
    """A family of models."""

    name: str
    summary: str
    library: str
    fields: list[ConfigField]
    variants: list[VariantDescription]


class PresetDescription(TypedDict):
    """A model of a named size."""

    name: str
    architecture: str
    parameters: int
    bytes: Annotated[dict[str, int], Field(description="the length of its tensors for each dtype")]
    config: Annotated[dict[str, Any], WithJsonSchema(_CONFIG)]


class CheckpointCatalogue(TypedDict):
    """Every model that has a name, and every architecture."""

    presets: list[PresetDescription]
    architectures: list[ArchitectureDescription]


class Health(TypedDict):
    """The process is alive."""

    status: str
    version: str


class Readiness(TypedDict):
    """The service is ready for requests."""

    status: str
    engine: Annotated[str, Field(description="the engine that computes: numba or numpy")]


class Problem(TypedDict):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Field(description="what was expected, what was received, and what to do")]
    errors: NotRequired[list[FieldError]]
