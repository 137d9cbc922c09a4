"""The fields of a request. Their types are checked here, and their domains in the core.

A field's description completes the error message "expected ...". It is also the help text of the command line and of OpenAPI.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.contract.vocabulary import PARAMETER_NAMES
from service.core.activations import ACTIVATIONS
from service.core.layers.roles import ROLES
from service.core.parameters import as_integer
from service.core.schemes import DEFAULT_SCHEME
from service.core.tensors.tensor import MAX_RANK

_LAYER = f"the role of the weight in the network: one of {', '.join(ROLES)}"


class Named(BaseModel):
    """A scheme or an activation, by its name with its parameters beside it."""

    model_config = ConfigDict(strict=True, extra="allow")

    name: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters beside the name."""
        return dict(self.model_extra or {})


MAX_PACKED = 1024

Text = Annotated[str, Field(max_length=1024)]


class Expression(BaseModel):
    """An activation as a formula in x, which core/activations/expressions parses."""

    model_config = ConfigDict(strict=True, extra="forbid")

    expression: Text


Integer = Annotated[int, BeforeValidator(as_integer)]
Seed = Integer | Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]


class Request(BaseModel):
    """The fields of a request. Parameters of the scheme and the activation may stand beside them, as Pydantic's extra fields."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    @property
    def flat_parameters(self) -> dict[str, Any]:
        """The parameters beside the fields."""
        return dict(self.model_extra or {})

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Return the names of the parameters that may stand beside the fields."""
        return PARAMETER_NAMES


class InitRequest(Request):
    """A request for one initialized tensor."""

    shape: Annotated[list[Integer], Field(max_length=MAX_RANK)] = Field(
        description="the lengths of the dimensions, each an integer of at least 0, in `layout` order (by default [out, in, *kernel])",
        examples=[[256, 784]],
    )
    scheme: Text | Named = Field(
        default=DEFAULT_SCHEME,
        description="the name of a scheme, auto (the one that fits the layer and activation), or an object with a name and parameters",
    )
    activation: Text | Named | Expression | None = Field(
        default=None,
        description="the name of the activation after the layer, or an object with a name and parameters, or with an expression in x",
    )
    layer: Text | None = Field(
        default=None,
        description=f"{_LAYER} (default: a dense layer or a convolution, depending on the rank)",
    )
    groups: Integer | None = Field(
        default=None, description="an integer of at least 1: the groups of a convolution, or the channels of a depthwise one"
    )
    packed: Integer | Annotated[list[Integer], Field(min_length=1, max_length=MAX_PACKED)] = Field(
        default=1,
        description="an integer of at least 1: how many matrices are packed along the outputs, such as 3 for q, k and v; or a list of the"
        " outputs of each, such as [4096, 1024, 1024]",
    )
    fan_convention: Text | None = Field(
        default=None,
        description="how to count the fans: true, torch, keras or jax (default: like the library in the scheme's name, else true)",
    )
    layout: Text = Field(
        default="torch",
        description="torch ([out, in, *kernel]), or keras, jax or flax ([*kernel, in, out], with the same numbers transposed)",
    )
    axes: Text | None = Field(
        default=None,
        description="a letter for each axis of the shape, in place of layout: b (independent weights, stacked), o (outputs), i (inputs) or"
        " k (kernel), such as oi, kkio, boi or ioo",
        examples=["boi"],
    )
    dtype: Text = Field(
        default="float32", description="float32, float64 (the same draws with more digits), float16 or bfloat16 (the same numbers, rounded)"
    )
    seed: Seed | None = Field(
        default=None,
        description="an integer from 0 to 2^64 - 1, as a number or a decimal string (default: a fresh one, which the response reports)",
    )
    name: Text | None = Field(default=None, description="the tensor's name, a string (tensors with different names are independent)")
    slice: Text | None = Field(default=None, description="the part to return, in NumPy's basic slicing as a string, such as '128:256, :'")
    format: Text | None = Field(
        default=None,
        description="npy, json, safetensors, npz or raw (default: what the Accept header or the file extension asks for, else npy)",
    )
    padding_idx: Integer | None = Field(
        default=None,
        description="an integer: the entry of an embedding that is zero; a negative one counts from the end",
    )
    fan_in: Integer | None = Field(
        default=None, description="an integer of at least 1, instead of the fan_in of the shape; for a bias, the fan_in of its weight"
    )
    fan_out: Integer | None = Field(default=None, description="an integer of at least 1, instead of the fan_out of the shape")


class RecommendRequest(Request):
    """A request for advice about an activation, a layer, or both. With the fans and the depth, the advice has numbers."""

    activation: Text | Named | Expression | None = Field(
        default=None,
        description="the name of an activation, or an object with a name and parameters, or with an expression in x",
        examples=["relu"],
    )
    layer: Text | None = Field(default=None, description=f"{_LAYER} (default: dense, for which the activation decides)")
    num_layers: Integer | None = Field(
        default=None, description="an integer of at least 1: the number of layers of the network, for a weight that feeds a residual stream"
    )
    class_prior: float | None = Field(default=None, description="a number above 0 and below 1: the share of a class, for a sigmoid head")
    distribution: Text | None = Field(default=None, description="normal, truncated_normal or uniform (default: the recommended one)")
    fan_in: Integer | None = Field(default=None, description="an integer of at least 1: the number of inputs of a unit")
    fan_out: Integer | None = Field(default=None, description="an integer of at least 1: the number of units that an input feeds")

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Return the names of the parameters that may stand beside the fields."""
        return sorted({row.name for activation in ACTIVATIONS.values() for row in activation.parameters})
