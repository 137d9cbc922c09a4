"""Turns the specification of a layer into its initializer: the scheme, its parameters, its rule and the recommended scheme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from service.core.activations import ActivationWithParameters
from service.core.errors import InvalidValue
from service.core.layers.axes import view_along
from service.core.layers.fans import FanConvention, Fans
from service.core.layers.layer import Layer, LayerKind
from service.core.layers.layouts import CANONICAL_LAYOUT, axes_of, vector_axes
from service.core.layers.roles import Role
from service.core.layers.weight import Weight, weight_of
from service.core.parameters import NO_PARAMETERS, Values, as_integer, fill
from service.core.recommendation import Circumstances, Recommendation
from service.core.schemes import DEFAULT_SCHEME, FAMILIES, SCHEMES, Scheme, family_named
from service.core.schemes.applying import AppliedScheme, all_parameters, apply_scheme, rule_of
from service.core.schemes.auto import Choice, choice_of, recommendation_for, with_named_gain
from service.core.schemes.named import Named, named_scheme
from service.core.stream.distributions import Draw
from service.core.stream.view import Shape, View
from service.core.tensors.rules import Parts, Rule, WithZeros
from service.core.tensors.tensor import check_shape

_AUTO_PARAMETERS = ("distribution", "num_layers")  # `auto` uses them to choose a scheme and does not pass them on

_ANY_LAYER = Layer()
_UNIT_FANS = Fans(1, 1)


class LayerSpecification(NamedTuple):
    """The part of a request that describes a layer. Equal specifications have equal initializers.

    It is hashable if its parameters are FrozenParameters.

    `axes` says what each axis of `shape` is; without it, `layout` does. `parameters` are those of the scheme (SCHEMES[...].parameters).
    `layer` says how to read the axes, and `role` what the weight does in the network. Without a `fan_convention`, the library of the
    scheme's name decides how to count the fans; a scheme of no library counts what truly feeds a unit. `fan_in` and `fan_out` replace those
    of the shape. A shape without fans, such as a bias, needs them. `padding_idx` is the entry of an embedding that is zero.
    """

    shape: Shape
    scheme: str = DEFAULT_SCHEME
    parameters: Mapping[str, Any] = NO_PARAMETERS
    activation: ActivationWithParameters | None = None
    layer: Layer = _ANY_LAYER
    role: Role | None = None
    layout: str = CANONICAL_LAYOUT
    axes: str | None = None
    fan_convention: FanConvention | None = None
    fan_in: int | None = None
    fan_out: int | None = None
    padding_idx: int | None = None


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
    weight: Weight
    axes: str
    recommended: Recommended
    parts: tuple[Initializer, ...] = ()  # one for each packed matrix, if they differ in size

    @cached_property
    def activation(self) -> ActivationWithParameters | None:
        """The activation after the layer; None if the request names none."""
        return self.specification.activation

    @property
    def fans(self) -> Fans:
        """The fans as the fan convention counts them."""
        return self.weight.fans

    @property
    def true_fans(self) -> Fans:
        """The true fans."""
        return self.weight.true_fans

    @property
    def fan_convention(self) -> FanConvention:
        """How the fans are counted."""
        return self.weight.convention

    @cached_property
    def view(self) -> View:
        """The view of the whole tensor, with its axes in the requested order."""
        return view_along(self.specification.shape, self.axes, self.weight.kind)


def initialize(specification: LayerSpecification) -> Initializer:
    """Resolve a specification.

    Raise UnknownName for an unknown scheme, and InvalidValue for an unknown parameter, a value outside its domain or a missing fan.
    The name of a family (`he`, `glorot`) allows any `distribution`.

    >>> from service.core.activations import find_activation
    >>> initialize(LayerSpecification((256, 784), activation=find_activation("relu")())).distribution.stddev
    0.050507627227610534
    """
    check_shape(specification.shape)
    named = named_scheme(
        specification.scheme,
        specification.parameters,
        specification.layer.kind,
        specification.role,
        is_vector=len(specification.shape) < 2,
    )
    kind = LayerKind.EMBEDDING if specification.padding_idx is not None and named.kind is None else named.kind
    axes = _axes(specification, named, kind)
    weight = weight_of(
        specification.shape,
        axes,
        specification.layer._replace(kind=kind),
        convention=specification.fan_convention or named.convention,
        given=Fans(specification.fan_in, specification.fan_out),
        activation=specification.activation,
    )
    parts = () if len(weight.parts) == 1 else tuple(_initializer(specification, named, part, axes) for part in weight.parts)
    initializer = _initializer(specification, named, weight, axes, parts)
    return (
        initializer
        if specification.padding_idx is None
        else replace(initializer, rule=_with_padding(initializer, specification.padding_idx))
    )


def _axes(specification: LayerSpecification, named: Named, kind: LayerKind | None) -> str:
    """Return what each axis of the shape is: as requested, or as usual for a bias, or as usual for a weight in its layout."""
    rank, role = len(specification.shape), specification.role
    if specification.axes is not None:
        return specification.axes
    if named.scheme.for_vectors or named.is_bias or (role is not None and role.is_vector):
        return vector_axes(rank)
    return axes_of(specification.layout, rank, kind)


def _initializer(
    specification: LayerSpecification, named: Named, weight: Weight, axes: str, parts: tuple[Initializer, ...] = ()
) -> Initializer:
    """Resolve the specification of a weight, or of one of its parts."""
    scheme, presets, given = named.scheme, named.presets, dict(named.given)
    known = Circumstances(specification.activation, _num_layers(given))
    row = recommendation_for(specification.role, specification.activation, is_weight=not weight.is_vector)
    truly = weight if weight.convention is FanConvention.TRUE else replace(weight, convention=FanConvention.TRUE)
    recommended = recommend(row, specification.role, known, truly)
    if scheme.name == DEFAULT_SCHEME:
        choice, given = _auto_choice(specification, scheme, given, recommended)
        if choice is recommended.choice and recommended.rule and not given and weight is truly:  # resolved already
            values, rule = recommended.parameters, recommended.rule
            return Initializer(choice.scheme, values, rule, specification, weight, axes, recommended, parts)
        scheme, presets = choice
    elif (family := family_named(specification.scheme)) and given.get("distribution") in FAMILIES[family]:
        name, presets = FAMILIES[family][given.pop("distribution")]
        scheme = SCHEMES[name]
    applied = apply_scheme(scheme, presets, given, weight)
    return Initializer(scheme, applied.parameters, applied.rule, specification, weight, axes, recommended, parts)


def _with_padding(initializer: Initializer, padding_idx: int) -> Rule:
    """Return the rule of an embedding [entries, features] with one entry of zeros. A negative index counts from the end, as in torch."""
    weight, rule = initializer.weight, initializer.rule
    if weight.kind is not LayerKind.EMBEDDING or weight.is_vector or weight.stacked:
        raise InvalidValue(
            "padding_idx",
            expected="an embedding [entries, features]",
            received=initializer.specification.shape,
            action="Leave padding_idx out.",
        )
    entries, features = weight.shape
    if not -entries <= padding_idx < entries:
        raise InvalidValue(
            "padding_idx", expected=f"an index of the {entries} entries", received=padding_idx, action="Correct padding_idx or the shape."
        )
    if isinstance(rule, WithZeros | Parts):
        raise AssertionError("an embedding is neither packed nor padded twice")
    return WithZeros(rule, padding_idx % entries * features, features, entries * features)


def recommend(
    recommendation: Recommendation, role: Role | None, known: Circumstances, weight: Weight, *, distribution: str | None = None
) -> Recommended:
    """Apply a recommendation to a weight. `distribution` replaces the recommended distribution.

    Raise InvalidValue if a gain in it is infinite.
    """
    for_role = role is not None and recommendation is role.recommendation
    if recommendation.lacks(known):
        return Recommended(recommendation, known, for_role, None, {}, None)
    choice = choice_of(recommendation, known, distribution)
    values = all_parameters(choice.scheme, choice.parameters, {}, weight.activation)
    rule = _rule_if_known(choice.scheme, values, weight)
    return Recommended(recommendation, known, for_role, choice, values, rule)


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


def _rule_if_known(scheme: Scheme, values: Values, weight: Weight) -> Rule | None:
    try:
        return rule_of(scheme, values, weight)
    except InvalidValue:  # the rule divides by an unknown fan, or does not allow this shape
        return None
