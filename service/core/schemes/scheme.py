"""A scheme: one row of the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.core.activations import GAIN_CHOICES
from service.core.errors import InvalidValue
from service.core.layers.fans import Fans
from service.core.layers.weight import Matrix, Weight
from service.core.parameters import Kind, Parameter, Values
from service.core.references import Reference
from service.core.stream.distributions import Distribution
from service.core.tensors.rules import Pattern, Rule, Whole

Resolve = Callable[[Values, Fans], Distribution]
Build = Callable[[Values, Matrix], Pattern | Whole]
BuildTensor = Callable[[Values, Weight], Rule]
Extras = Callable[[Values, Fans], dict[str, float]]


@dataclass(frozen=True)
class Alias:
    """Another name for a scheme, with the parameters that it presets.

    `translations`: parameter -> the library's value -> this service's value, for values that mean something else in the library.
    `choices`: parameter -> the values that the library allows, if they are others. `positive`: the parameters that must be above 0 there.
    """

    name: str
    presets: Mapping[str, Any] = field(default_factory=dict)
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    positive: tuple[str, ...] = ()

    def translate(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters of the library as those of this service. Raises InvalidValue for what the library does not allow."""
        for name, value in parameters.items():
            if name in self.choices and value not in self.choices[name]:
                self._refuse(name, f"one of {', '.join(self.choices[name])}", value)
            if name in self.positive and isinstance(value, (int, float)) and value <= 0:
                self._refuse(name, "a number above 0", value)
        return {name: self._translated(name, value) for name, value in parameters.items()}

    def _translated(self, name: str, value: Any) -> Any:
        return self.translations.get(name, {}).get(value, value) if isinstance(value, str) else value

    def _refuse(self, name: str, expected: str, received: object) -> None:
        action = "The library allows no other. Use this service's own name of the scheme for more."
        raise InvalidValue(name, expected=f"{expected} for {self.name}", received=received, action=action)


@dataclass(frozen=True, eq=False)
class Scheme:
    """One initializer, which has one of three functions; `auto` has none, because it chooses among the other schemes.

    `resolve` returns the distribution of every element. If the elements differ, `build` returns the rule of one matrix [out, in, *kernel],
    which is applied to each that is stacked, packed or grouped in the tensor. `build_tensor` returns the rule of the whole tensor.

    `takes_groups`: the libraries' own functions take groups. `for_vectors`: for biases, whose axes before the last are independent vectors.
    `extras` returns what the scheme requires beyond the tensor, such as a factor in the forward pass. If `judged` is False, the scale is
    deliberate and is not compared with other schemes.
    """

    name: str
    summary: str
    formula: str
    reference: Reference | None
    resolve: Resolve | None
    parameters: tuple[Parameter, ...]
    aliases: tuple[Alias, ...] = ()
    needs_fans: bool = False
    equation: str = ""
    build: Build | None = None
    build_tensor: BuildTensor | None = None
    takes_groups: bool = False
    for_vectors: bool = False
    extras: Extras | None = None
    judged: bool = True

    @property
    def source(self) -> str | None:
        """The paper, and the place of the formula in it."""
        if self.reference is None:
            return None
        return f"{self.reference}, {self.equation}" if self.equation else str(self.reference)

    @property
    def parameter_names(self) -> list[str]:
        """The names of its parameters."""
        return [parameter.name for parameter in self.parameters]


def names(*names: str, **presets: Any) -> tuple[Alias, ...]:
    """Return aliases that all preset the same parameters."""
    return tuple(Alias(name, presets) for name in names)


GAIN = Parameter("gain", "an extra factor on the scale", default=1.0, minimum=0.0)
GAIN_OR_CHOICE = Parameter(
    "gain",
    "an extra factor on the scale; or forward, backward or torch: that gain of the activation, in place of He's √(2/(1 + negative_slope²))",
    kind=Kind.NUMBER_OR_CHOICE,
    default=1.0,
    minimum=0.0,
    choices=GAIN_CHOICES,
)
