"""Turns a request into the specification of a layer, and that into an initializer, once for all tensors of the layer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache, partial
from typing import Any, NamedTuple

from service.contract.request import Expression, InitRequest, Named, RecommendRequest
from service.core.activations import ActivationWithParameters, expressed, find_activation
from service.core.errors import InvalidValue
from service.core.initializer import Initializer, LayerSpecification, initialize
from service.core.layers.fans import find_fan_convention
from service.core.layers.layer import Layer
from service.core.layers.layouts import find_layout
from service.core.layers.roles import find_role
from service.core.parameters import NO_PARAMETERS, FrozenParameters
from service.core.schemes import find_scheme

# The tensors of a model have their own names and seeds, but few different specifications. An entry takes about 5 KiB, so both caches of
# this size take 10 MiB when they are full.
CACHE_SIZE = 1024

_FORMULA_S = 1.0  # at most about this, since the number of operations is limited
_GAINS_S = 0.02

Parameters = dict[str, Any]


def specification_of(request: InitRequest) -> LayerSpecification:
    """Return what the request says about the layer. Raises InitError.

    A parameter may stand beside the fields, or in an object with the name of its scheme or activation.
    """
    scheme_name, parameters = _named(request.scheme)
    flat = request.flat_parameters
    activation = None if request.activation is None else activation_of(request.activation, flat)
    if flat:
        scheme_parameters = find_scheme(scheme_name)[0].parameter_names
        for name, value in flat.items():
            if name in scheme_parameters or activation is None or name not in activation.parameters:
                _set_once(parameters, name, value)
    role = None if request.layer is None else find_role(request.layer)
    return LayerSpecification(
        shape=tuple(request.shape),
        scheme=scheme_name,
        parameters=FrozenParameters(parameters) if parameters else NO_PARAMETERS,
        activation=activation,
        layer=Layer(None if role is None else role.kind, request.groups, _packed(request.packed)),
        role=role,
        layout=find_layout(request.layout),
        axes=_axes(request),
        fan_convention=None if request.fan_convention is None else find_fan_convention(request.fan_convention),
        fan_in=request.fan_in,
        fan_out=request.fan_out,
        padding_idx=request.padding_idx,
    )


def _packed(requested: int | list[int]) -> int | tuple[int, ...]:
    return requested if isinstance(requested, int) else tuple(requested)


def _axes(request: InitRequest) -> str | None:
    if request.axes is not None and "layout" in request.model_fields_set:
        raise InvalidValue(
            "axes", expected="axes or layout, since both say what each axis is", received="both", action="Leave one of them out."
        )
    return request.axes and request.axes.casefold()


@lru_cache(maxsize=CACHE_SIZE)
def initializer_of(specification: LayerSpecification) -> Initializer:
    """Return the initializer of a specification. Equal specifications share one. Raises InitError."""
    return initialize(specification)


def lookups() -> tuple[int, int]:
    """Return the hits and misses of the cache of initializers."""
    info = initializer_of.cache_info()
    return info.hits, info.misses


def activation_of(requested: str | Named | Expression, flat: Parameters) -> ActivationWithParameters:
    """Return the activation of a request, with the parameters beside its name and those among the `flat` ones. Raises InitError."""
    if isinstance(requested, Expression):
        return expressed(requested.expression)
    name, parameters = _named(requested)
    row = find_activation(name)
    for parameter in row.parameters:
        if parameter.name in flat:
            _set_once(parameters, parameter.name, flat[parameter.name])
    return row(**parameters)


class UnknownGains(NamedTuple):
    """Gains of an activation that have not been computed yet: how to compute them, and the estimated CPU time."""

    key: Hashable
    compute: Callable[[], object]
    seconds: float


def unknown_gains(request: InitRequest | RecommendRequest) -> UnknownGains | None:
    """Return what has to be computed before the gains of the activation are known, or None. Raises InitError."""
    if isinstance(request.activation, Expression):
        formula = request.activation.expression
        return None if expressed.knows(formula) else UnknownGains(formula, partial(expressed, formula), _FORMULA_S)
    if request.activation is None:
        return None
    activation = activation_of(request.activation, request.flat_parameters)
    return None if activation.gains_are_known else UnknownGains(activation, lambda: activation.gains, _GAINS_S)


def _named(requested: str | Named) -> tuple[str, Parameters]:
    return (requested, {}) if isinstance(requested, str) else (requested.name, requested.parameters)


def _set_once(parameters: Parameters, name: str, value: object) -> None:
    if name in parameters and parameters[name] != value:
        raise InvalidValue(name, expected="one value", received=[parameters[name], value], action="Give it in one place only.")
    parameters[name] = value
