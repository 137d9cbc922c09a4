"""Fans: how many inputs feed one unit (fan_in), and how many units one input feeds (fan_out)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from service.core.errors import InvalidValue, unknown_name

MAX_FAN = 2**63 - 1


class Mode(StrEnum):
    """The fan that a scheme divides by."""

    FAN_IN = "fan_in"
    FAN_OUT = "fan_out"
    FAN_AVG = "fan_avg"
    FAN_GEO_AVG = "fan_geo_avg"


class FanConvention(StrEnum):
    """How fans are counted: by the true connections of a unit, or from the shape alone as in torch, Keras or JAX."""

    TRUE = "true"
    TORCH = "torch"
    KERAS = "keras"
    JAX = "jax"


@dataclass(frozen=True)
class Fans:
    """The fans of a weight. A fan is None if it is neither given nor known from the shape."""

    fan_in: int | None = None
    fan_out: int | None = None

    def check(self) -> Fans:
        """Return the fans if they are in range. Raises InvalidValue."""
        for field, fan in (("fan_in", self.fan_in), ("fan_out", self.fan_out)):
            if fan is not None and not 1 <= fan <= MAX_FAN:
                expected = "an integer from 1 to 2^63 - 1"
                raise InvalidValue(field, expected=expected, received=fan, action=f"Give the {field} of the weight.")
        return self

    def or_else(self, others: Fans) -> Fans:
        """Return these fans, with those of `others` in place of the unknown ones."""
        return Fans(self.fan_in or others.fan_in, self.fan_out or others.fan_out)

    def by(self, mode: Mode, *, scheme: str) -> float:
        """Return the fan for `mode`. Raises InvalidValue if it is not known."""
        match mode:
            case Mode.FAN_IN:
                return float(self._known("fan_in", scheme))
            case Mode.FAN_OUT:
                return float(self._known("fan_out", scheme))
            case Mode.FAN_AVG:
                return (self._known("fan_in", scheme) + self._known("fan_out", scheme)) / 2
            case Mode.FAN_GEO_AVG:
                return math.sqrt(self._known("fan_in", scheme) * self._known("fan_out", scheme))

    def _known(self, field: str, scheme: str) -> int:
        fan: int | None = getattr(self, field)
        if fan is None:
            raise InvalidValue(
                field,
                expected=f"the {field} that {scheme} divides by, or a shape of rank 2 or more to count it from",
                received=None,
                action=f"Give {field} (for a bias, that of its weight), or use zeros, ones or constant.",
            )
        return fan


def find_fan_convention(name: str) -> FanConvention:
    """Return the fan convention with this name. Raises UnknownName."""
    known = {row.value: row for row in FanConvention} | {"flax": FanConvention.JAX}
    try:
        return known[name.casefold()]
    except KeyError:
        raise unknown_name("fan_convention", name, known, kind="fan convention") from None
