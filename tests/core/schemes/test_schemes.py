"""Every scheme: its parameters, moments, distribution and names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from service.core.activations import ACTIVATIONS, ActivationWithParameters
from service.core.errors import InitError, InvalidValue, UnknownName
from service.core.initializer import LayerSpecification, initialize
from service.core.layers.layouts import view_of
from service.core.recommendation import Circumstances
from service.core.schemes import SCHEMES, find_scheme
from service.core.stream.distributions import Distribution, Draw
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import TensorSpec, VirtualTensor
from tests.core.activate import activate
from tests.core.schemes import test_depth_schemes as depth
from tests.core.schemes import test_placed as placed

N = 1 << 18
SIGMAS = 5.5  # allowed standard errors: one false alarm in 2.6e7 checks if the seeds were not fixed
SHAPE = (64, 32, 3, 3)  # fan_in 288, fan_out 576

# scheme, parameters, the distribution in scipy; at least one row for each random scheme
FAN_IN, FAN_OUT = 288, 576


def _uniform(limit: float) -> Any:
    return stats.uniform(-limit, 2 * limit)


DRAWN: list[tuple[str, dict[str, Any], Any]] = [
    ("uniform", {}, stats.uniform(0, 1)),
    ("uniform", {"low": -0.05, "high": 0.15, "gain": 2.0}, stats.uniform(-0.15, 0.4)),
    ("normal", {}, stats.norm(0, 1)),
    ("normal", {"mean": 0.5, "stddev": 0.02, "gain": 3.0}, stats.norm(0.5, 0.06)),
    ("truncated_normal", {}, stats.truncnorm(-2, 2)),
    ("truncated_normal", {"stddev": 0.02, "corrected": True}, stats.truncnorm(-2, 2, scale=0.02 / 0.8796256610342398)),
    ("truncated_normal", {"mean": 1.0, "low_stddevs": -1.0, "high_stddevs": 3.0}, stats.truncnorm(-1, 3, loc=1)),
    ("truncated_normal", {"stddev": 4.0, "low": -2.0, "high": 2.0}, stats.truncnorm(-0.5, 0.5, scale=4)),
    ("xavier_uniform", {}, _uniform(math.sqrt(6 / (FAN_IN + FAN_OUT)))),
    ("xavier_normal", {"gain": 5 / 3}, stats.norm(0, 5 / 3 * math.sqrt(2 / (FAN_IN + FAN_OUT)))),
    ("xavier_normal", {"distribution": "truncated_normal"}, stats.truncnorm(-2, 2, scale=math.sqrt(2 / 864) / 0.8796256610342398)),
    ("he_uniform", {}, _uniform(math.sqrt(6 / FAN_IN))),
    ("he_normal", {}, stats.norm(0, math.sqrt(2 / FAN_IN))),
    ("he_normal", {"mode": "fan_out", "negative_slope": 0.2}, stats.norm(0, math.sqrt(2 / 1.04 / FAN_OUT))),
    ("he_normal", {"mode": "fan_avg"}, stats.norm(0, math.sqrt(2 / 432))),
    ("lecun_uniform", {}, _uniform(math.sqrt(3 / FAN_IN))),
    ("lecun_normal", {}, stats.norm(0, math.sqrt(1 / FAN_IN))),
    ("variance_scaling", {"scale": 3.0, "mode": "fan_out", "distribution": "uniform"}, _uniform(math.sqrt(9 / FAN_OUT))),
    ("variance_scaling", {"mode": "fan_geo_avg"}, stats.norm(0, (FAN_IN * FAN_OUT) ** -0.25)),
    ("torch_default", {}, _uniform(math.sqrt(1 / FAN_IN))),
    ("alexnet", {}, stats.norm(0, 0.01)),
    ("torch_rnn", {"gates": 4}, _uniform(1 / math.sqrt(64 / 4))),
    ("torch_rnn", {"gates": 4, "hidden_size": 25}, _uniform(0.2)),
    ("lora_a", {}, _uniform(1 / math.sqrt(FAN_IN))),
    ("lora_a", {"distribution": "normal"}, stats.norm(0, 1 / 64)),
    ("library_default", {"of": "keras.layers.Dense"}, _uniform(math.sqrt(6 / (FAN_IN + FAN_OUT)))),
    ("auto", {}, stats.norm(0, math.sqrt(1 / FAN_IN))),
    ("auto", {"distribution": "uniform", "gain": 2.0}, _uniform(2 * math.sqrt(3 / FAN_IN))),
    *depth.DRAWN,
]
CONSTANT: list[tuple[str, dict[str, Any], float]] = [
    ("zeros", {}, 0.0),
    ("zeros", {"gain": 3.0}, 0.0),
    ("ones", {}, 1.0),
    ("ones", {"gain": 0.5}, 0.5),
    ("lora_b", {}, 0.0),
    ("constant", {"value": -0.25}, -0.25),
    ("constant", {"value": 2.0, "gain": 2.0}, 4.0),
    *depth.CONSTANT,
]


def draw(values: Distribution, n: int = N, dtype: str = "float32") -> npt.NDArray[np.float64]:
    """Return the first n elements for a fixed seed."""
    tensor = VirtualTensor(TensorSpec(values, DTYPES[dtype], view_of((n,)), seed=20101208))
    return tensor.read().astype(np.float64)


def test_every_scheme_is_in_these_tables() -> None:
    assert {name for name, *_ in [*DRAWN, *CONSTANT, *placed.BUILT]} == set(SCHEMES)


@pytest.mark.parametrize(("scheme", "parameters", "exact"), DRAWN, ids=lambda value: str(value)[:60])
def test_random_schemes_have_the_right_moments_distribution_and_bounds(scheme: str, parameters: dict[str, Any], exact: Any) -> None:
    values = initialize(LayerSpecification(SHAPE, scheme=scheme, parameters=parameters)).distribution
    sample = draw(values)
    mean, stddev, kurtosis = exact.mean(), exact.std(), exact.stats("k")
    assert values.mean == pytest.approx(mean, abs=1e-9 * stddev)
    assert values.stddev == pytest.approx(stddev, rel=1e-9)
    assert abs(sample.mean() - mean) < SIGMAS * stddev / math.sqrt(N)
    # the variance of a sample variance is σ⁴(κ + 2)/N, κ the excess kurtosis
    assert abs(sample.var() / stddev**2 - 1) < SIGMAS * math.sqrt((kurtosis + 2) / N)
    assert stats.kstest(sample, exact.cdf).pvalue > 1e-7
    if values.bounds is not None:
        # allows for rounding the bound itself to float32
        assert sample.min() >= np.float32(values.bounds[0]) - np.spacing(np.float32(abs(values.bounds[0])))
        assert sample.max() <= np.float32(values.bounds[1]) + np.spacing(np.float32(abs(values.bounds[1])))
        assert sample.max() == pytest.approx(values.bounds[1], abs=0.01 * stddev)


@pytest.mark.parametrize(("scheme", "parameters", "value"), CONSTANT)
def test_constant_schemes_have_one_value(scheme: str, parameters: dict[str, Any], value: float) -> None:
    values = initialize(LayerSpecification((3,), scheme=scheme, parameters=parameters)).distribution
    assert (values.draw, values.mean, values.stddev) == (Draw.CONSTANT, value, 0)
    assert np.all(draw(values, 10) == value)


@pytest.mark.parametrize(
    ("shape", "scheme", "stddev"),
    [
        ((3, 5), "glorot_uniform", 0.5),
        ((3, 5), "glorot_normal", 0.5),
        ((50, 100), "he_normal", 0.14142135623730951),
        ((50, 100), "he_uniform", 0.14142135623730951),
        ((50, 100), "lecun_normal", 0.1),
        ((50, 100), "torch.nn.Linear", 0.1 / math.sqrt(3)),
    ],
)
def test_known_standard_deviations_are_exact(shape: tuple[int, ...], scheme: str, stddev: float) -> None:
    assert initialize(LayerSpecification(shape, scheme=scheme)).distribution.stddev == pytest.approx(stddev, rel=1e-12)


def test_known_bounds_are_exact() -> None:
    assert initialize(LayerSpecification((3, 5), scheme="glorot")).distribution.bounds == pytest.approx((-0.8660254, 0.8660254))
    assert initialize(LayerSpecification((50, 100), scheme="he_uniform")).distribution.bounds == pytest.approx((-0.24494897, 0.24494897))
    assert initialize(LayerSpecification((50, 100), scheme="torch.nn.Conv2d")).distribution.bounds == pytest.approx((-0.1, 0.1))


@pytest.mark.parametrize(
    ("name", "scheme", "stddev"),
    [
        ("glorot_normal", "xavier_normal", 0.5),
        ("GlorotUniform", "xavier_uniform", 0.5),
        ("Kaiming-Normal", "he_normal", math.sqrt(0.4)),
        ("xavier", "xavier_uniform", 0.5),
        ("he", "he_normal", math.sqrt(0.4)),
        ("kaiming_uniform_", "he_uniform", math.sqrt(0.4)),
        ("torch.nn.init.kaiming_normal_", "he_normal", math.sqrt(0.4)),
        ("torch.nn.init.uniform_", "uniform", math.sqrt(1 / 12)),
        ("torch.nn.init.normal_", "normal", 1.0),
        ("torch.nn.init.trunc_normal_", "truncated_normal", 0.879625661),
        ("keras.initializers.RandomUniform", "uniform", 0.1 / math.sqrt(12)),
        ("RandomNormal", "normal", 0.05),
        ("tf.keras.initializers.TruncatedNormal", "truncated_normal", 0.05 * 0.879625661),
        ("keras.HeNormal", "he_normal", math.sqrt(0.4)),
        ("keras.Constant", "constant", 0.0),
        ("torch.nn.Embedding", "normal", 1.0),
        ("torch.nn.ConvTranspose2d", "torch_default", 0.2**0.5 / math.sqrt(3)),
        ("timm.layers.trunc_normal_tf_", "truncated_normal", 0.879625661),
        ("timm.layers.weight_init.lecun_normal_", "lecun_normal", math.sqrt(0.2)),
        ("jax.nn.initializers.lecun_normal", "lecun_normal", math.sqrt(0.2)),
        ("jax.uniform", "uniform", 0.01 / math.sqrt(12)),
        ("jax.truncated_normal", "truncated_normal", 0.01 * 0.879625661),
        ("flax.linen.initializers.xavier_uniform", "xavier_uniform", 0.5),
    ],
)
def test_library_names_use_that_librarys_defaults(name: str, scheme: str, stddev: float) -> None:
    initializer = initialize(LayerSpecification((3, 5), scheme=name))
    assert initializer.scheme.name == scheme
    assert initializer.distribution.stddev == pytest.approx(stddev, rel=1e-9)


@pytest.mark.parametrize("name", ["keras.GlorotNormal", "keras.HeNormal", "jax.he_normal", "keras.VarianceScaling", "jax.lecun_normal"])
def test_keras_and_jax_names_draw_from_a_truncated_normal(name: str) -> None:
    values = initialize(LayerSpecification((3, 5), scheme=name)).distribution
    assert values.draw is Draw.TRUNCATED_NORMAL
    assert values.cut == (-2.0, 2.0)


def test_trunc_normal_without_a_library_is_truncated_normal() -> None:
    stddev = {"stddev": 0.02}
    ours, same = (
        initialize(LayerSpecification((3, 5), scheme=name, parameters=stddev)).rule for name in ("trunc_normal", "truncated_normal")
    )
    assert ours == same
    theirs = initialize(LayerSpecification((3, 5), scheme="torch.nn.init.trunc_normal_", parameters=stddev)).distribution
    assert theirs.bounds == (-2.0, 2.0)  # absolute


def test_keras_names_translate_the_values_of_distribution() -> None:
    translations = {"normal": Draw.TRUNCATED_NORMAL, "untruncated_normal": Draw.NORMAL, "truncated_normal": Draw.TRUNCATED_NORMAL}
    for value, expected in translations.items():
        keras = initialize(LayerSpecification((3, 5), scheme="keras.VarianceScaling", parameters={"distribution": value}))
        assert keras.distribution.draw is expected
    ours = initialize(LayerSpecification((3, 5), scheme="variance_scaling", parameters={"distribution": "normal"}))
    assert ours.distribution.draw is Draw.NORMAL


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"scale": 0.0}, "scale: expected a number above 0 for keras.VarianceScaling; received 0.0"),
        ({"scale": -1}, "scale: expected a number above 0 for keras.VarianceScaling"),
        ({"mode": "fan_geo_avg"}, "mode: expected one of fan_in, fan_out, fan_avg for keras.VarianceScaling; received 'fan_geo_avg'"),
        ({"distribution": "gaussian"}, "distribution: expected one of truncated_normal, untruncated_normal, uniform, normal for keras"),
    ],
)
def test_a_name_of_keras_refuses_what_keras_refuses(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        initialize(LayerSpecification((3, 5), scheme="keras.VarianceScaling", parameters=parameters))


@pytest.mark.parametrize("name", ["variance_scaling", "jax.variance_scaling"])
def test_other_names_of_variance_scaling_allow_more(name: str) -> None:
    given = {"scale": 0.0, "mode": "fan_geo_avg"}
    assert initialize(LayerSpecification((3, 5), scheme=name, parameters=given)).distribution.stddev == 0


def test_every_alias_resolves_to_its_scheme() -> None:
    for row in SCHEMES.values():
        for alias in row.aliases:
            assert find_scheme(alias.name) == (row, alias.presets)


def test_a_preset_can_be_overridden() -> None:
    assert initialize(LayerSpecification((3, 5), scheme="keras.RandomNormal", parameters={"stddev": 2.0})).distribution.stddev == 2.0


def test_a_bare_family_name_accepts_any_distribution() -> None:
    assert initialize(LayerSpecification((3, 5), scheme="kaiming", parameters={"distribution": "uniform"})).scheme.name == "he_uniform"
    assert initialize(LayerSpecification((3, 5), scheme="glorot", parameters={"distribution": "normal"})).scheme.name == "xavier_normal"


@pytest.mark.parametrize(
    ("scheme", "activation", "variance"),
    [
        ("he", activate("leaky_relu", negative_slope=0.2), 2 / 104),
        ("he", activate("relu"), 2 / 100),
        ("torch.kaiming_normal_", activate("leaky_relu", negative_slope=0.2), 2 / 100),  # torch passes a=0 for any activation
    ],
)
def test_he_uses_the_negative_slope_of_the_activation(scheme: str, activation: ActivationWithParameters, variance: float) -> None:
    initializer = initialize(LayerSpecification((3, 100), scheme=scheme, activation=activation))
    assert initializer.distribution.stddev == pytest.approx(math.sqrt(variance))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_auto_is_the_recommended_scheme(activation: str) -> None:
    initializer = initialize(LayerSpecification((3, 5), activation=activate(activation)))
    row, applied = initializer.recommended.recommendation, activate(activation)
    named = LayerSpecification((3, 5), scheme=row.scheme, parameters=row.parameters(Circumstances(applied)), activation=applied)
    assert initializer.distribution == initialize(named).distribution


@pytest.mark.parametrize(
    ("scheme", "parameters", "message"),
    [
        ("normal", {"stddev": -1.0}, r"stddev: expected a finite number, at least 0 for normal; received -1.0"),
        ("normal", {"stddev": math.nan}, "stddev.*received nan"),
        ("normal", {"mean": math.inf}, "mean.*received inf"),
        ("normal", {"mean": True}, "mean.*received True"),
        ("normal", {"mean": "0"}, "mean.*received '0'"),
        ("normal", {"mean": 10**400}, "mean: expected a finite number"),
        ("normal", {"std": 1.0}, "normal takes gain, mean, stddev.*Did you mean 'stddev'"),
        ("uniform", {"low": 1.0, "high": 0.0}, r"low: expected a number of at most high \(0\); received 1.0"),
        ("he_normal", {"gain": -1.0}, "gain"),
        ("he_normal", {"mode": "fan_inn"}, "mode: expected one of fan_in, fan_out, fan_avg"),
        ("constant", {}, "value.*cannot do without it"),
        ("truncated_normal", {"low": -1.0}, "high: expected both absolute bounds"),
        ("truncated_normal", {"low": -1.0, "high": 1.0, "low_stddevs": -1.0}, "bounds of one kind"),
        ("truncated_normal", {"low_stddevs": 2.0, "high_stddevs": 1.0}, "low_stddevs: expected a number below high_stddevs"),
        (
            "truncated_normal",
            {"low_stddevs": 5.0, "high_stddevs": 5.0000001},
            "bounds at least 1e-06 standard dev.*use uniform",
        ),
        ("truncated_normal", {"low": 40.0, "high": 50.0}, "low: expected bounds that keep a part within 37 standard deviations"),
        ("truncated_normal", {"low_stddevs": -50.0, "high_stddevs": -37.5}, "low_stddevs: expected bounds that keep a part within 37"),
        ("truncated_normal", {"low": 1.0, "high": 2.0, "stddev": 0.0}, "mean between low and high"),
        (
            "truncated_normal",
            {"low": -1.0, "high": 1.0, "stddev": 0.6, "corrected": True},
            "less than the standard deviation of a uniform between the bounds",
        ),
        ("truncated_normal", {"corrected": 1.0}, "corrected: expected true or false"),
    ],
)
def test_error_for_an_invalid_parameter_says_what_is_expected(scheme: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        initialize(LayerSpecification((3, 5), scheme=scheme, parameters=parameters))


def test_unknown_scheme_error_suggests_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'he_normal'"):
        find_scheme("he_norml")


@pytest.mark.parametrize("scheme", [row.name for row in SCHEMES.values() if row.needs_fans])
def test_schemes_that_need_fans_reject_a_bias_unless_fans_are_given(scheme: str) -> None:
    given = depth.REQUIRED.get(scheme, {})
    with pytest.raises(InitError, match="Give fan_"):
        initialize(LayerSpecification((7,), scheme=scheme, parameters=given))
    bias = initialize(LayerSpecification((7,), scheme=scheme, parameters=given, fan_in=10, fan_out=20))
    assert bias.distribution == initialize(LayerSpecification((20, 10), scheme=scheme, parameters=given)).distribution
