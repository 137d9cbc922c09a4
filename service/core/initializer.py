"""A layer's specification becomes a scheme with its parameters, and the distribution that it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from service.core.activations import ActivationWithParameters, find_activation
from service.core.errors import InvalidValue
from service.core.layers.fans import FanConvention, Fans, fans_of
from service.core.layers.layer import Layer
from service.core.names import library_of
from service.core.parameters import Values, fill
from service.core.schemes import DEFAULT_SCHEME, FAMILIES, SCHEMES, Scheme, family_named, family_of, find_scheme, translated
from service.core.schemes.auto import EXACT, choice_for
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.view import Shape
from service.core.tensors.rules import Rule

# a name of a library has its fans too, which are read off the shape alone
FAN_CONVENTION_OF: dict[str | None, FanConvention] = {
    None: FanConvention.TRUE,
    "torch": FanConvention.TORCH,
    "timm": FanConvention.TORCH,
    "caffe": FanConvention.TORCH,
    "keras": FanConvention.KERAS,
    "jax": FanConvention.JAX,
}


@dataclass(frozen=True)
class Initializer:
    """A scheme as resolved for one layer. `requested` is the name that was asked for."""

    requested: str
    scheme: Scheme
    parameters: Mapping[str, Any] = field(hash=False)
    activation: ActivationWithParameters | None
    fans: Fans
    true_fans: Fans
    fan_convention: FanConvention
    rule: Rule

    @property
    def distribution(self) -> Distribution:
        """The distribution of a scheme that draws each element; TypeError for one that does not."""
        if not isinstance(self.rule, Distribution):
            raise TypeError(f"{self.scheme.name} is not a distribution")
        return self.rule


@dataclass(frozen=True)
class Recommended:
    """The scheme recommended for an activation (for a linear layer, without one), and its numbers where the fans are known."""

    scheme: Scheme
    parameters: Mapping[str, Any] = field(hash=False)
    activation: ActivationWithParameters | None
    fans: Fans

    @cached_property
    def distribution(self) -> Distribution:
        """The distribution for these fans. Raises InvalidValue when one that it divides by is not known."""
        return self._for(self.fans)

    @property
    def draw(self) -> Draw:
        """What is drawn, whatever the fans."""
        return self._for(Fans(1, 1)).draw

    def _for(self, fans: Fans) -> Distribution:
        if self.scheme.resolve is None:
            raise AssertionError(f"{self.scheme.name} is recommended and does not draw each element")
        return self.scheme.resolve(self.parameters, fans)


def activate(name: str | None, **parameters: Any) -> ActivationWithParameters | None:
    """An activation by name, with its parameters; None for none. Raises UnknownName, InvalidValue."""
    return None if name is None else find_activation(name)(**parameters)


def initialize(
    shape: Shape,
    *,
    scheme: str = DEFAULT_SCHEME,
    parameters: Values | None = None,
    activation: ActivationWithParameters | None = None,
    layer: Layer | None = None,
    fan_convention: FanConvention | None = None,
    fan_in: int | None = None,
    fan_out: int | None = None,
) -> Initializer:
    """Resolve a scheme for a weight of canonical shape [out, in, *kernel].

    `parameters` are the scheme's own (SCHEMES[...].parameters); `layer` says how the shape is to be read; `fan_convention`
    who counts the fans (left out, the library whose name the scheme was given, else what is true); `fan_in` and `fan_out`
    replace those of the shape, and are needed where a shape has none. Raises UnknownName for a scheme or a parameter that
    nobody knows, InvalidValue for a value outside its domain or a fan that is missing.

    A family's bare name (`he`, `glorot`) takes any `distribution`.

    >>> initialize((256, 784), activation=activate("relu")).distribution.stddev
    0.050507627227610534
    """
    row, presets = find_scheme(scheme)
    convention = fan_convention or FAN_CONVENTION_OF[library_of(scheme)]
    fans = true_fans = fans_of(shape, layer, fan_in=fan_in, fan_out=fan_out)
    if convention is not FanConvention.TRUE:
        fans = fans_of(shape, layer, convention=convention, fan_in=fan_in, fan_out=fan_out)
    given = translated(scheme, parameters or {})
    if row.name == DEFAULT_SCHEME:
        row, presets, given = _choose(row, given, activation)
    elif (family := family_named(scheme)) and given.get("distribution") in FAMILIES[family]:
        row_name, presets = FAMILIES[family][given.pop("distribution")]
        row = SCHEMES[row_name]
    values = _filled(row, presets, given, activation)
    rule = _resolve(row, _in_numbers(values, activation), fans, shape, layer or Layer())
    return Initializer(scheme, row, values, activation, fans, true_fans, convention, rule)


def recommended(activation: ActivationWithParameters | None, fans: Fans, *, distribution: str | None = None) -> Recommended:
    """The scheme recommended for an activation, drawing from this distribution or the recommended one.

    Raises InvalidValue where the gains that it is made of are infinite.
    """
    asked = {"distribution": distribution} if distribution else {}
    row, presets, given = _choose(SCHEMES[DEFAULT_SCHEME], asked, activation)
    return Recommended(row, _filled(row, presets, given, activation), activation, fans)


def _choose(
    auto: Scheme, given: dict[str, Any], activation: ActivationWithParameters | None
) -> tuple[Scheme, Mapping[str, Any], dict[str, Any]]:
    """The recommended scheme. What `auto` was given goes on to it, except the distribution, which takes part in the choice."""
    checked = fill(auto.parameters, given, owner=auto.name)
    chosen, presets = choice_for(activation, checked["distribution"])
    if isinstance(checked["gain"], str) and family_of(chosen) != "he":
        chosen, presets = EXACT, {"distribution": checked["distribution"] or "normal"}
    passed_on = {key: value for key, value in given.items() if key != "distribution"}
    return SCHEMES[chosen], presets, passed_on


def _filled(row: Scheme, presets: Values, given: Values, activation: ActivationWithParameters | None) -> Values:
    """The values of all parameters, which whoever shares them cannot change."""
    values = fill(row.parameters, {**presets, **given}, owner=row.name)
    return MappingProxyType(_with_slope(values, given, activation))


def _with_slope(values: dict[str, Any], given: Values, activation: ActivationWithParameters | None) -> dict[str, Any]:
    """The values with the activation's slope where none was given; without any beside a named gain, which stands for it."""
    if "negative_slope" not in values:
        return values
    slope = activation.parameters.get("negative_slope", 0.0) if activation else 0.0
    if not isinstance(values["gain"], str):
        return values if values["negative_slope"] is not None else {**values, "negative_slope": slope}
    if given.get("negative_slope", slope) != slope:
        raise InvalidValue(
            "negative_slope",
            expected=f"no other slope than the activation's beside gain {values['gain']}",
            received=given["negative_slope"],
            action="Give it to the activation, or leave out gain.",
        )
    return {**values, "negative_slope": None}


def _in_numbers(values: Values, activation: ActivationWithParameters | None) -> Values:
    """The values to compute with: a named gain is the activation's, instead of He's own √(2/(1 + slope²)), 1 for a slope of 1."""
    choice = values.get("gain")
    if not isinstance(choice, str):
        return values
    if activation is None:
        raise InvalidValue("gain", expected=f"an activation, whose {choice} gain to take", received=None, action="Give activation.")
    return {**values, "gain": activation.gain(choice), "negative_slope": 1.0}


def _resolve(row: Scheme, values: Values, fans: Fans, shape: Shape, layer: Layer) -> Rule:
    if row.build is not None:
        return row.build(values, shape, layer)
    if row.resolve is None:
        raise AssertionError(f"{row.name} is a choice, not a distribution")
    return row.resolve(values, fans)
