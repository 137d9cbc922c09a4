"""Recommendations as the documents of responses."""

from __future__ import annotations

import math
from typing import cast

from service.contract.documents import Advice, Alternative, AppliedActivation, Gains, Recommendation
from service.contract.request import RecommendRequest
from service.contract.specification import activation_of
from service.core.activations import ASSUMED_ACTIVATION, EXPRESSION, ActivationWithParameters
from service.core.activations import Gains as ExactGains
from service.core.advice.variance import AppliedAlternative, alternatives_to, variance_per_layer
from service.core.errors import InvalidValue
from service.core.initializer import Recommended, recommend
from service.core.layers.fans import Fans
from service.core.layers.roles import ROLES, Role, find_role
from service.core.layers.weight import weight_of
from service.core.recommendation import Circumstances
from service.core.schemes import DISTRIBUTIONS
from service.core.schemes.auto import recommendation_for
from service.core.tensors.rules import Rule


def activation_document(activation: ActivationWithParameters | None) -> AppliedActivation | None:
    """Describe an activation by its name and parameters, or by its formula. None stays None."""
    if activation is None:
        return None
    if activation.name == EXPRESSION:
        return {"expression": activation.row.formula}
    # a TypedDict cannot say that any parameter may stand beside the name
    return cast(AppliedActivation, {"name": activation.name, **activation.parameters})


def gains_document(gains: ExactGains | None) -> Gains | None:
    """Describe the gains of an activation. None, for one that is not a scalar function, stays None."""
    if gains is None:
        return None
    return {"forward": gains.forward, "backward": gains.backward, "variance": gains.variance, "torch": gains.torch}


def advice_for(recommended: Recommended, activation: ActivationWithParameters | None) -> Advice:
    """Describe the recommended scheme. Without an activation and a role, it is the one for a linear layer, marked as assumed."""
    row, rule = recommended.recommendation, recommended.rule
    # a role says what it sets; an activation's scheme shows all of its parameters
    parameters = recommended.choice.parameters if recommended.choice and recommended.for_role else recommended.parameters
    assumed: AppliedActivation | None = None if recommended.for_role else {"name": ASSUMED_ACTIVATION.name, "assumed": True}
    return {
        "activation": activation_document(activation) or assumed,
        "scheme": recommended.scheme.name,
        "distribution": recommended.draw,
        "parameters": {name: value for name, value in parameters.items() if value is not None},
        "formula": recommended.scheme.formula,
        "stddev": None if rule is None else rule.stddev,
        "bound": None if rule is None else _bound(rule),
        "gain": gains_document(activation.gains if activation else None),
        "bias": row.bias,
        "bias_value": row.bias_value(recommended.known),
        "reason": row.reason,
        "reference": str(row.reference),
    }


def recommendation_of(request: RecommendRequest) -> Recommendation:
    """Return the content of /recommend: the advice, and ranked alternatives. Raises InitError."""
    activation = None if request.activation is None else activation_of(request.activation, request.flat_parameters)
    role = ROLES["dense"] if request.layer is None else find_role(request.layer)
    _check(request, activation, role)
    fans = Fans(request.fan_in, request.fan_out)
    shape = () if fans.fan_in is None or fans.fan_out is None else (fans.fan_out, fans.fan_in)
    weight = weight_of(shape, "oi"[: len(shape)], given=fans, activation=activation)
    row, known = recommendation_for(role, activation), Circumstances(activation, request.num_layers, request.class_prior)
    if need := row.lacks(known):
        raise need.error()
    recommended = recommend(row, role, known, weight, distribution=request.distribution)
    summed = fans.fan_in if role.sums_inputs else None
    advice = advice_for(recommended, activation)
    return {
        **advice,
        "layer": role.name,
        "fan_in": fans.fan_in,
        "fan_out": fans.fan_out,
        "variance_per_layer": variance_per_layer(advice["stddev"], activation, summed),
        "alternatives": [_alternative(row, activation, summed) for row in alternatives_to(recommended, weight)],
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
            action="Leave it out to get the recommended one.",
        )
    if request.num_layers is not None and request.num_layers < 1:
        raise InvalidValue(
            "num_layers",
            expected="an integer of at least 1",
            received=request.num_layers,
            action="Give the number of layers in the network.",
        )
    for name in request.flat_parameters:
        if activation is None or name not in activation.parameters:
            owner = activation.name if activation else f"the layer {role.name}"
            raise InvalidValue(name, expected=f"a parameter of {owner}", received=name, action="Leave it out.")


def _alternative(row: AppliedAlternative, activation: ActivationWithParameters | None, fan_in: int | None) -> Alternative:
    return {
        "scheme": row.alternative.scheme,
        "parameters": row.parameters,
        "when": row.alternative.when,
        "stddev": row.stddev,
        "variance_per_layer": variance_per_layer(row.stddev, activation, fan_in),
    }


def _bound(rule: Rule) -> float | None:
    """Return the bound of the values. A normal distribution has none; its bound is that of the uniform one with the same variance."""
    if rule.bounds is not None:
        return rule.bounds[1]
    return None if rule.stddev is None else math.sqrt(3) * rule.stddev
