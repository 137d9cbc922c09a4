"""A model: an architecture with a complete config.json, and the variant that draws it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from service.checkpoints.compacting import compact
from service.checkpoints.manifest import MAX_RULES, too_many_tensors
from service.checkpoints.presets.architecture import Architecture, Variant, Weight
from service.checkpoints.presets.registry import find_architecture, find_preset
from service.checkpoints.rules import Rules
from service.core.errors import InvalidValue, TooLarge, unknown_name

_MAX_COUNTED = 10**6  # tensors, which take a second to count


@dataclass(frozen=True, eq=False)
class Model:
    """An architecture, the complete values of its fields, and the variant that draws it.

    `name` is that of the preset, else that of the architecture. `given` is the config.json that was asked for.
    """

    name: str
    architecture: Architecture
    fields: Mapping[str, Any]
    variant: Variant
    given: Mapping[str, Any]

    @classmethod
    def of(cls, preset: str, overrides: Mapping[str, Any], variant: str | None = None) -> Model:
        """Return a preset with some fields replaced, whose values may be text. Raises InitError."""
        row = find_preset(preset)
        return cls._made(row.name, row.architecture, row.config, overrides, variant)

    @classmethod
    def of_config(cls, config: Mapping[str, Any], overrides: Mapping[str, Any], variant: str | None = None) -> Model:
        """Return the model of a config.json with some fields replaced, whose values may be text. Raises InitError."""
        architecture = find_architecture(config.get("model_type"))
        _check_writable(config)
        return cls._made(architecture.name, architecture, config, overrides, variant)

    @classmethod
    def _made(
        cls, name: str, architecture: Architecture, config: Mapping[str, Any], overrides: Mapping[str, Any], variant: str | None
    ) -> Model:
        given = {**config, **_read_overrides(architecture, overrides)}
        return cls(name, architecture, architecture.read(given), architecture.variant(variant), given)

    @property
    def config(self) -> dict[str, Any]:
        """The config.json, complete. Fields that the architecture does not know are as they were given."""
        own = {name: list(value) if isinstance(value, tuple) else value for name, value in self.fields.items()}
        classes = {"architectures": [self.architecture.architectures[0]]} if self.architecture.architectures else {}
        return {**classes, **self._given_and_right, "model_type": self.architecture.name, **own}

    @property
    def _given_and_right(self) -> dict[str, Any]:
        """The fields that were given, without the names of classes if those are another number now."""
        names = self.given.get("id2label")
        wrong = isinstance(names, dict) and self.fields.get("num_labels", len(names)) != len(names)
        return {name: value for name, value in self.given.items() if not (wrong and name in ("id2label", "label2id"))}

    def manifest(self, max_tensors: int) -> dict[str, Any]:
        """Return the manifest, without seed and dtype. Raises TooLarge if it has more tensors than that, or too many rules."""
        weights = self._weights(max_tensors)
        drawn = _by_role(weights) if self.variant.rules is None else _by_rules(weights, self.variant.rules(self.fields))
        metadata = {"architecture": self.architecture.name, "variant": self.variant.name}
        return {**drawn, "tied": self.architecture.tied(self.fields), "metadata": metadata}

    def num_parameters(self) -> int:
        """Return the number of parameters, those that are shared once. Raises TooLarge for a model of millions of tensors."""
        return sum(weight.size for weight in self._counted(_MAX_COUNTED) if weight.is_parameter)

    def _weights(self, max_tensors: int) -> list[Weight]:
        return list(self._counted(max_tensors))

    def _counted(self, max_tensors: int) -> Iterator[Weight]:
        """Yield the tensors, but no more than so many. Raises TooLarge."""
        tensors = self.architecture.tensors(self.fields)
        yield from islice(tensors, max_tensors)
        if next(tensors, None) is not None:
            raise too_many_tensors(max_tensors, "more")


def _by_rules(weights: list[Weight], rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the tensors with the rules that cover any of them. An architecture lists rules for what not every config.json has.

    Raises TooLarge.
    """
    if len(rules) > MAX_RULES:
        raise TooLarge(
            "variant",
            expected=f"at most {MAX_RULES} rules",
            received=len(rules),
            action="Choose a variant without a rule for each layer, or fewer layers.",
        )
    covering = Rules(rules).covering
    used = {covering(weight.name) for weight in weights if weight.values is None}
    return {"tensors": [weight.entry for weight in weights], "rules": [rule for index, rule in enumerate(rules) if index in used]}


def _by_role(weights: list[Weight]) -> dict[str, Any]:
    entries = [weight.entry if weight.values is not None else {**weight.entry, **weight.advice} for weight in weights]
    tensors, rules = compact(entries)
    return {"tensors": tensors, "rules": rules}


def _check_writable(config: Mapping[str, Any]) -> None:
    """Check that the fields can be passed on: JSON can say what no writer accepts. Raises InvalidValue."""
    for name, value in config.items():
        try:
            orjson.dumps({name: value})
        except TypeError:
            raise InvalidValue(
                name if name.isprintable() else "config",
                expected="names and texts in Unicode, and integers of at most 64 bits",
                received=value,
                action="Correct the field, or leave it out.",
            ) from None


def _read_overrides(architecture: Architecture, overrides: Mapping[str, Any]) -> dict[str, Any]:
    fields = architecture.field_names
    for name in overrides:
        if name not in fields:
            raise unknown_name(name, name, fields, kind=f"field of {architecture.name}")
    return {name: _read(architecture, name, value) for name, value in overrides.items()}


def _read(architecture: Architecture, name: str, value: object) -> Any:
    field = architecture.field_names[name]
    return field.read_text(value) if isinstance(value, str) else field.read(value)
