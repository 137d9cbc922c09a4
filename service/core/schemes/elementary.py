"""Schemes that ignore the layer: constants, and distributions whose scale is a parameter."""

from __future__ import annotations

import math

from service.core import references
from service.core.errors import InvalidValue
from service.core.layers.fans import Fans
from service.core.parameters import Kind, Parameter, Values
from service.core.schemes.scheme import GAIN, Scheme, names
from service.core.stream.distributions import Distribution, Draw, constant, truncated_stddev, widened_stddev
from service.core.stream.rare_cuts import FARTHEST, NARROWEST

_MEAN = Parameter("mean", "the mean of the normal, before any truncation", default=0.0)
_STDDEV = Parameter("stddev", "the standard deviation of the normal", default=1.0, minimum=0.0)


def _uniform(values: Values, _: Fans) -> Distribution:
    low, high = values["low"], values["high"]
    if low > high:
        raise InvalidValue("low", expected=f"a number of at most high ({high:g})", received=low, action="Swap low and high.")
    return Distribution(Draw.UNIFORM, low / 2 + high / 2, values["gain"] * (high / 2 - low / 2))


def _normal(values: Values, _: Fans) -> Distribution:
    return Distribution(Draw.NORMAL, values["mean"], values["gain"] * values["stddev"])


def _truncated_normal(values: Values, _: Fans) -> Distribution:
    mean, stddev = values["mean"], values["stddev"]
    absolute = values["low"] is not None or values["high"] is not None
    low, high = _absolute_cut(values) if absolute else _relative_cut(values)
    if stddev == 0:
        return constant(mean)
    if absolute:
        low, high = low - mean, high - mean
        if values["corrected"]:
            stddev = _corrected_absolute(stddev, low, high)
        low, high = low / stddev, high / stddev
    elif values["corrected"]:
        stddev = stddev / truncated_stddev(low, high)
    _check_mass(low, high, "low" if absolute else "low_stddevs")
    return Distribution(Draw.TRUNCATED_NORMAL, mean, values["gain"] * stddev, (low, high))


def _check_mass(low: float, high: float, field: str) -> None:
    """Check that the cut keeps a part of the normal that float64 can draw from. Bounds are in standard deviations."""
    if high - low < NARROWEST:
        raise InvalidValue(
            field,
            expected=f"bounds at least {NARROWEST:g} standard deviations apart",
            received=f"{low:g} to {high:g} standard deviations",
            action="Widen the bounds, or use uniform, which is the same over so narrow an interval.",
        )
    if low > FARTHEST or high < -FARTHEST:
        raise InvalidValue(
            field,
            expected=f"bounds that keep a part within {FARTHEST:g} standard deviations of the mean, where float64 can hold its mass",
            received=f"{low:g} to {high:g} standard deviations",
            action="Move the bounds towards the mean. So far out, almost all of the mass is at the nearer bound.",
        )


def _relative_cut(values: Values) -> tuple[float, float]:
    low = -2.0 if values["low_stddevs"] is None else values["low_stddevs"]
    high = 2.0 if values["high_stddevs"] is None else values["high_stddevs"]
    return _ordered("low_stddevs", low, "high_stddevs", high)


def _absolute_cut(values: Values) -> tuple[float, float]:
    for name in ("low_stddevs", "high_stddevs"):
        if values[name] is not None:
            raise InvalidValue(
                name,
                expected="bounds of one kind",
                received=f"both {name} (in standard deviations) and low or high (absolute)",
                action="Give low_stddevs and high_stddevs, or low and high.",
            )
    for name in ("low", "high"):
        if values[name] is None:
            raise InvalidValue(
                name, expected="both absolute bounds", received=None, action="Give low and high, or use low_stddevs and high_stddevs."
            )
    low, high = _ordered("low", values["low"], "high", values["high"])
    if values["stddev"] == 0 and not low <= values["mean"] <= high:
        raise InvalidValue("mean", expected="a mean between low and high when stddev is 0", received=values["mean"], action="Change mean.")
    return low, high


def _ordered(low_name: str, low: float, high_name: str, high: float) -> tuple[float, float]:
    if low >= high:
        raise InvalidValue(
            low_name, expected=f"a number below {high_name} ({high:g})", received=low, action=f"Swap {low_name} and {high_name}."
        )
    return low, high


