"""The fields of a request. Their types are checked here; their domains are checked in the core, which knows them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.contract.vocabulary import PARAMETER_NAMES
from service.core.activations import ACTIVATIONS
from service.core.layers.roles import ROLES
from service.core.schemes import DEFAULT_SCHEME
from service.core.tensors.tensor import MAX_RANK

_LAYER = f"what the weight is in the network: {', '.join(ROLES)}"


class Named(BaseModel):
    """A scheme or an activation with its parameters, which the registry knows."""

    model_config = ConfigDict(strict=True, extra="allow")

    name: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters given beside the name."""
        return dict(self.model_extra or {})


Text = Annotated[str, Field(max_length=1024)]


class Expression(BaseModel):
    """An activation as a formula in x, which core/activations/expressions reads."""

    model_config = ConfigDict(strict=True, extra="forbid")

    expression: Text


Seed = int | Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]


class Request(BaseModel):
    """Fields of a request. Parameters of the scheme and the activation may stand beside them: they are `extra`."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    @property
    def flat_parameters(self) -> dict[str, Any]:
        """What was given beside the fields."""
        return dict(self.model_extra or {})

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
        default=DEFAULT_SCHEME,
        description="the name of a scheme, auto (chosen for the layer and activation), or an object: name and parameters",
    )
    activation: Text | Named | Expression | None = Field(
        default=None,
        description="the name of the activation after the layer, or an object of a name and parameters, or of an expression in x",
    )
    layer: Text | None = Field(
        default=None,
        description=f"{_LAYER}; left out, a dense layer or a convolution, as the rank says",
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


class RecommendRequest(Request):
    """An activation, a layer, or both; and the fans and the depth if the numbers are wanted too."""

    activation: Text | Named | Expression | None = Field(
        default=None,
        description="the name of an activation, or an object of a name and parameters, or of an expression in x",
        examples=["relu"],
    )
    layer: Text | None = Field(default=None, description=f"{_LAYER}; left out, the activation decides")
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
