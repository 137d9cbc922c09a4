"""An architecture: the fields of its config.json, the tensors that follow from them, and the rules that draw these."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from service.checkpoints.presets.fields import Config, Field
from service.core.errors import InvalidValue, Unsupported, unknown_name

Shape = tuple[int, ...]
Fields = Mapping[str, Any]  # of a request to /init

TRACE = "Trace its code instead: weight-init manifest --from-transformers config.json"


class Weight(NamedTuple):
    """A tensor of a model, under its name on disk.

    `advice` says what it does in the network, in fields of /init. A tensor with `values` is a literal; it holds these in every variant.
    """

    name: str
    shape: Shape
    advice: Fields
    is_parameter: bool = True
    values: tuple[int, ...] | None = None
    dtype: str | None = None

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def entry(self) -> dict[str, Any]:
        """The tensor in a manifest, without the fields that say how to draw it."""
        entry: dict[str, Any] = {"name": self.name, "shape": list(self.shape)}
        return entry if self.values is None else entry | {"dtype": self.dtype, "values": list(self.values)}


class Variant(NamedTuple):
    """Whose rules draw the tensors. Without `rules`, they follow from what each tensor does in the network."""

    name: str
    summary: str
    reference: str | None = None
    rules: Callable[[Config], list[dict[str, Any]]] | None = None


RECOMMENDED = Variant("recommended", "what this service advises for each weight, by its role in the network and its activation")


def _nothing_tied(_: Config) -> dict[str, str]:
    return {}


def _nothing_to_check(_: Config) -> None:
    pass


@dataclass(frozen=True, eq=False)
class Architecture:
    """A family of models. `name` is the model_type in its config.json.

    `architectures` are the classes in config.json that have these tensors, the usual one first. `only` has the fields that change the
    tensors, with the one value for which `tensors` is right. The first variant is the default.
    """

    name: str
    summary: str
    library: str
    fields: tuple[Field, ...]
    tensors: Callable[[Config], Iterator[Weight]]
    variants: tuple[Variant, ...]
    architectures: tuple[str, ...] = ()
    tied: Callable[[Config], dict[str, str]] = _nothing_tied
    check: Callable[[Config], None] = _nothing_to_check
    only: Mapping[str, Any] = field(default_factory=dict)

    @property
    def field_names(self) -> dict[str, Field]:
        """The fields by their names."""
        return {row.name: row for row in self.fields}

    def variant(self, name: str | None) -> Variant:
        """Return the variant with this name, or the default. Raises UnknownName."""
        if name is None:
            return self.variants[0]
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise unknown_name("variant", name, [variant.name for variant in self.variants], kind=f"variant of {self.name}")

    def read(self, given: Config) -> dict[str, Any]:
        """Return the fields of a config.json, complete and checked. Raises InitError."""
        self._check_supported(given)
        config = {row.name: row.read(given.get(row.name, row.default)) for row in self.fields}
        for row in self.fields:
            if row.derive is not None and config[row.name] is None:
                config[row.name] = row.derive({**given, **config})
        self.check(config)
        return config

    def _check_supported(self, given: Config) -> None:
        for name, value in self.only.items():
            if given.get(name, value) not in (value, None):
                raise Unsupported(
                    name, expected=f"{_json(value)}, since another value adds tensors", received=given[name], action=f"{TRACE}."
                )
        classes = given.get("architectures")
        if classes and self.architectures and not (isinstance(classes, list) and classes[0] in self.architectures):
            raise Unsupported(
                "architectures", expected=f"[{self.architectures[0]!r}], which this preset lists", received=classes, action=f"{TRACE}."
            )


def check_divides(config: Config, divisor: str, dividend: str) -> None:
    """Check that one field divides another. Raises InvalidValue."""
    if config[dividend] % config[divisor]:
        raise InvalidValue(
            divisor,
            expected=f"a divisor of {dividend} {config[dividend]}",
            received=config[divisor],
            action=f"Change {divisor} or {dividend}.",
        )


def check_entry(config: Config, entry: str, *counts: str) -> None:
    """Check that a field is an entry of tables with so many entries, counted from the end if it is negative. Raises InvalidValue."""
    for count in counts:
        if config[entry] is not None and not -config[count] <= config[entry] < config[count]:
            raise InvalidValue(
                entry,
                expected=f"an entry below {count} {config[count]}, or null",
                received=config[entry],
                action=f"Change {entry} or {count}.",
            )


def _json(value: object) -> str:
    return "null" if value is None else str(value).casefold()