def _corrected_absolute(stddev: float, low: float, high: float) -> float:
    widened = widened_stddev(stddev, low, high)
    actual = widened * truncated_stddev(low / widened, high / widened)
    if abs(actual - stddev) > 1e-6 * stddev:
        raise InvalidValue(
            "stddev",
            expected=f"with corrected, less than the standard deviation of a uniform between the bounds ({(high - low) / math.sqrt(12):g})",
            received=stddev,
            action="Widen low and high, lower stddev, or leave out corrected.",
        )
    return widened


ROWS = (
    Scheme(
        "zeros",
        "Every element 0: right for biases, fatal for hidden weights, because all units would compute the same.",
        "0",
        references.GOODFELLOW_2016,
        lambda values, _: constant(0.0 * values["gain"]),
        (GAIN,),
        aliases=names("zero", "torch.zeros_", "keras.Zeros", "jax.zeros"),
    ),
    Scheme(
        "ones",
        "Every element 1: for normalization scales.",
        "gain",
        references.GOODFELLOW_2016,
        lambda values, _: constant(values["gain"]),
        (GAIN,),
        aliases=names("one", "torch.ones_", "keras.Ones", "jax.ones"),
    ),
    Scheme(
        "constant",
        "Every element the same value: for biases.",
        "gain·value",
        references.GOODFELLOW_2016,
        lambda values, _: constant(values["gain"] * values["value"]),
        (Parameter("value", "the value of every element", required=True), GAIN),
        aliases=names("torch.constant_", "jax.constant") + names("keras.Constant", value=0.0),
    ),
    Scheme(
        "uniform",
        "Uniform between two bounds, independent of the fans.",
        "U[low, high]; gain scales the half-width",
        references.GOODFELLOW_2016,
        _uniform,
        (
            Parameter("low", "the lower bound", default=0.0),
            Parameter("high", "the upper bound", default=1.0),
            GAIN,
        ),
        aliases=names("torch.uniform_")
        + names("random_uniform", "keras.RandomUniform", low=-0.05, high=0.05)
        + names("jax.uniform", low=0.0, high=0.01),
    ),
    Scheme(
        "normal",
        "Normal with a given standard deviation, independent of the fans.",
        "N(mean, (gain·stddev)²)",
        references.GOODFELLOW_2016,
        _normal,
        (_MEAN, _STDDEV, GAIN),
        aliases=names("gaussian", "torch.normal_")
        + names("random_normal", "keras.RandomNormal", stddev=0.05)
        + names("jax.normal", stddev=0.01),
    ),
    Scheme(
        "truncated_normal",
        "Normal truncated at bounds, given in standard deviations (2 by default) or as values.",
        "N(mean, (gain·stddev)²) within [mean + low_stddevs·gain·stddev, mean + high_stddevs·gain·stddev] or [low, high]",
        references.GOODFELLOW_2016,
        _truncated_normal,
        (
            _MEAN,
            Parameter("stddev", "the standard deviation before truncation; with corrected, after it", default=1.0, minimum=0.0),
            Parameter("low_stddevs", "the lower bound in standard deviations from the mean; -2 by default"),
            Parameter("high_stddevs", "the upper bound in standard deviations from the mean; 2 by default"),
            Parameter("low", "the lower bound as a value, before gain; give it with high, in place of low_stddevs and high_stddevs"),
            Parameter("high", "the upper bound as a value, before gain"),
            Parameter(
                "corrected",
                "whether to widen the normal so that the truncated values have the standard deviation stddev",
                kind=Kind.BOOLEAN,
                default=False,
            ),
            GAIN,
        ),
        aliases=names("trunc_normal")
        + names("torch.trunc_normal_", "timm.trunc_normal_", low=-2.0, high=2.0)
        + names("timm.trunc_normal_tf_")
        + names("keras.TruncatedNormal", stddev=0.05)
        + names("jax.truncated_normal", stddev=0.01),
    ),
    Scheme(
        "alexnet",
        "The weights of AlexNet, independent of the fans; its biases are constant 0 or 1.",
        "N(0, (gain·0.01)²)",
        references.ALEXNET_2012,
        lambda values, _: Distribution(Draw.NORMAL, 0.0, values["gain"] * 0.01),
        (GAIN,),
    ),
)  # fmt: skip
