"""A recommendation in the words and numbers of an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from service.contract.request import RecommendRequest
from service.contract.resolve import activation_of
from service.core.activations import EXPRESSION, ActivationWithParameters
from service.core.errors import InvalidValue
from service.core.initializer import Recommended, initialize, recommended
from service.core.layers.fans import Fans, fans_of
from service.core.layers.roles import ROLES, Circumstances, Role, find_role
from service.core.schemes import find_scheme
from service.core.schemes.auto import ASSUMED_ACTIVATION, Alternative, alternatives_for, recommendation_for
from service.core.stream.distributions import Distribution

Description = dict[str, Any]

_NO_FANS = Fans(None, None)

DISTRIBUTIONS = ("normal", "truncated_normal", "uniform")


def described_activation(activation: ActivationWithParameters | None) -> Description | None:
    """An activation by name, with its parameters, or its formula; None for none."""
    if activation is None:
        return None
    if activation.name == EXPRESSION:
        return {"expression": activation.row.formula}
    return {"name": activation.name, **activation.parameters}


def advice_for(best: Recommended) -> Description:
    """The recommended scheme for an activation (without one, for a linear layer, and says so), with its numbers.

    `stddev` is None when a fan that the scheme divides by is not known.
    """
    activation, values = best.activation, _numbers(best)
    row = recommendation_for(activation.name if activation else ASSUMED_ACTIVATION)
    gains = activation.gains if activation else None
    return {
        "activation": described_activation(activation) or {"name": ASSUMED_ACTIVATION, "assumed": True},
        "scheme": best.scheme.name,
        "distribution": best.draw.value,
        "parameters": {name: value for name, value in best.parameters.items() if value is not None},
        "formula": best.scheme.formula,
        "stddev": values and values.stddev,
        "bound": values and _bound(values),
        "gain": None if gains is None else dict(vars(gains)),
        "bias": row.bias,
        "bias_value": None,
        "reason": row.reason,
        "reference": str(row.reference),
    }


def recommend(request: RecommendRequest) -> Description:
    """The answer of /recommend: the advice, with ranked alternatives. Raises InitError."""
    activation = None if request.activation is None else activation_of(request.activation, request.flat_parameters)
    role = ROLES["dense"] if request.layer is None else find_role(request.layer)
    _check(request, activation, role)
    fans = fans_of((), fan_in=request.fan_in, fan_out=request.fan_out)
    known = Circumstances(_forward_gain(activation), request.num_layers, request.class_prior)
    if role.scheme is None:
        advice = advice_for(recommended(activation, fans, distribution=request.distribution))
        alternatives = alternatives_for(activation) if activation else recommendation_for(ASSUMED_ACTIVATION).alternatives
    else:
        advice, alternatives = _advice_for_role(role, known, activation, fans), role.alternatives
    summed = fans if role.sums_inputs else _NO_FANS
    described = [_alternative(row, known, activation, fans, summed) for row in alternatives]
    per_layer = _per_layer(advice["stddev"], activation, summed)
    return advice | {
        "layer": role.name,
        "fan_in": fans.fan_in,
        "fan_out": fans.fan_out,
        "variance_per_layer": per_layer,
        "alternatives": described,
    }


def _check(request: RecommendRequest, activation: ActivationWithParameters | None, role: Role) -> None:
    if activation is None and request.layer is None:
        expected = RecommendRequest.model_fields["activation"].description or ""
        raise InvalidValue("activation", expected=expected, received=None, action="Give activation, or layer, or both.")
    if request.distribution not in (None, *DISTRIBUTIONS):
        raise InvalidValue(
            "distribution",
            expected="one of " + ", ".join(DISTRIBUTIONS),
            received=request.distribution,
            action="Leave it out for the recommended one.",
        )
    if request.num_layers is not None and request.num_layers < 1:
        raise InvalidValue("num_layers", expected="an integer of at least 1", received=request.num_layers, action="Count the layers.")
    for name in request.flat_parameters:
        if activation is None or name not in activation.parameters:
            owner = activation.name if activation else f"the layer {role.name}"
            raise InvalidValue(name, expected=f"a parameter of {owner}", received=name, action="Leave it out.")


def _forward_gain(activation: ActivationWithParameters | None) -> float | None:
    gains = activation.gains if activation else None
    return None if gains is None else gains.forward


def _advice_for_role(role: Role, known: Circumstances, activation: ActivationWithParameters | None, fans: Fans) -> Description:
    assert role.scheme is not None  # the caller has seen to it
    scheme, _ = find_scheme(role.scheme)
    parameters = role.parameters(known)
    stddev = _stddev_of(role.scheme, parameters, activation, fans)
    gains = activation.gains if activation else None
    return {
        "activation": described_activation(activation),
        "scheme": role.scheme,
        "distribution": None,
        "parameters": dict(parameters),
        "formula": scheme.formula,
        "stddev": stddev,
        "bound": None if stddev is None else math.sqrt(3) * stddev,
        "gain": None if gains is None else dict(vars(gains)),
        "bias": role.bias,
        "bias_value": role.bias_value(known),
        "reason": role.reason,
        "reference": None if role.reference is None else str(role.reference),
    }


def _alternative(
    row: Alternative, known: Circumstances, activation: ActivationWithParameters | None, fans: Fans, summed: Fans
) -> Description:
    """Another scheme, when it may serve, and what it does to the signal's variance in each layer, where that can be told."""
    given = dict(row.parameters) | ({"num_layers": known.num_layers} if row.scheme == "gpt2_residual" and known.num_layers else {})
    stddev = _stddev_of(row.scheme, given, activation, fans)
    return {
        "scheme": row.scheme,
        "parameters": given,
        "when": row.when,
        "stddev": stddev,
        "variance_per_layer": _per_layer(stddev, activation, summed),
    }


def _per_layer(stddev: float | None, activation: ActivationWithParameters | None, fans: Fans) -> float | None:
    """The factor on the signal's second moment: fan_in·Var(w)·E[φ²]. A layer with it is steady where it is 1."""
    gain = _forward_gain(activation)
    if stddev is None or fans.fan_in is None or (activation is not None and gain is None):
        return None
    return fans.fan_in * stddev * stddev / (gain * gain if gain is not None else 1.0)


def _stddev_of(scheme: str, parameters: Mapping[str, Any], activation: ActivationWithParameters | None, fans: Fans) -> float | None:
    """The standard deviation of a scheme for a weight of these fans; None where it needs more than is known."""
    shape = () if fans.fan_in is None or fans.fan_out is None else (fans.fan_out, fans.fan_in)
    try:
        rule = initialize(shape, scheme=scheme, parameters=parameters, activation=activation, fan_in=fans.fan_in, fan_out=fans.fan_out).rule
    except InvalidValue:
        return None
    return rule.stddev


def _numbers(best: Recommended) -> Distribution | None:
    """The recommended distribution for its fans; None where one that it divides by is not known."""
    try:
        return best.distribution
    except InvalidValue:
        return None


def _bound(values: Distribution) -> float:
    """The bound of the values; for a normal, which has none, that of the uniform of the same variance."""
    return math.sqrt(3) * values.stddev if values.bounds is None else values.bounds[1]
