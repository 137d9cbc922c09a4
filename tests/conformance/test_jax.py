"""jax.nn.initializers, which Flax reexports. Shapes are [*kernel, in, out], as in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from service.core.layers.layer import Layer, LayerKind
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.view import Shape
from tests.conformance.comparing import (
    IN_KERAS,
    Weight,
    assert_indistinguishable,
    assert_same_parameters,
    described,
    named,
    resolve,
    sample,
    sample_of,
    some_weights_in_keras,
)
from tests.conformance.libraries import MISSING

jax = pytest.importorskip("jax", reason=f"jax is {MISSING}")
initializers = pytest.importorskip("jax._src.nn.initializers", reason=f"jax is {MISSING}")

Parameters = dict[str, Any]

# Flax has no depthwise layer. It uses a convolution with as many groups as channels: [*kernel, 1, channels·multiplier]
DEPTHWISE_IN_FLAX = Weight("depthwise, in Flax", (3, 3, 1, 6144), Layer(LayerKind.CONV, groups=3072), "flax")
WEIGHTS = (*IN_KERAS, DEPTHWISE_IN_FLAX)
every_weight = pytest.mark.parametrize("weight", WEIGHTS, ids=lambda weight: weight.name)

# name, the service's parameters, JAX's parameters
DRAWN: list[tuple[str, Parameters, Parameters]] = [
    ("uniform", {}, {}),  # from 0, and up to 0.01
    ("uniform", {"high": 0.3}, {"scale": 0.3}),
    ("normal", {}, {}),
    ("normal", {"stddev": 0.02}, {"stddev": 0.02}),
    ("truncated_normal", {}, {}),
    ("truncated_normal", {"stddev": 0.5, "low_stddevs": -1.0, "high_stddevs": 3.0}, {"stddev": 0.5, "lower": -1.0, "upper": 3.0}),
    ("glorot_uniform", {}, {}),
    ("xavier_uniform", {}, {}),
    ("glorot_normal", {}, {}),
    ("xavier_normal", {}, {}),
    ("he_uniform", {}, {}),
    ("kaiming_uniform", {}, {}),
    ("he_normal", {}, {}),
    ("kaiming_normal", {}, {}),
    ("lecun_uniform", {}, {}),
    ("lecun_normal", {}, {}),
    *(
        ("variance_scaling", given, given)
        for mode in ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
        for distribution in ("normal", "truncated_normal", "uniform")
        for given in ({"scale": 1.5, "mode": mode, "distribution": distribution},)
    ),
]
every_scheme = pytest.mark.parametrize(("name", "parameters", "theirs"), DRAWN, ids=described)


class Ones:
    """Replaces jax.random. Every draw is 1, whatever the shape, so the value of an initializer is its scale."""

    def __init__(self) -> None:
        self.distribution_of: Callable[[float], Distribution] | None = None

    def uniform(self, _: Any, __: Shape, dtype: Any, minval: float = 0.0, **___: Any) -> Any:
        low = minval  # the upper bound is 1; the initializer multiplies both by the scale
        self.distribution_of = lambda scale: Distribution(Draw.UNIFORM, scale * (low + 1) / 2, scale * (1 - low) / 2)
        return jax.numpy.ones((), dtype)

    def normal(self, _: Any, __: Shape, dtype: Any, **___: Any) -> Any:
        self.distribution_of = lambda scale: Distribution(Draw.NORMAL, 0.0, scale)
        return jax.numpy.ones((), dtype)

    def truncated_normal(self, _: Any, lower: float, upper: float, __: Shape, dtype: Any, **___: Any) -> Any:
        self.distribution_of = lambda scale: Distribution(Draw.TRUNCATED_NORMAL, 0.0, scale, (lower, upper))
        return jax.numpy.ones((), dtype)


@pytest.fixture
def ones(monkeypatch: pytest.MonkeyPatch) -> Ones:
    ones = Ones()
    monkeypatch.setattr(initializers, "random", ones)
    return ones


def initializer(name: str, parameters: Parameters) -> Any:
    return getattr(jax.nn.initializers, name)(**parameters)


def initialized(weight: Weight, name: str, parameters: Parameters, *, dtype: str = "float32", seed: int = 0) -> Any:
    return initializer(name, parameters)(jax.random.key(seed), weight.shape, dtype)


@every_weight
def test_counts_the_same_fans_as_jax(weight: Weight) -> None:
    fans = resolve(weight, "jax.nn.initializers.glorot_uniform", {}).fans
    assert (fans.fan_in, fans.fan_out) == initializers._compute_fans(weight.shape)


@every_weight
@every_scheme
def test_draws_with_the_same_parameters_as_jax(weight: Weight, name: str, parameters: Parameters, theirs: Parameters, ones: Ones) -> None:
    with jax.enable_x64(True):
        scale = float(initialized(weight, name, theirs, dtype="float64"))
    assert ones.distribution_of is not None
    assert_same_parameters(resolve(weight, f"jax.nn.initializers.{name}", parameters).distribution, ones.distribution_of(scale))


@some_weights_in_keras
@every_scheme
def test_values_have_the_same_distribution_as_in_jax(weight: Weight, name: str, parameters: Parameters, theirs: Parameters) -> None:
    assert_indistinguishable(
        sample(weight, f"jax.nn.initializers.{name}", parameters),
        sample_of(weight, lambda seed: initialized(weight, name, theirs, seed=seed)),
    )


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@every_scheme
def test_values_have_the_same_distribution_in_every_dtype(dtype: str, name: str, parameters: Parameters, theirs: Parameters) -> None:
    weight = named(IN_KERAS, "conv 2-D")
    with jax.enable_x64(dtype == "float64"):
        theirs_values = sample_of(weight, lambda seed: initialized(weight, name, theirs, dtype=dtype, seed=seed))
    assert_indistinguishable(sample(weight, f"jax.nn.initializers.{name}", parameters, dtype=dtype), theirs_values)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("name", "value"), [("zeros", None), ("ones", None), ("constant", -0.25)])
def test_constants_equal_those_of_jax(dtype: str, name: str, value: float | None) -> None:
    weight = named(IN_KERAS, "dense")
    function = getattr(jax.nn.initializers, name)
    theirs = (function if value is None else function(value))(jax.random.key(0), weight.shape, dtype)
    parameters = {} if value is None else {"value": value}
    np.testing.assert_array_equal(
        sample(weight, f"jax.nn.initializers.{name}", parameters, dtype=dtype), sample_of(weight, lambda _: theirs)
    )
