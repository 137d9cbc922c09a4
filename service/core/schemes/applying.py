"""Applies a scheme to a tensor: its parameters with their defaults, and the rule that follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from service.core.activations import ActivationWithParameters
from service.core.errors import InvalidValue
from service.core.layers.fans import FanConvention
from service.core.layers.weight import Matrix, Weight
from service.core.parameters import Values, fill
from service.core.schemes.scheme import Scheme
from service.core.stream.distributions import Distribution
from service.core.tensors.composed import composed
from service.core.tensors.rules import Parts, Rule


@dataclass(frozen=True, eq=False)
class AppliedScheme:
    """A scheme with all its parameters, and the rule that follows for one tensor."""

    scheme: Scheme
    parameters: Values
    rule: Rule

    @property
    def distribution(self) -> Distribution:
        """The distribution of a scheme that draws each element. Raise TypeError for any other scheme."""
        if not isinstance(self.rule, Distribution):
            raise TypeError(f"{self.scheme.name} is not a distribution")
        return self.rule


def apply_scheme(scheme: Scheme, presets: Values, given: Values, weight: Weight) -> AppliedScheme:
    """Apply a scheme to a tensor. Given parameters override the presets. Raise InvalidValue."""
    values = all_parameters(scheme, presets, given, weight.activation)
    return AppliedScheme(scheme, values, rule_of(scheme, values, weight))


def all_parameters(scheme: Scheme, presets: Values, given: Values, activation: ActivationWithParameters | None) -> Values:
    """Return the values of all parameters, read-only because initializers are shared."""
    values = fill(scheme.parameters, {**presets, **given}, owner=scheme.name)
    return MappingProxyType(_with_activation_slope(values, given, activation))


def rule_of(scheme: Scheme, values: Values, weight: Weight) -> Rule:
    """Return the rule of a tensor, whose parameters are all known. Raise InvalidValue if a fan is missing or the shape does not fit."""
    numbers = _with_numeric_gain(values, weight.activation)
    if scheme.for_vectors and not weight.is_vector:
        raise InvalidValue(
            "axes",
            expected=f"the axes of vectors for {scheme.name}, o or bo",
            received=weight.axes,
            action="Leave axes out: the scheme knows that each row is a vector.",
        )
    if scheme.build_tensor is not None:
        return scheme.build_tensor(numbers, weight)
    if scheme.build is not None:
        if weight.is_vector:  # a scheme for matrices refuses the rank
            return scheme.build(numbers, Matrix(weight.shape, weight.fans, weight.activation))
        units = weight.units if weight.convention is FanConvention.TRUE else weight.units_by_shape(takes_groups=scheme.takes_groups)
        return composed(units, {matrix.shape: scheme.build(numbers, matrix) for matrix in weight.matrices(units)})
    if scheme.resolve is None:
        raise AssertionError(f"{scheme.name} has neither a rule nor a distribution")
    distributions = tuple(scheme.resolve(numbers, part.fans) for part in weight.parts)
    if len(set(distributions)) == 1:
        return distributions[0]
    return Parts(distributions, tuple(math.prod(part.shape) for part in weight.parts))


def _with_activation_slope(values: dict[str, Any], given: Values, activation: ActivationWithParameters | None) -> dict[str, Any]:
    """Return the values with the activation's slope if none is given. A named gain includes the slope, so the slope is then removed."""
    if "negative_slope" not in values:
        return values
    slope = activation.parameters.get("negative_slope", 0.0) if activation else 0.0
    if not isinstance(values["gain"], str):
        return values if values["negative_slope"] is not None else {**values, "negative_slope": slope}
    if given.get("negative_slope", slope) != slope:
        raise InvalidValue(
            "negative_slope",
            expected=f"no slope other than the activation's with gain {values['gain']}",
            received=given["negative_slope"],
            action="Set it as a parameter of the activation, or leave out gain.",
        )
    return {**values, "negative_slope": None}


def _with_numeric_gain(values: Values, activation: ActivationWithParameters | None) -> Values:
    """Return the values with a named gain replaced by the activation's.

    The slope of 1 makes He's own factor √(2/(1 + slope²)) equal to 1.
    """
    choice = values.get("gain")
    if not isinstance(choice, str):
        return values
    if activation is None:
        raise InvalidValue("gain", expected=f"an activation to take the {choice} gain from", received=None, action="Give activation.")
    return {**values, "gain": activation.gain(choice), "negative_slope": 1.0}
