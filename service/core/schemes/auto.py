"""The scheme `auto`. It chooses the scheme that the layer's role calls for, or else the one that fits the activation."""

from __future__ import annotations

from typing import Any, NamedTuple

from service.core.activations import ASSUMED_ACTIVATION, ActivationWithParameters
from service.core.errors import InvalidValue
from service.core.layers.roles import Role
from service.core.recommendation import Circumstances, Recommendation
from service.core.schemes import FAMILIES, SCHEMES, Scheme, family_of

EXACT = SCHEMES["variance_scaling"]


class Choice(NamedTuple):
    """The chosen scheme and its parameters."""

    scheme: Scheme
    parameters: dict[str, Any]


def recommendation_for(role: Role | None, activation: ActivationWithParameters | None, *, is_weight: bool = True) -> Recommendation:
    """Return the recommendation for a layer's weight, or its bias (`is_weight` False). With no role or activation, assume linear."""
    if role is not None and role.recommendation is not None and (role.is_vector or is_weight):
        return role.recommendation
    return activation.row.recommendation if activation else ASSUMED_ACTIVATION.recommendation


def choice_of(recommendation: Recommendation, known: Circumstances, distribution: str | None = None) -> Choice:
    """Return the recommended scheme and its parameters, with this distribution or else the recommended one.

    Raises InvalidValue if a circumstance that the recommendation needs is missing, or a gain is infinite.
    """
    need = recommendation.lacks(known)
    if need is not None:
        raise need.error()
    parameters = dict(recommendation.parameters(known))
    if distribution is None:
        return Choice(SCHEMES[recommendation.scheme], parameters)
    if family := family_of(recommendation.scheme):
        name, presets = FAMILIES[family][distribution]
        return Choice(SCHEMES[name], dict(presets))
    scheme = SCHEMES[recommendation.scheme]
    if "distribution" not in scheme.parameter_names:
        raise InvalidValue(
            "distribution",
            expected=f"no distribution, because the recommended {scheme.name} has its own",
            received=distribution,
            action="Leave distribution out, or choose another scheme.",
        )
    return Choice(scheme, {**parameters, "distribution": distribution})


def with_named_gain(choice: Choice, distribution: str | None) -> Choice:
    """Return the choice for a named gain (forward, backward, torch): a scheme that divides by a fan and leaves the rest to the gain.

    He's schemes accept a named gain themselves. So does variance_scaling, which replaces Xavier's and LeCun's schemes.
    """
    if family_of(choice.scheme.name) in ("xavier", "lecun") or choice.scheme is EXACT:
        return Choice(EXACT, {"distribution": distribution or "normal"})
    return choice
