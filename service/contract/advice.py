"""A recommendation in the words and numbers of an answer."""

from __future__ import annotations

import math
from typing import Any

from service.contract.request import RecommendRequest
from service.contract.resolve import activation_of
from service.core.activations import ActivationWithParameters
from service.core.errors import InvalidValue
from service.core.fans import Fans, fans_of
from service.core.initializer import Initializer, recommended
from service.core.recommend import ASSUMED_ACTIVATION, Alternative, alternatives_for, recommendation_for

Description = dict[str, Any]

_ANY_FANS = Fans(1, 1)  # to name the scheme, which does not depend on them

DISTRIBUTIONS = ("normal", "truncated_normal", "uniform")


def described_activation(activation: ActivationWithParameters | None) -> Description | None:
    """An activation by name, with its parameters; None for none."""
    return None if activation is None else {"name": activation.name, **activation.parameters}


def advice_for(activation: ActivationWithParameters | None, fans: Fans, *, distribution: str | None = None) -> Description:
    """The recommended scheme for an activation (without one, for a linear layer, and says so), with its numbers.

    `stddev` is None when a fan that the scheme divides by is not known.
    """
    chosen = recommended(activation, _ANY_FANS, distribution=distribution)
    row = recommendation_for(activation.name if activation else ASSUMED_ACTIVATION)
    stddev = _stddev(activation, fans, distribution)
    gains = activation.gains if activation else None
    return {
        "activation": described_activation(activation) or {"name": ASSUMED_ACTIVATION, "assumed": True},
        "scheme": chosen.scheme.name,
        "distribution": chosen.distribution.draw.value,
        "parameters": {name: value for name, value in chosen.parameters.items() if value is not None},
        "formula": chosen.scheme.formula,
        "stddev": stddev,
        "bound": _bound(chosen, stddev),
        "gain": None if gains is None else {"forward": gains.forward, "backward": gains.backward},
        "bias": row.bias,
        "reason": row.reason,
        "reference": str(row.reference),
    }


def recommend(request: RecommendRequest) -> Description:
    """The answer of /recommend: the advice, with alternatives. Raises InitError."""
    activation = activation_of(request.activation, request.flat_parameters)
    if request.distribution not in (None, *DISTRIBUTIONS):
        raise InvalidValue(
            "distribution",
            expected="one of " + ", ".join(DISTRIBUTIONS),
            received=request.distribution,
            action="Leave it out for the recommended one.",
        )
    for name in request.flat_parameters:
        if name not in activation.parameters:
            raise InvalidValue(name, expected=f"a parameter of {activation.name}", received=name, action="Leave it out.")
    fans = fans_of((), fan_in=request.fan_in, fan_out=request.fan_out)
    advice = advice_for(activation, fans, distribution=request.distribution)
    alternatives = [_alternative(row) for row in alternatives_for(activation)]
    return advice | {"fan_in": fans.fan_in, "fan_out": fans.fan_out, "alternatives": alternatives}


def _alternative(row: Alternative) -> Description:
    return {"scheme": row.scheme, "parameters": dict(row.parameters), "when": row.when}


def _stddev(activation: ActivationWithParameters | None, fans: Fans, distribution: str | None) -> float | None:
    try:
        return recommended(activation, fans, distribution=distribution).distribution.stddev
    except InvalidValue:  # a fan that it divides by is not known
        return None


def _bound(chosen: Initializer, stddev: float | None) -> float | None:
    """The bound of the values; for a normal, which has none, that of the uniform of the same variance."""
    if stddev is None:
        return None
    bounds = chosen.distribution.bounds
    return math.sqrt(3) * stddev if bounds is None else bounds[1]
