"""Activations and their gains."""

from __future__ import annotations

import math

import numpy as np
import pytest

from service.core.activations import ACTIVATIONS, find_activation
from service.core.errors import InvalidValue, UnknownName
from service.core.names import name_key

# forward = 1/√E[φ(z)²], backward = 1/√E[φ'(z)²], z ~ N(0, 1), from the closed form if there is one, else from an independent quadrature
SQRT2, DENSITY = math.sqrt(2), math.exp(-0.125) / math.sqrt(2 * math.pi)  # the density of N(0, 1) at ½
OUTSIDE = math.erfc(0.5 / SQRT2)  # the probability that |z| > ½
GAINS: dict[str, tuple[float, float | None]] = {
    "linear": (1.0, 1.0),
    "relu": (SQRT2, SQRT2),
    "relu6": (1.41421357, 1.41421356),
    "relu2": (math.sqrt(2 / 3), math.sqrt(1 / 2)),
    "leaky_relu": (math.sqrt(2 / 1.0001), math.sqrt(2 / 1.0001)),
    "prelu": (math.sqrt(2 / 1.0625), math.sqrt(2 / 1.0625)),
    "elu": (1.24519830, 1.22342856),
    "celu": (1.24519830, 1.22342856),
    "selu": (1.0, 0.96602578),
    "gelu": (1 / math.sqrt(1 / 3 + 1 / (2 * math.pi * math.sqrt(3))), 1.48111441),
    "gelu_tanh": (1.53358052, 1.48116806),
    "quick_gelu": (1.53945876, 1.49145923),
    "silu": (1.67653247, 1.62332026),
    "hardswish": (1.73665721, 1.67007637),
    "mish": (1.48684758, 1.44475523),
    "tanh": (1.59253742, 1.46741359),
    "scaled_tanh": (1.15436945, 1.11525689),
    "hardtanh": (1.39203614, 1 / math.sqrt(math.erf(1 / SQRT2))),
    "softsign": (2.33753336, 2.09578061),
    "tanhshrink": (2.3383675298, 1.9881388227),
    "softshrink": (1 / math.sqrt(1.25 * OUTSIDE - DENSITY), 1 / math.sqrt(OUTSIDE)),
    "hardshrink": (1 / math.sqrt(OUTSIDE + DENSITY), 1 / math.sqrt(OUTSIDE)),
    "sigmoid": (1.84622855, 4.72264609),
    "hardsigmoid": (1.89784042, 6 / math.sqrt(math.erf(3 / SQRT2))),
    "softplus": (1.04186684, 1.84622855),
    "sin": (math.sqrt(2 / (1 - math.exp(-2))), math.sqrt(2 / (1 + math.exp(-2)))),
    "snake": (1 / math.sqrt(1 + (3 - 4 * math.exp(-2) + math.exp(-8)) / 8), 1 / math.sqrt(1 + (1 - math.exp(-8)) / 2)),
    "gaussian": (5**0.25, math.sqrt(5**1.5 / 4)),
    "glu": (1.84622855, None),
    "swiglu": (1.67653247, None),
    "geglu": (1.53353044, None),
    "reglu": (SQRT2, None),
    "bilinear": (1.0, None),
}


@pytest.mark.parametrize("name", GAINS)
def test_gains_match_the_closed_form_or_an_independent_quadrature(name: str) -> None:
    gains = ACTIVATIONS[name]().gains
    assert gains is not None
    forward, backward = GAINS[name]
    assert gains.forward == pytest.approx(forward, abs=1e-8)
    assert gains.backward == (None if backward is None else pytest.approx(backward, abs=1e-8))


@pytest.mark.parametrize("omega", [0.5, 30.0, 1000.0])
def test_gains_of_a_sine_match_the_closed_form_at_any_frequency(omega: float) -> None:
    gains = ACTIVATIONS["sin"](omega=omega).gains
    assert gains is not None
    assert gains.forward == pytest.approx(math.sqrt(2 / (1 - math.exp(-2 * omega**2))), abs=1e-8)
    assert gains.backward == pytest.approx(math.sqrt(2 / (1 + math.exp(-2 * omega**2))) / omega, abs=1e-8)


VARIANCES = {
    "linear": 1.0,
    "relu": 0.5 - 0.5 / math.pi,
    "relu2": 1.25,
    "selu": 1.0,
    "sigmoid": 1 / GAINS["sigmoid"][0] ** 2 - 0.25,
    "gaussian": 1 / math.sqrt(5) - 1 / 3,
    "swiglu": 1 / GAINS["swiglu"][0] ** 2,
}


