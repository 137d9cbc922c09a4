"""Which scheme, activation and parameters a request means."""

from __future__ import annotations

from typing import Any

from service.contract.request import Expression, InitRequest, Named
from service.core.activations import ActivationWithParameters, expressed, find_activation
from service.core.errors import InvalidValue
from service.core.initializer import Initializer, initialize
from service.core.layers.fans import find_fan_convention
from service.core.layers.layer import Layer, find_layer
from service.core.schemes import find_scheme
from service.core.stream.view import Shape

Parameters = dict[str, Any]


def initializer_of(request: InitRequest, shape: Shape) -> Initializer:
    """The initializer of a request whose canonical shape is `shape`. Raises InitError.

    A parameter may stand beside the fields or beside the name of the scheme or the activation that has it.
    """
    scheme_name, parameters = _named(request.scheme)
    scheme, _ = find_scheme(scheme_name)
    flat = request.flat_parameters
    activation = None if request.activation is None else activation_of(request.activation, flat)
    for name, value in flat.items():
        for_the_activation_alone = activation is not None and name in activation.parameters and name not in scheme.parameter_names
        if not for_the_activation_alone:
            _give(parameters, name, value)
    return initialize(
        shape,
        scheme=scheme_name,
        parameters=parameters,
        activation=activation,
        layer=layer_of(request),
        fan_convention=None if request.fan_convention is None else find_fan_convention(request.fan_convention),
        fan_in=request.fan_in,
        fan_out=request.fan_out,
    )


def layer_of(request: InitRequest) -> Layer:
    """The layer of a request. Raises UnknownName."""
    return Layer(None if request.layer is None else find_layer(request.layer), request.groups, request.packed)


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
