"""Activations and their gains."""

from __future__ import annotations

import math

import numpy as np
import pytest

from service.core.activations import ACTIVATIONS, find_activation
from service.core.errors import InvalidValue, UnknownName

# forward = 1/√E[φ(z)²], backward = 1/√E[φ'(z)²], z ~ N(0, 1): where a closed form exists, that; else quadrature elsewhere
GAINS = {
    "linear": (1.0, 1.0),
    "relu": (math.sqrt(2), math.sqrt(2)),
    "leaky_relu": (math.sqrt(2 / 1.0001), math.sqrt(2 / 1.0001)),
    "prelu": (math.sqrt(2 / 1.0625), math.sqrt(2 / 1.0625)),
    "elu": (1.24519830, 1.22342856),
    "selu": (1.0, 0.96602578),
    "gelu": (1 / math.sqrt(1 / 3 + 1 / (2 * math.pi * math.sqrt(3))), 1.48111441),
    "silu": (1.67653247, 1.62332026),
    "mish": (1.48684758, 1.44475523),
    "tanh": (1.59253742, 1.46741359),
    "sigmoid": (1.84622855, 4.72264609),
    "softplus": (1.04186684, 1.84622855),
}


@pytest.mark.parametrize("name", GAINS)
def test_gains(name: str) -> None:
    gains = ACTIVATIONS[name]().gains
    assert gains is not None
    assert (gains.forward, gains.backward) == pytest.approx(GAINS[name], abs=1e-8)


def test_every_scalar_activation_is_in_this_table() -> None:
    assert {*GAINS, "softmax"} == set(ACTIVATIONS)
    assert ACTIVATIONS["softmax"]().gains is None


@pytest.mark.parametrize("slope", [0.2, math.sqrt(5), -0.5])
def test_leaky_relu_has_the_gain_of_its_slope(slope: float) -> None:
    gains = ACTIVATIONS["leaky_relu"](negative_slope=slope).gains
    assert gains is not None
    assert gains.forward == pytest.approx(math.sqrt(2 / (1 + slope**2)), rel=1e-9)


@pytest.mark.parametrize("name", GAINS)
def test_derivatives_are_those_of_the_functions(name: str) -> None:
    row = ACTIVATIONS[name]
    values = row().parameters
    z = np.array([-3.1, -1.3, -0.2, 0.4, 1.7, 4.2])
    h = 1e-6
    assert row.function is not None
    assert row.derivative is not None
    slope = (row.function(z + h, values) - row.function(z - h, values)) / (2 * h)
    assert np.allclose(row.derivative(z, values), slope, atol=1e-8)


@pytest.mark.parametrize(("alias", "name"), [("ReLU", "relu"), ("Leaky-ReLU", "leaky_relu"), ("swish", "silu"), ("identity", "linear")])
def test_aliases(alias: str, name: str) -> None:
    assert find_activation(alias).name == name


def test_an_unknown_activation_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'relu'"):
        find_activation("rleu")


def test_a_parameter_of_another_activation_is_refused() -> None:
    with pytest.raises(InvalidValue, match="relu takes no parameters"):
        ACTIVATIONS["relu"](negative_slope=0.1)
