"""How many inputs feed one unit (fan_in), and how many units one input feeds (fan_out)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from service.core.errors import InvalidValue

Shape = tuple[int, ...]

MAX_FAN = 2**63 - 1


class Mode(StrEnum):
    """Which fan a scheme divides by."""

    FAN_IN = "fan_in"
    FAN_OUT = "fan_out"
    FAN_AVG = "fan_avg"
    FAN_GEO_AVG = "fan_geo_avg"


@dataclass(frozen=True)
class Fans:
    """The two fans of a weight; one is None when only the other was given, for a shape that has none of its own."""

    fan_in: int | None
    fan_out: int | None

    def by(self, mode: Mode, *, scheme: str) -> float:
        """The fan of `mode`. Raises InvalidValue when it is not known."""
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
                expected=f"the {field} that {scheme} divides by, or a shape of rank 2 or more that has one",
                received=None,
                action=f"Give {field}: for a bias, that of its weight; or ask for zeros, ones or constant.",
            )
        return fan


def fans_of(shape: Shape, *, fan_in: int | None = None, fan_out: int | None = None) -> Fans:
    """The fans of a weight in the canonical layout [out, in, *kernel]; those that are given win.

    fan_in = in·K and fan_out = out·K, with K the product of the kernel dimensions (Glorot and Bengio 2010; He et al. 2015,
    section 2.2). A shape of rank 0 or 1 (a bias) has no fans of its own.

    >>> fans_of((64, 3, 7, 7))
    Fans(fan_in=147, fan_out=3136)
    >>> fans_of((64,), fan_in=147)
    Fans(fan_in=147, fan_out=None)
    """
    _check("fan_in", fan_in)
    _check("fan_out", fan_out)
    if len(shape) < 2:
        return Fans(fan_in, fan_out)
    out_features, in_features, *kernel = shape
    kernel_size = math.prod(kernel)
    return Fans(fan_in or in_features * kernel_size, fan_out or out_features * kernel_size)


def _check(field: str, fan: int | None) -> None:
    if fan is not None and not 1 <= fan <= MAX_FAN:
        raise InvalidValue(
            field,
            expected="an integer from 1 to 2^63 - 1",
            received=fan,
            action=f"Give the {field} of the weight.",
        )