@pytest.mark.parametrize("name", VARIANCES)
def test_variance_gain_excludes_the_mean(name: str) -> None:
    gains = ACTIVATIONS[name]().gains
    assert gains is not None
    assert gains.variance == pytest.approx(1 / math.sqrt(VARIANCES[name]), abs=1e-7)


# the exact values that torch.nn.init.calculate_gain returns
TORCH = {
    ("linear", None): 1,
    ("sigmoid", None): 1,
    ("tanh", None): 1.6666666666666667,
    ("relu", None): 1.4142135623730951,
    ("selu", None): 0.75,
    ("leaky_relu", 0.01): 1.4141428569978354,
    ("leaky_relu", 0.2): 1.3867504905630728,
    ("leaky_relu", 0.3): 1.3545709229571927,
    ("leaky_relu", math.sqrt(5)): 0.5773502691896257,
    ("leaky_relu", -0.5): 1.2649110640673518,
}


@pytest.mark.parametrize(("name", "slope"), TORCH)
def test_torch_gain_equals_calculate_gain(name: str, slope: float | None) -> None:
    gains = ACTIVATIONS[name](**({} if slope is None else {"negative_slope": slope})).gains
    assert gains is not None
    assert gains.torch == TORCH[name, slope]


def test_other_activations_have_no_torch_gain() -> None:
    with_torch_gain = {name for name, row in ACTIVATIONS.items() if row.torch_gain is not None}
    assert with_torch_gain == {name for name, _ in TORCH}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("sin", {"omega": 0.0}),
        ("snake", {"alpha": 0.0}),
        ("sin", {"omega": 1e9}),
        ("prelu", {"negative_slope": 1e300}),
    ],
)
def test_rejects_parameters_without_a_finite_gain(name: str, parameters: dict[str, float]) -> None:
    with pytest.raises(InvalidValue, match="activation: expected a function of x whose value has a finite, nonzero second moment"):
        _ = ACTIVATIONS[name](**parameters).gains


def test_every_scalar_activation_is_in_the_table_of_gains() -> None:
    assert {*GAINS, "softmax"} == set(ACTIVATIONS)
    assert ACTIVATIONS["softmax"]().gains is None


@pytest.mark.parametrize("slope", [0.2, math.sqrt(5), -0.5])
def test_gain_of_leaky_relu_depends_on_its_slope(slope: float) -> None:
    gains = ACTIVATIONS["leaky_relu"](negative_slope=slope).gains
    assert gains is not None
    assert gains.forward == pytest.approx(math.sqrt(2 / (1 + slope**2)), rel=1e-9)


@pytest.mark.parametrize("name", [name for name, row in ACTIVATIONS.items() if row.derivative is not None])
def test_derivatives_match_finite_differences(name: str) -> None:
    row = ACTIVATIONS[name]
    values = row().parameters
    z = np.array([-3.1, -1.3, -0.2, 0.4, 1.7, 4.2])
    h = 1e-6
    assert row.function is not None
    assert row.derivative is not None
    slope = (row.function(z + h, values) - row.function(z - h, values)) / (2 * h)
    assert np.allclose(row.derivative(z, values), slope, atol=1e-8)


ALIASES = [
    ("ReLU", "relu"),
    ("Leaky-ReLU", "leaky_relu"),
    ("swish", "silu"),
    ("SiLU", "silu"),
    ("identity", "linear"),
    ("conv2d", "linear"),
    ("conv_transpose3d", "linear"),
    ("ReLU6", "relu6"),
    ("squared_relu", "relu2"),
    ("Hardswish", "hardswish"),
    ("hard_swish", "hardswish"),
    ("hard_silu", "hardswish"),
    ("hard_sigmoid", "hardsigmoid"),
    ("hard_tanh", "hardtanh"),
    ("soft_sign", "softsign"),
    ("gelu_pytorch_tanh", "gelu_tanh"),
    ("SwiGLU", "swiglu"),
    ("siren", "sin"),
]


@pytest.mark.parametrize(("alias", "name"), ALIASES)
def test_finds_an_activation_by_its_alias(alias: str, name: str) -> None:
    assert find_activation(alias).name == name


def test_names_and_aliases_are_unique() -> None:
    keys = [name_key(name) for row in ACTIVATIONS.values() for name in (row.name, *row.aliases)]
    assert len(keys) == len(set(keys))


def test_unknown_activation_error_suggests_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'relu'"):
        find_activation("rleu")


def test_rejects_a_parameter_of_another_activation() -> None:
    with pytest.raises(InvalidValue, match="relu takes no parameters"):
        ACTIVATIONS["relu"](negative_slope=0.1)
