"""Activations, one row each, and what they do to a signal: exact gains by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from service.core.errors import unknown_name
from service.core.names import name_key
from service.core.parameters import Parameter, fill
from service.core.portable import portable
from service.core.references import (
    CLEVERT_2015,
    GLOROT_2010,
    GLOROT_2011,
    GOODFELLOW_2016,
    HE_2015,
    HENDRYCKS_2016,
    KLAMBAUER_2017,
    MAAS_2013,
    MISRA_2019,
    RAMACHANDRAN_2017,
    Reference,
)

Float64s = npt.NDArray[np.float64]
Function = Callable[[Float64s, dict[str, Any]], Float64s]


@dataclass(frozen=True)
class Activation:
    """φ, its derivative, and the points where φ' jumps. `function` None: no scalar function (softmax), so no gains."""

    name: str
    formula: str
    reference: Reference
    function: Function | None
    derivative: Function | None
    aliases: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    kinks: tuple[float, ...] = ()

    def __call__(self, **given: Any) -> ActivationWithParameters:
        """This activation with its parameters. Raises InvalidValue."""
        return ActivationWithParameters(self, fill(self.parameters, given, owner=self.name))


@dataclass(frozen=True)
class ActivationWithParameters:
    """An activation and the values of its parameters."""

    row: Activation
    parameters: dict[str, Any] = field(hash=False)

    @property
    def name(self) -> str:
        """The canonical name."""
        return self.row.name

    @property
    def gains(self) -> Gains | None:
        """Forward and backward gain; None for an activation that is not a scalar function."""
        return _gains(self.row.name, tuple(sorted(self.parameters.items())))


@dataclass(frozen=True)
class Gains:
    """forward = 1/√E[φ(z)²] keeps the signal's second moment, backward = 1/√E[φ'(z)²] the gradient's, for z ~ N(0, 1)."""

    forward: float
    backward: float


@lru_cache(maxsize=1024)
def _gains(name: str, parameters: tuple[tuple[str, Any], ...]) -> Gains | None:
    row, values = ACTIVATIONS[name], dict(parameters)
    if row.function is None or row.derivative is None:
        return None
    nodes, weights = _normal_quadrature(row.kinks)
    second_moments = (float(np.sum(weights * function(nodes, values) ** 2)) for function in (row.function, row.derivative))
    return Gains(*(portable(1 / math.sqrt(moment)) for moment in second_moments))


@lru_cache(maxsize=64)
def _normal_quadrature(kinks: tuple[float, ...], reach: float = 12.0, panel: float = 1.0) -> tuple[Float64s, Float64s]:
    """Nodes and weights for E[f(z)], z ~ N(0, 1): Gauss-Legendre panels that end at the kinks. Beyond ±12 lies 4e-33."""
    edges = np.unique(np.concatenate([np.arange(-reach, reach + panel, panel), kinks]))
    nodes, weights = np.polynomial.legendre.leggauss(32)
    centres, halves = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    z = (centres[:, np.newaxis] + halves[:, np.newaxis] * nodes).ravel()
    return z, (halves[:, np.newaxis] * weights).ravel() * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _sigmoid(z: Float64s) -> Float64s:
    return 0.5 * (1 + np.tanh(z / 2))


def _softplus(z: Float64s) -> Float64s:
    return np.logaddexp(0, z)


def _normal_cdf(z: Float64s) -> Float64s:
    return np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z])


def _normal_density(z: Float64s) -> Float64s:
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _mish_derivative(z: Float64s, _: dict[str, Any]) -> Float64s:
    t = np.tanh(_softplus(z))
    return t + z * (1 - t * t) * _sigmoid(z)


# Klambauer et al. 2017, equation 14: the fixed point of mean 0 and variance 1.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848, 1.0507009873554804934


def _slope(default: float, summary: str) -> Parameter:
    return Parameter("negative_slope", summary, default=default)


