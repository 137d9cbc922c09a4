"""keras.initializers, on Keras's JAX backend. Shapes are [*kernel, in, out]."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.core.stream.distributions import Distribution, Draw
from service.core.stream.view import Shape
from tests.conformance.comparing import (
    IN_KERAS,
    Weight,
    assert_indistinguishable,
    assert_same_parameters,
    described,
    every_weight_in_keras,
    named,
    resolve,
    sample,
    sample_of,
    some_weights_in_keras,
)
from tests.conformance.libraries import MISSING

jax = pytest.importorskip("jax", reason=f"jax is {MISSING}")
keras = pytest.importorskip("keras", reason=f"keras is {MISSING}")
random_initializers = pytest.importorskip("keras.src.initializers.random_initializers", reason=f"keras is {MISSING}")

Parameters = dict[str, Any]

# name, the service's parameters, Keras's parameters
DRAWN: list[tuple[str, Parameters, Parameters]] = [
    ("RandomUniform", {}, {}),
    ("RandomUniform", {"low": -0.1, "high": 0.3}, {"minval": -0.1, "maxval": 0.3}),
    ("RandomNormal", {}, {}),
    ("RandomNormal", {"mean": 0.5, "stddev": 0.02}, {"mean": 0.5, "stddev": 0.02}),
    ("TruncatedNormal", {}, {}),
    ("TruncatedNormal", {"mean": 0.5, "stddev": 0.02}, {"mean": 0.5, "stddev": 0.02}),
    ("GlorotUniform", {}, {}),
    ("GlorotNormal", {}, {}),
    ("HeUniform", {}, {}),
    ("HeNormal", {}, {}),
    ("LecunUniform", {}, {}),
    ("LecunNormal", {}, {}),
    ("VarianceScaling", {}, {}),
    *(
        (
            "VarianceScaling",
            {"scale": 1.5, "mode": mode, "distribution": distribution},
            {"scale": 1.5, "mode": mode, "distribution": distribution},
        )
        for mode in ("fan_in", "fan_out", "fan_avg")
        for distribution in ("truncated_normal", "normal", "untruncated_normal", "uniform")
    ),
]
every_scheme = pytest.mark.parametrize(("name", "parameters", "theirs"), DRAWN, ids=described)

CONSTANT: list[tuple[str, Parameters, Parameters]] = [
    ("Zeros", {}, {}),
    ("Ones", {}, {}),
    ("Constant", {}, {}),
    ("Constant", {"value": -0.25}, {"value": -0.25}),
]


class RecordedDraws:
    """Replaces keras.random, and records the distributions that an initializer draws from."""

    SeedGenerator = keras.random.SeedGenerator

    def __init__(self) -> None:
        self.distributions: list[Distribution] = []

    def _record(self, shape: Shape, distribution: Distribution) -> Any:
        self.distributions.append(distribution)
        return np.zeros(shape)

    def uniform(self, shape: Shape, minval: float, maxval: float, **_: Any) -> Any:
        return self._record(shape, Distribution(Draw.UNIFORM, (minval + maxval) / 2, (maxval - minval) / 2))

    def normal(self, shape: Shape, mean: float, stddev: float, **_: Any) -> Any:
        return self._record(shape, Distribution(Draw.NORMAL, mean, stddev))

    def truncated_normal(self, shape: Shape, mean: float, stddev: float, **_: Any) -> Any:
        return self._record(shape, Distribution(Draw.TRUNCATED_NORMAL, mean, stddev, (-2.0, 2.0)))


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> RecordedDraws:
    draws = RecordedDraws()
    monkeypatch.setattr(random_initializers, "random", draws)
    return draws


def initialized(weight: Weight, name: str, parameters: Parameters, *, dtype: str = "float32", seed: int = 0) -> Any:
    return getattr(keras.initializers, name)(**parameters, seed=seed)(weight.shape, dtype=dtype)


def test_keras_uses_the_jax_backend() -> None:
    assert keras.backend.backend() == "jax"


@every_weight_in_keras
def test_counts_the_same_fans_as_keras(weight: Weight) -> None:
    fans = resolve(weight, "keras.initializers.GlorotUniform", {}).fans
    assert (fans.fan_in, fans.fan_out) == random_initializers.compute_fans(weight.shape)


@pytest.mark.parametrize("shape", [(), (1,), (7,)])
def test_counts_the_same_fans_as_keras_for_scalars_and_vectors(shape: Shape) -> None:
    fans = resolve(Weight("bias", shape, layout="keras"), "keras.initializers.GlorotUniform", {}).fans
    assert (fans.fan_in, fans.fan_out) == random_initializers.compute_fans(shape)


@every_weight_in_keras
@every_scheme
def test_draws_with_the_same_parameters_as_keras(
    weight: Weight, name: str, parameters: Parameters, theirs: Parameters, draws: RecordedDraws
) -> None:
    initialized(weight, name, theirs)
    assert_same_parameters(resolve(weight, f"keras.initializers.{name}", parameters).distribution, draws.distributions[0])


@some_weights_in_keras
@every_scheme
def test_values_have_the_same_distribution_as_in_keras(weight: Weight, name: str, parameters: Parameters, theirs: Parameters) -> None:
    assert_indistinguishable(
        sample(weight, f"keras.initializers.{name}", parameters),
        sample_of(weight, lambda seed: initialized(weight, name, theirs, seed=seed)),
    )


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@every_scheme
def test_values_have_the_same_distribution_in_every_dtype(dtype: str, name: str, parameters: Parameters, theirs: Parameters) -> None:
    weight = named(IN_KERAS, "conv 2-D")
    with jax.enable_x64(dtype == "float64"):
        theirs_values = sample_of(weight, lambda seed: initialized(weight, name, theirs, dtype=dtype, seed=seed))
    assert_indistinguishable(sample(weight, f"keras.initializers.{name}", parameters, dtype=dtype), theirs_values)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("name", "parameters", "theirs"), CONSTANT, ids=described)
def test_constants_equal_those_of_keras(dtype: str, name: str, parameters: Parameters, theirs: Parameters) -> None:
    weight = named(IN_KERAS, "dense")
    values = getattr(keras.initializers, name)(**theirs)(weight.shape, dtype=dtype)
    np.testing.assert_array_equal(
        sample(weight, f"keras.initializers.{name}", parameters, dtype=dtype), sample_of(weight, lambda _: values)
    )


@pytest.mark.parametrize("name", ["TruncatedNormal", "HeNormal"])
def test_both_truncate_a_normal_at_two_standard_deviations(name: str, draws: RecordedDraws, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = named(IN_KERAS, "conv 2-D")
    initialized(weight, name, {})
    monkeypatch.undo()
    (distribution,) = draws.distributions
    for values in (sample(weight, f"keras.{name}", {}), sample_of(weight, lambda seed: initialized(weight, name, {}, seed=seed))):
        farthest = np.abs(values).max() / distribution.scale
        assert 1.99 < farthest <= 2 * (1 + 1e-6)  # allows for rounding to float32
