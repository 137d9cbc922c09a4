"""A request becomes a layer's specification, and that its initializer, once for all tensors of the layer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from service.contract.request import Expression, InitRequest, Named
from service.core.activations import ActivationWithParameters, expressed, find_activation
from service.core.errors import InvalidValue
from service.core.initializer import Initializer, LayerSpecification, initialize
from service.core.layers.fans import find_fan_convention
from service.core.layers.layer import Layer
from service.core.layers.layouts import find_layout
from service.core.layers.roles import find_role
from service.core.parameters import NO_PARAMETERS, GivenParameters
from service.core.schemes import find_scheme

# A model has many layers of few kinds, each with a name and a seed of its own. Some 5 KiB each, so 10 MiB when full.
REMEMBERED = 1024

Parameters = dict[str, Any]


def specification_of(request: InitRequest) -> LayerSpecification:
    """All that the request says about the layer. Raises InitError.

    A parameter may stand beside the fields or beside the name of the scheme or the activation that has it.
    """
    scheme_name, parameters = _named(request.scheme)
    flat = request.flat_parameters
    activation = None if request.activation is None else activation_of(request.activation, flat)
    if flat:
        of_scheme = find_scheme(scheme_name)[0].parameter_names
        for name, value in flat.items():
            if name in of_scheme or activation is None or name not in activation.parameters:
                _give(parameters, name, value)
    role = None if request.layer is None else find_role(request.layer)
    return LayerSpecification(
        shape=tuple(request.shape),
        scheme=scheme_name,
        parameters=GivenParameters(parameters) if parameters else NO_PARAMETERS,
        activation=activation,
        layer=Layer(None if role is None else role.kind, request.groups, request.packed),
        role=role,
        layout=find_layout(request.layout),
        fan_convention=None if request.fan_convention is None else find_fan_convention(request.fan_convention),
        fan_in=request.fan_in,
        fan_out=request.fan_out,
    )


@lru_cache(maxsize=REMEMBERED)
def initializer_of(specification: LayerSpecification) -> Initializer:
    """The initializer of a specification, shared by all who ask for an equal one. Raises InitError."""
    return initialize(specification)


def lookups() -> tuple[int, int]:
    """How often an initializer was known already, and how often not."""
    known = initializer_of.cache_info()
    return known.hits, known.misses


def activation_of(requested: str | Named | Expression, flat: Parameters) -> ActivationWithParameters:
    """The activation of a request, with its parameters from beside the name or from beside the fields. Raises InitError."""
    if isinstance(requested, Expression):
        return expressed(requested.expression)
    name, parameters = _named(requested)
    row = find_activation(name)
    for parameter in row.parameters:
        if parameter.name in flat:
            _give(parameters, parameter.name, flat[parameter.name])
    return row(**parameters)


def _named(requested: str | Named) -> tuple[str, Parameters]:
    return (requested, {}) if isinstance(requested, str) else (requested.name, requested.parameters)


def _give(parameters: Parameters, name: str, value: object) -> None:
    if name in parameters and parameters[name] != value:
        raise InvalidValue(name, expected="one value", received=[parameters[name], value], action="Give it in one place.")
    parameters[name] = value