_ROWS = (
    Activation(
        "linear", "x", GLOROT_2010,
        lambda z, _: z,
        lambda z, _: np.ones_like(z),
        aliases=("identity", "none"),
    ),
    Activation(
        "relu", "max(0, x)", GLOROT_2011,
        lambda z, _: np.maximum(z, 0),
        lambda z, _: np.where(z > 0, 1.0, 0.0),
        kinks=(0.0,),
    ),
    Activation(
        "leaky_relu", "x if x > 0 else negative_slope·x", MAAS_2013,
        lambda z, p: np.where(z > 0, z, p["negative_slope"] * z),
        lambda z, p: np.where(z > 0, 1.0, p["negative_slope"]),
        aliases=("lrelu",),
        parameters=(_slope(0.01, "the slope left of zero"),),
        kinks=(0.0,),
    ),
    Activation(
        "prelu", "x if x > 0 else negative_slope·x, the slope learned", HE_2015,
        lambda z, p: np.where(z > 0, z, p["negative_slope"] * z),
        lambda z, p: np.where(z > 0, 1.0, p["negative_slope"]),
        parameters=(_slope(0.25, "the slope left of zero at the start of training"),),
        kinks=(0.0,),
    ),
    Activation(
        "elu", "x if x > 0 else exp(x) - 1", CLEVERT_2015,
        lambda z, _: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z, _: np.exp(np.minimum(z, 0)),
        kinks=(0.0,),
    ),
    Activation(
        "selu", "λ·x if x > 0 else λ·α·(exp(x) - 1), λ = 1.0507, α = 1.6733", KLAMBAUER_2017,
        lambda z, _: _SELU_SCALE * np.where(z > 0, z, _SELU_ALPHA * np.expm1(np.minimum(z, 0))),
        lambda z, _: _SELU_SCALE * np.where(z > 0, 1.0, _SELU_ALPHA * np.exp(np.minimum(z, 0))),
        kinks=(0.0,),
    ),
    Activation(
        "gelu", "x·Φ(x)", HENDRYCKS_2016,
        lambda z, _: z * _normal_cdf(z),
        lambda z, _: _normal_cdf(z) + z * _normal_density(z),
    ),
    Activation(
        "silu", "x·sigmoid(x)", RAMACHANDRAN_2017,
        lambda z, _: z * _sigmoid(z),
        lambda z, _: _sigmoid(z) * (1 + z * (1 - _sigmoid(z))),
        aliases=("swish",),
    ),
    Activation(
        "mish", "x·tanh(softplus(x))", MISRA_2019,
        lambda z, _: z * np.tanh(_softplus(z)),
        _mish_derivative,
    ),
    Activation(
        "tanh", "tanh(x)", GLOROT_2010,
        lambda z, _: np.tanh(z),
        lambda z, _: 1 - np.tanh(z) ** 2,
    ),
    Activation(
        "sigmoid", "1/(1 + exp(-x))", GLOROT_2010,
        lambda z, _: _sigmoid(z),
        lambda z, _: _sigmoid(z) * _sigmoid(-z),
        aliases=("logistic",),
    ),
    Activation("softmax", "exp(xᵢ)/Σⱼ exp(xⱼ)", GOODFELLOW_2016, None, None, aliases=("log_softmax",)),
    Activation(
        "softplus", "log(1 + exp(x))", GLOROT_2011,
        lambda z, _: _softplus(z),
        lambda z, _: _sigmoid(z),
    ),
)  # fmt: skip

ACTIVATIONS: dict[str, Activation] = {row.name: row for row in _ROWS}
_BY_KEY = {name_key(name): row for row in _ROWS for name in (row.name, *row.aliases)}


def find_activation(name: str) -> Activation:
    """The row of a name or an alias, whatever its case, underscores or hyphens. Raises UnknownName."""
    try:
        return _BY_KEY[name_key(name)]
    except KeyError:
        known = [name for row in _ROWS for name in (row.name, *row.aliases)]
        raise unknown_name("activation", name, known, kind="activation") from None
