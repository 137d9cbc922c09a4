"""Building blocks of activations, on float64 arrays of any shape."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from service.core.activations.expressions.tree import sigmoid

Float64s = npt.NDArray[np.float64]


def softplus(z: Float64s) -> Float64s:
    """Return log(1 + exp(z)) without overflow."""
    return np.logaddexp(0, z)


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
