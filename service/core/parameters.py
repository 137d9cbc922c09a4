"""The parameters of schemes and activations, as data: kind, domain and default."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.core.errors import InvalidValue, unknown_name

Values = Mapping[str, Any]

_MAX_EXACT_INTEGER = 2**53  # larger integers are not exact in float64, nor in many JSON readers


class FrozenParameters(Mapping[str, Any]):
    """Values of parameters by name, immutable and hashable.

    Unlike a dict, it tells 1, 1.0 and True apart, because a domain may contain one and not the others. It also tells 0.0 from -0.0, because
    an answer shows which of them it was given.
    """

    def __init__(self, values: Values) -> None:
        self._values = dict(values)
        self._text = repr(sorted(self._values.items(), key=lambda item: item[0]))

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FrozenParameters) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return repr(self._values)


NO_PARAMETERS = FrozenParameters({})


def as_integer(value: Any) -> Any:
    """Return a float without a fraction as an integer, as JSON Schema, R and PHP do not tell 4.0 from 4. Return others as they are."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_EXACT_INTEGER else value


class Kind(StrEnum):
    """The type of a parameter's value."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    NUMBER_OR_CHOICE = "number or choice"


@dataclass(frozen=True)
class Parameter:
    """One parameter. Without a `default` it is either `required`, or the scheme derives its value as `summary` says."""

    name: str
    summary: str
    kind: Kind = Kind.NUMBER
    default: float | bool | str | None = None
    required: bool = False
    minimum: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        """The allowed values, in words."""
        choices = "one of " + ", ".join(self.choices)
        number = "a finite number" if self.minimum is None else f"a finite number, at least {self.minimum:g}"
        match self.kind:
            case Kind.BOOLEAN:
                return "true or false"
            case Kind.CHOICE:
                return choices
            case Kind.INTEGER:
                return number.replace("a finite number", "an integer") + ", at most 2^53"
            case Kind.NUMBER:
                return number
        return f"{number}, or {choices}"

    def check(self, value: object, *, owner: str) -> float | bool | str:
        """Return `value` in its Python type. Raise InvalidValue if it is outside the domain."""
        match self.kind, as_integer(value) if self.kind is Kind.INTEGER else value:
            case (Kind.BOOLEAN, bool() as flag):
                return flag
            case (Kind.CHOICE | Kind.NUMBER_OR_CHOICE, str() as choice) if choice in self.choices:
                return choice
            case (Kind.INTEGER, int() as integer) if (
                not isinstance(integer, bool) and abs(integer) <= _MAX_EXACT_INTEGER and self._is_in_range(integer)
            ):
                return integer
            case (Kind.NUMBER | Kind.NUMBER_OR_CHOICE, int() | float() as number) if not isinstance(number, bool) and self._is_in_range(
                number
            ):
                return float(number)
        raise InvalidValue(
            self.name,
            expected=f"{self.domain} for {owner}",
            received=value,
            action=f"{self.name} is {self.summary}.",
        )

    def _is_in_range(self, number: float) -> bool:
        try:
            value = float(number)
        except OverflowError:
            return False
        return math.isfinite(value) and (self.minimum is None or value >= self.minimum)


def fill(parameters: Iterable[Parameter], given: Values, *, owner: str) -> dict[str, Any]:
    """Check `given` and return it with the defaults of the parameters left out (None for a parameter without a default).

    Raise InvalidValue for a parameter that `owner` does not have, one outside its domain, or a required one that is missing.
    """
    rows = {row.name: row for row in parameters}
    for name in given:
        if name not in rows:
            raise unknown_parameter(name, rows, owner=owner)
    values = {row.name: row.default for row in rows.values()}
    values |= {name: rows[name].check(value, owner=owner) for name, value in given.items()}
    for row in rows.values():
        if row.required and values[row.name] is None:
            raise missing_parameter(row, owner=owner)
    return values


def missing_parameter(row: Parameter, *, owner: str) -> InvalidValue:
    """Return the error for a required parameter of `owner` that is missing."""
    return InvalidValue(
        row.name,
        expected=f"{row.domain} for {owner}, which cannot do without it",
        received=None,
        action=f"Give {row.name}: {row.summary}.",
    )


def unknown_parameter(name: str, known: Iterable[str], *, owner: str) -> InvalidValue:
    """Return the error for a parameter that `owner` does not have."""
    names = sorted(known)
    takes = f"{owner} takes {', '.join(names)}" if names else f"{owner} takes no parameters"
    hint = unknown_name(name, name, names, kind="parameter", similarity=0.6).action if names else ""
    suggestion = f" {hint}" if hint.startswith("Did you mean") else ""
    return InvalidValue(name, expected=f"a parameter of {owner}", received=name, action=f"{takes}.{suggestion}")
