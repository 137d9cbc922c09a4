"""`auto` chooses: the scheme that a layer's place calls for, else the one that fits its activation."""

from __future__ import annotations

from typing import Any, NamedTuple

from service.core.activations import ASSUMED_ACTIVATION, ActivationWithParameters
from service.core.errors import InvalidValue
from service.core.layers.roles import Role
from service.core.recommendation import Circumstances, Recommendation
from service.core.schemes import FAMILIES, SCHEMES, Scheme, family_of

EXACT = SCHEMES["variance_scaling"]


class Choice(NamedTuple):
    """A scheme, with the parameters that it was chosen with."""

    scheme: Scheme
    parameters: dict[str, Any]


def recommendation_for(role: Role | None, activation: ActivationWithParameters | None, *, is_weight: bool = True) -> Recommendation:
    """The recommendation for a layer's weight, or for its bias (`is_weight` False); without role and activation, for a linear layer."""
    if role is not None and role.recommendation is not None and (role.is_vector or is_weight):
        return role.recommendation
    return activation.row.recommendation if activation else ASSUMED_ACTIVATION.recommendation


def choice_of(recommendation: Recommendation, known: Circumstances, distribution: str | None = None) -> Choice:
    """The recommended scheme with its parameters, drawn from this distribution or the recommended one.

    Raises InvalidValue where a circumstance is missing that the recommendation needs, or a gain is infinite.
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
            expected=f"no distribution beside {scheme.name}, which is recommended here and has its own",
            received=distribution,
            action="Leave distribution out, or name another scheme.",
        )
    return Choice(scheme, {**parameters, "distribution": distribution})


def with_named_gain(choice: Choice, distribution: str | None) -> Choice:
    """The choice for a gain that is named (forward, backward, torch): a scheme that divides by a fan and leaves the rest to the gain.

    He's schemes take such a gain themselves; so does variance_scaling, which stands in for Xavier's and LeCun's.
    """
    if family_of(choice.scheme.name) in ("xavier", "lecun") or choice.scheme is EXACT:
        return Choice(EXACT, {"distribution": distribution or "normal"})
    return choice
