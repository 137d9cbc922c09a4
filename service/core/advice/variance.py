"""The effect of weights on the signal's variance in one layer, and the numbers of the alternatives to a recommendation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from service.core.activations import ActivationWithParameters
from service.core.errors import InvalidValue
from service.core.initializer import Recommended
from service.core.layers.fans import FanConvention
from service.core.layers.weight import Weight
from service.core.recommendation import Alternative
from service.core.schemes import find_scheme
from service.core.schemes.applying import apply_scheme


@dataclass(frozen=True)
class AppliedAlternative:
    """An alternative with its parameters. `stddev` is None if it depends on something that is not given."""

    alternative: Alternative
    parameters: dict[str, Any]
    stddev: float | None


def alternatives_to(recommended: Recommended, weight: Weight) -> Iterator[AppliedAlternative]:
    """Yield the alternatives to a recommendation, best first, applied to a weight with its true fans."""
    truly = replace(weight, convention=FanConvention.TRUE)
    for row in recommended.recommendation.alternatives:
        parameters = dict(row.parameters(recommended.known))
        yield AppliedAlternative(row, parameters, _stddev(row.scheme, parameters, truly))


def variance_per_layer(stddev: float | None, activation: ActivationWithParameters | None, fan_in: int | None) -> float | None:
    """Return the layer's factor on the signal's second moment, fan_in·Var(w)·E[φ²], or None if it is unknown. At 1 the signal is steady."""
    gain = activation.forward_gain if activation else 1.0
    if stddev is None or fan_in is None or gain is None:
        return None
    return fan_in * stddev * stddev / (gain * gain)


def _stddev(name: str, parameters: dict[str, Any], weight: Weight) -> float | None:
    scheme, presets = find_scheme(name)
    try:
        return apply_scheme(scheme, presets, parameters, weight).rule.stddev
    except InvalidValue:  # a fan or a parameter that it needs is not given
        return None
