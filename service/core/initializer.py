"""Turns the specification of a layer into its initializer: the scheme, its parameters, its rule and the recommended scheme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from service.core.activations import ActivationWithParameters
from service.core.errors import InvalidValue
from service.core.layers.fans import FanConvention, Fans, fans_of
from service.core.layers.layer import Layer
from service.core.layers.layouts import CANONICAL_LAYOUT, canonical_shape, view_of
from service.core.layers.roles import Role
from service.core.names import library_of
from service.core.parameters import NO_PARAMETERS, Values, as_integer, fill
from service.core.recommendation import Circumstances, Recommendation
from service.core.schemes import DEFAULT_SCHEME, FAMILIES, SCHEMES, Scheme, family_named, find_scheme, translated
from service.core.schemes.auto import Choice, choice_of, recommendation_for, with_named_gain
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.view import Shape, View
from service.core.tensors.rules import Rule
from service.core.tensors.tensor import check_shape

# A scheme requested by its name in a library counts the fans as that library does.
FAN_CONVENTION_OF: dict[str | None, FanConvention] = {
    None: FanConvention.TRUE,
    "torch": FanConvention.TORCH,
    "timm": FanConvention.TORCH,
    "caffe": FanConvention.TORCH,
    "keras": FanConvention.KERAS,
    "jax": FanConvention.JAX,
}

_AUTO_PARAMETERS = ("distribution", "num_layers")  # `auto` uses them to choose a scheme and does not pass them on

_ANY_LAYER = Layer()
_UNIT_FANS = Fans(1, 1)


class LayerSpecification(NamedTuple):
    """The part of a request that describes a layer. Equal specifications have equal initializers.

    It is hashable if its parameters are FrozenParameters.

    `shape` is in `layout`. `parameters` are those of the scheme (SCHEMES[...].parameters). `layer` says how to read the shape, and
    `role` what the weight does in the network. Without a `fan_convention`, the library of the scheme's name decides how to count the
    fans; a scheme of no library counts what truly feeds a unit. `fan_in` and `fan_out` replace those of the shape. A shape without
    fans, such as a bias, needs them.
    """

    shape: Shape
    scheme: str = DEFAULT_SCHEME
    parameters: Mapping[str, Any] = NO_PARAMETERS
    activation: ActivationWithParameters | None = None
    layer: Layer = _ANY_LAYER
    role: Role | None = None
    layout: str = CANONICAL_LAYOUT
    fan_convention: FanConvention | None = None
    fan_in: int | None = None
    fan_out: int | None = None

    @property
    def canonical_shape(self) -> Shape:
        """The shape in the canonical layout, [out, in, *kernel]."""
        return canonical_shape(self.shape, self.layout, self.layer.kind)

    def fans(self, convention: FanConvention) -> Fans:
        """Return the fans as `convention` counts them. Raise InvalidValue if the shape does not fit the layer."""
        return fans_of(self.canonical_shape, self.layer, convention=convention, fan_in=self.fan_in, fan_out=self.fan_out)


@dataclass(frozen=True, eq=False)
class AppliedScheme:
    """A scheme with all its parameters, and the rule that follows for one weight."""

    scheme: Scheme
    parameters: Values
    rule: Rule

    @property
    def distribution(self) -> Distribution:
        """The distribution of a scheme that draws each element. Raise TypeError for any other scheme."""
        if not isinstance(self.rule, Distribution):
            raise TypeError(f"{self.scheme.name} is not a distribution")
        return self.rule


@dataclass(frozen=True, eq=False)
class Recommended:
    """The scheme recommended for a weight because of its role in the network (`for_role`) or its activation.

    `choice` is None if a circumstance that the recommendation needs is unknown. `parameters` are all parameters of the scheme, and
    `rule` is None if it depends on an unknown fan.
    """

    recommendation: Recommendation
    known: Circumstances
    for_role: bool
    choice: Choice | None
    parameters: Values
    rule: Rule | None

    @cached_property
    def scheme(self) -> Scheme:
        """The recommended scheme."""
        return self.choice.scheme if self.choice else SCHEMES[self.recommendation.scheme]

    @property
    def draw(self) -> Draw | None:
        """The draw, which does not depend on the fans. None for a recommendation by role, because its scheme may draw nothing."""
        if self.for_role or self.scheme.resolve is None:
            return None
        return self.scheme.resolve(self.parameters, _UNIT_FANS).draw


@dataclass(frozen=True, eq=False)
class Initializer(AppliedScheme):
    """The resolved scheme of a specification, together with the recommended one."""

    specification: LayerSpecification
    fans: Fans
    true_fans: Fans
    fan_convention: FanConvention
    recommended: Recommended

    @cached_property
    def activation(self) -> ActivationWithParameters | None:
        """The activation after the layer; None if the request names none."""
        return self.specification.activation

    @cached_property
    def view(self) -> View:
        """The view of the whole tensor in its layout."""
        return view_of(self.specification.shape, self.specification.layout, self.specification.layer.kind)


def initialize(specification: LayerSpecification) -> Initializer:
    """Resolve a specification.

    Raise UnknownName for an unknown scheme, and InvalidValue for an unknown parameter, a value outside its domain or a missing fan.
    The name of a family (`he`, `glorot`) allows any `distribution`.

    >>> from service.core.activations import find_activation
    >>> initialize(LayerSpecification((256, 784), activation=find_activation("relu")())).distribution.stddev
    0.050507627227610534
    """
    check_shape(specification.shape)
    scheme, presets = find_scheme(specification.scheme)
    given = translated(specification.scheme, specification.parameters)
    fans = true_fans = specification.fans(FanConvention.TRUE)
    convention = specification.fan_convention or FAN_CONVENTION_OF[library_of(specification.scheme)]
    if convention is not FanConvention.TRUE:
        fans = specification.fans(convention)
    known = Circumstances(specification.activation, _num_layers(given))
    row = recommendation_for(specification.role, specification.activation, is_weight=len(specification.shape) >= 2)
    recommended = recommend(row, specification, known, true_fans)
    if scheme.name == DEFAULT_SCHEME:
        choice, given = _auto_choice(specification, scheme, given, recommended)
        if choice is recommended.choice and recommended.rule and not given and fans is true_fans:  # resolved already
            values, rule = recommended.parameters, recommended.rule
            return Initializer(choice.scheme, values, rule, specification, fans, fans, convention, recommended)
        scheme, presets = choice
    elif (family := family_named(specification.scheme)) and given.get("distribution") in FAMILIES[family]:
        name, presets = FAMILIES[family][given.pop("distribution")]
        scheme = SCHEMES[name]
    applied = apply_scheme(scheme, presets, given, specification, fans)
    return Initializer(scheme, applied.parameters, applied.rule, specification, fans, true_fans, convention, recommended)


def recommend(
    recommendation: Recommendation, specification: LayerSpecification, known: Circumstances, fans: Fans, *, distribution: str | None = None
) -> Recommended:
    """Apply a recommendation to a weight with these fans. `distribution` replaces the recommended distribution.

    Raise InvalidValue if a gain in it is infinite.
    """
    role, activation = specification.role, specification.activation
    for_role = role is not None and recommendation is role.recommendation
    if recommendation.lacks(known):
        return Recommended(recommendation, known, for_role, None, {}, None)
    choice = choice_of(recommendation, known, distribution)
    values = _all_parameters(choice.scheme, choice.parameters, {}, activation)
    rule = _rule_if_known(choice.scheme, values, specification, fans)
    return Recommended(recommendation, known, for_role, choice, values, rule)


def apply_scheme(scheme: Scheme, presets: Values, given: Values, specification: LayerSpecification, fans: Fans) -> AppliedScheme:
    """Apply a scheme to a weight with these fans. Given parameters override the presets. Raise InvalidValue."""
    values = _all_parameters(scheme, presets, given, specification.activation)
    return AppliedScheme(scheme, values, _rule(scheme, values, specification, fans))


def _num_layers(given: Values) -> int | None:
    value = as_integer(given.get("num_layers"))
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _auto_choice(specification: LayerSpecification, auto: Scheme, given: Values, recommended: Recommended) -> tuple[Choice, dict[str, Any]]:
    """Return the choice of `auto`, and the given parameters to pass on to the chosen scheme."""
    role, checked = specification.role, fill(auto.parameters, given, owner=auto.name)
    if checked["num_layers"] is not None and role is None:
        raise InvalidValue(
            "layer",
            expected="a layer whose scale depends on num_layers, such as residual_output",
            received=None,
            action="Give layer, name a scheme that takes num_layers, or leave num_layers out.",
        )
    if role is not None and role.recommendation is not None and not recommended.for_role:
        raise InvalidValue(
            "shape",
            expected=f"a weight of rank 2 or more for the layer {role.name}",
            received=list(specification.shape),
            action="Use layer=bias for its bias, or name a scheme.",
        )
    if recommended.choice and checked["distribution"] is None:
        choice = recommended.choice
    else:
        choice = choice_of(recommended.recommendation, recommended.known, checked["distribution"])
    if isinstance(checked["gain"], str):
        choice = with_named_gain(choice, checked["distribution"])
    return choice, {name: value for name, value in given.items() if name not in _AUTO_PARAMETERS}


def _rule_if_known(scheme: Scheme, values: Values, specification: LayerSpecification, fans: Fans) -> Rule | None:
    try:
        return _rule(scheme, values, specification, fans)
    except InvalidValue:  # the rule divides by an unknown fan, or does not allow this shape
        return None


def _all_parameters(scheme: Scheme, presets: Values, given: Values, activation: ActivationWithParameters | None) -> Values:
    """Return the values of all parameters, read-only because initializers are shared."""
    values = fill(scheme.parameters, {**presets, **given}, owner=scheme.name)
    return MappingProxyType(_with_activation_slope(values, given, activation))


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


def _rule(scheme: Scheme, values: Values, specification: LayerSpecification, fans: Fans) -> Rule:
    numbers = _with_numeric_gain(values, specification.activation)
    if scheme.build is not None:
        return scheme.build(numbers, specification.canonical_shape, specification.layer)
    if scheme.resolve is None:
        raise AssertionError(f"{scheme.name} has neither a rule nor a distribution")
    return scheme.resolve(numbers, fans)


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
