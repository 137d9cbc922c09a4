"""Fans: how many inputs feed one unit (fan_in), and how many units one input feeds (fan_out)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from service.core.errors import InvalidValue, unknown_name
from service.core.layers.layer import Layer, LayerKind
from service.core.stream.view import Shape

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

    fan_in: int | None
    fan_out: int | None

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


def fans_of(
    shape: Shape,
    layer: Layer | None = None,
    *,
    convention: FanConvention = FanConvention.TRUE,
    fan_in: int | None = None,
    fan_out: int | None = None,
) -> Fans:
    """Return the fans of a weight in the canonical layout [out, in, *kernel]. A given fan takes precedence over the counted one.

    For a dense layer or a convolution, fan_in = in·K and fan_out = out·K, where K is the product of the kernel dimensions (Glorot
    and Bengio 2010; He et al. 2015, section 2.2). Groups and packed matrices divide the outputs among themselves. A shape of
    rank 0 or 1 (a bias) has no fans of its own. Raises InvalidValue if the layer does not fit the shape.

    >>> fans_of((64, 3, 7, 7))
    Fans(fan_in=147, fan_out=3136)
    >>> fans_of((2304, 768), Layer(packed=3))
    Fans(fan_in=768, fan_out=768)
    >>> fans_of((64,), fan_in=147)
    Fans(fan_in=147, fan_out=None)
    """
    layer = layer or Layer()
    layer.check(shape)
    _check("fan_in", fan_in)
    _check("fan_out", fan_out)
    counted = _COUNTERS[convention](shape, layer)
    return Fans(fan_in or counted.fan_in, fan_out or counted.fan_out)


def _true(shape: Shape, layer: Layer) -> Fans:
    """Count the true connections."""
    if len(shape) < 2:
        return Fans(None, None)
    first, second, *kernel = shape
    size, groups = math.prod(kernel), layer.groups or 1
    match layer.kind:
        case LayerKind.CONV_TRANSPOSE:  # [in, out/groups, *kernel]; at stride s, 1/s of these feed each output
            return Fans(first * size // groups, second * size)
        case LayerKind.DEPTHWISE:  # [channels·multiplier, 1, *kernel]; the channels are the groups
            return Fans(size, None if layer.groups is None else first * size // groups)
        case LayerKind.EMBEDDING:  # [entries, features]: one entry at a time feeds the features
            return Fans(1, second)
        case _:
            return Fans(second * size, first * size // (groups * layer.packed))


def _torch(shape: Shape, _: Layer) -> Fans:
    """Count as torch.nn.init._calculate_fan_in_and_fan_out, from the shape in torch's layout. torch rejects rank 1."""
    if len(shape) < 2:
        return Fans(None, None)
    size = math.prod(shape[2:])
    return Fans(shape[1] * size, shape[0] * size)


def _keras(shape: Shape, layer: Layer) -> Fans:
    """Count as keras.initializers.compute_fans, from the shape in Keras's layout [*kernel, in, out]. A vector of n has fans n and n."""
    if len(shape) < 2:
        n = math.prod(shape)
        return Fans(n, n)
    first, second, *kernel = shape
    size = math.prod(kernel)
    match layer.kind:
        case LayerKind.DEPTHWISE:  # [*kernel, channels, multiplier]
            channels = layer.groups
            return Fans(None, None) if channels is None else Fans(channels * size, first // channels * size)
        case LayerKind.EMBEDDING:  # [entries, features] in both layouts
            return Fans(first, second)
        case _:
            return Fans(second * size, first * size)


def find_fan_convention(name: str) -> FanConvention:
    """Return the fan convention with this name. Raises UnknownName."""
    known = {row.value: row for row in FanConvention} | {"flax": FanConvention.JAX}
    try:
        return known[name.casefold()]
    except KeyError:
        raise unknown_name("fan_convention", name, known, kind="fan convention") from None


def _jax(shape: Shape, layer: Layer) -> Fans:
    """Count as jax.nn.initializers, which differs from Keras in rejecting rank 1."""
    return Fans(None, None) if len(shape) < 2 else _keras(shape, layer)


_COUNTERS = {FanConvention.TRUE: _true, FanConvention.TORCH: _torch, FanConvention.KERAS: _keras, FanConvention.JAX: _jax}


def _check(field: str, fan: int | None) -> None:
    if fan is not None and not 1 <= fan <= MAX_FAN:
        raise InvalidValue(
            field,
            expected="an integer from 1 to 2^63 - 1",
            received=fan,
            action=f"Give the {field} of the weight.",
        )
