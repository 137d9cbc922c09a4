"""Building blocks of activations, on float64 arrays of any shape."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from service.core.activations.error_function import erf

Float64s = npt.NDArray[np.float64]


def sigmoid(z: Float64s) -> Float64s:
    """Return 1/(1 + exp(-z)) without overflow."""
    return 0.5 * (1 + np.tanh(z / 2))


def softplus(z: Float64s) -> Float64s:
    """Return log(1 + exp(z)) without overflow."""
    return np.logaddexp(0, z)


def normal_cdf(z: Float64s) -> Float64s:
    """Return Φ(z), the distribution function of the standard normal."""
    return 0.5 * (1 + erf(z / math.sqrt(2)))


def normal_density(z: Float64s) -> Float64s:
    """Return the density of the standard normal."""
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def swish(z: Float64s, beta: float = 1.0) -> Float64s:
    """Return z·sigmoid(beta·z)."""
    return z * sigmoid(beta * z)


def swish_derivative(z: Float64s, beta: float = 1.0) -> Float64s:
    """Return the derivative of swish."""
    s = sigmoid(beta * z)
    return s * (1 + beta * z * sigmoid(-beta * z))


def within(z: Float64s, low: float, high: float) -> Float64s:
    """Return 1 between the bounds and 0 elsewhere."""
    return np.where((z > low) & (z < high), 1.0, 0.0)
