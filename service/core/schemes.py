"""The registry of schemes: one row each. Whatever lists or checks schemes derives from these rows.

A row says how its parameters and the fans become a `Distribution`. All the fan-scaled schemes are one function, variance
scaling, specialised by data. Adding a scheme is adding a row here and a golden vector in tests/golden.json.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.core import references
from service.core.distributions import Distribution, Draw, constant, truncated_stddev, widened_stddev
from service.core.errors import InvalidValue, unknown_name
from service.core.fans import Fans, Mode
from service.core.names import name_key
from service.core.parameters import Kind, Parameter, Values
from service.core.quantiles import quantile_range
from service.core.references import Reference

Resolve = Callable[[Values, Fans], Distribution]


@dataclass(frozen=True)
class Alias:
    """Another name of a scheme, with the parameters that this name stands for."""

    name: str
    presets: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scheme:
    """One initializer. `resolve` None: not a distribution of its own but a choice among the others (`auto`)."""

    name: str
    summary: str
    formula: str
    reference: Reference | None
    resolve: Resolve | None
    parameters: tuple[Parameter, ...]
    aliases: tuple[Alias, ...] = ()
    needs_fans: bool = False
    equation: str = ""

    @property
    def source(self) -> str | None:
        """The paper, and where in it the formula stands."""
        if self.reference is None:
            return None
        return f"{self.reference}, {self.equation}" if self.equation else str(self.reference)

    def in_library(self, library: str) -> list[str]:
        """The names that `library` ("torch", "keras", "jax") has for it."""
        prefix = f"{library}."
        return [alias.name.removeprefix(prefix) for alias in self.aliases if alias.name.startswith(prefix)]

    @property
    def parameter_names(self) -> list[str]:
        """The names of its parameters."""
        return [parameter.name for parameter in self.parameters]


def _names(*names: str, **presets: Any) -> tuple[Alias, ...]:
    return tuple(Alias(name, presets) for name in names)


GAIN = Parameter("gain", "an extra factor on the scale", default=1.0, minimum=0.0)
NEGATIVE_SLOPE = Parameter("negative_slope", "the slope left of zero; left out, that of the activation (leaky_relu, prelu), else 0")
_MEAN = Parameter("mean", "the mean of the normal before any cut", default=0.0)
_STDDEV = Parameter("stddev", "the standard deviation of the normal", default=1.0, minimum=0.0)


def _mode(default: Mode) -> Parameter:
    return Parameter("mode", "the fan to divide by", kind=Kind.CHOICE, default=default.value, choices=tuple(Mode))


def _distribution(*choices: str, default: str) -> Parameter:
    summary = "normal, or truncated_normal: cut at 2 standard deviations, with the same standard deviation of the values"
    return Parameter("distribution", summary, kind=Kind.CHOICE, default=default, choices=choices)


_NORMAL_OR_TRUNCATED = _distribution("normal", "truncated_normal", default="normal")

_VARIANCE_SCALING_CUT = (-2.0, 2.0)


def scaled_variance(variance_times_fan: float, values: Values, fans: Fans, *, mode: Mode, distribution: str, scheme: str) -> Distribution:
    """Variance `variance_times_fan / fan`, times gain²; the one rule behind Glorot, He, LeCun and their kin."""
    variance = variance_times_fan / fans.by(mode, scheme=scheme)
    gain = values["gain"]
    if distribution == "uniform":
        return Distribution(Draw.UNIFORM, 0.0, gain * math.sqrt(3 * variance))
    stddev = gain * math.sqrt(variance)
    if distribution == "normal":
        return Distribution(Draw.NORMAL, 0.0, stddev)
    cut = _VARIANCE_SCALING_CUT
    return Distribution(Draw.TRUNCATED_NORMAL, 0.0, stddev / truncated_stddev(*cut), cut)


def _uniform(values: Values, _: Fans) -> Distribution:
    low, high = values["low"], values["high"]
    if low > high:
        raise InvalidValue("low", expected=f"a number at most high ({high:g})", received=low, action="Exchange low and high.")
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
    if not quantile_range(low, high).holds_enough:
        raise InvalidValue(
            "low" if absolute else "low_stddevs",
            expected="a cut that keeps at least 1.5e-5 of the normal",
            received=f"{low:g} to {high:g} standard deviations",
            action="Widen the cut, or ask for uniform: over so narrow an interval it is the same.",
        )
    return Distribution(Draw.TRUNCATED_NORMAL, mean, values["gain"] * stddev, (low, high))


def _relative_cut(values: Values) -> tuple[float, float]:
    low = -2.0 if values["low_stddevs"] is None else values["low_stddevs"]
    high = 2.0 if values["high_stddevs"] is None else values["high_stddevs"]
    return _ordered("low_stddevs", low, "high_stddevs", high)


def _absolute_cut(values: Values) -> tuple[float, float]:
    for name in ("low_stddevs", "high_stddevs"):
        if values[name] is not None:
            raise InvalidValue(
                name,
                expected="one kind of cut",
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
        raise InvalidValue("mean", expected="a mean within low and high when stddev is 0", received=values["mean"], action="Move it.")
    return low, high


def _ordered(low_name: str, low: float, high_name: str, high: float) -> tuple[float, float]:
    if low >= high:
        raise InvalidValue(low_name, expected=f"a number below {high_name} ({high:g})", received=low, action="Exchange them.")
    return low, high


def _corrected_absolute(stddev: float, low: float, high: float) -> float:
    widened = widened_stddev(stddev, low, high)
    reached = widened * truncated_stddev(low / widened, high / widened)
    if abs(reached - stddev) > 1e-6 * stddev:
        raise InvalidValue(
            "stddev",
            expected=f"less than a uniform between the bounds has ({(high - low) / math.sqrt(12):g}), for corrected values",
            received=stddev,
            action="Widen low and high, lower stddev, or leave out corrected.",
        )
    return widened


def _scaled(name: str, variance_times_fan: float, distribution: str | None = None, *, mode: Mode | None = None) -> Resolve:
    """A child of variance scaling; `distribution` or `mode` None: a parameter of the request."""

    def resolve(values: Values, fans: Fans) -> Distribution:
        slope = values.get("negative_slope") or 0.0
        return scaled_variance(
            variance_times_fan / (1 + slope * slope),
            values,
            fans,
            mode=mode or Mode(values["mode"]),
            distribution=distribution or values["distribution"],
            scheme=name,
        )

    return resolve


def _variance_scaling(values: Values, fans: Fans) -> Distribution:
    return scaled_variance(
        values["scale"],
        values,
        fans,
        mode=Mode(values["mode"]),
        distribution=values["distribution"],
        scheme="variance_scaling",
    )


_ROWS = (
    Scheme(
        "auto",
        "The scheme recommended for the activation.",
        "as the recommended scheme",
        None,
        None,
        (
            GAIN,
            Parameter("mode", "the fan to divide by, where the chosen scheme has a choice", kind=Kind.CHOICE, choices=tuple(Mode)),
            Parameter(
                "distribution",
                "the shape of the draw; left out, that of the recommendation",
                kind=Kind.CHOICE,
                choices=("normal", "truncated_normal", "uniform"),
            ),
        ),
    ),
    Scheme(
        "zeros",
        "Every element 0: right for biases, fatal for hidden weights, whose units would all compute the same.",
        "0",
        references.GOODFELLOW_2016,
        lambda values, _: constant(0.0 * values["gain"]),
        (GAIN,),
        aliases=_names("zero", "torch.zeros_", "keras.Zeros", "jax.zeros"),
    ),
    Scheme(
        "ones",
        "Every element 1: for normalization scales.",
        "gain",
        references.GOODFELLOW_2016,
        lambda values, _: constant(values["gain"]),
        (GAIN,),
        aliases=_names("one", "torch.ones_", "keras.Ones", "jax.ones"),
    ),
    Scheme(
        "constant",
        "Every element the same value: for biases.",
        "gain·value",
        references.GOODFELLOW_2016,
        lambda values, _: constant(values["gain"] * values["value"]),
        (Parameter("value", "the value of every element", required=True), GAIN),
        aliases=_names("torch.constant_", "jax.constant") + _names("keras.Constant", value=0.0),
    ),
    Scheme(
        "uniform",
        "Uniform between two bounds, whatever the fans.",
        "U[low, high]; gain scales the half-width",
        references.GOODFELLOW_2016,
        _uniform,
        (
            Parameter("low", "the lower bound", default=0.0),
            Parameter("high", "the upper bound", default=1.0),
            GAIN,
        ),
        aliases=_names("torch.uniform_")
        + _names("random_uniform", "keras.RandomUniform", low=-0.05, high=0.05)
        + _names("jax.uniform", low=0.0, high=0.01),
    ),
    Scheme(
        "normal",
        "Normal of a given standard deviation, whatever the fans.",
        "N(mean, (gain·stddev)²)",
        references.GOODFELLOW_2016,
        _normal,
        (_MEAN, _STDDEV, GAIN),
        aliases=_names("gaussian", "torch.normal_")
        + _names("random_normal", "keras.RandomNormal", stddev=0.05)
        + _names("jax.normal", stddev=0.01),
    ),
    Scheme(
        "truncated_normal",
        "Normal cut at bounds, in standard deviations (2 by default) or absolute.",
        "N(mean, (gain·stddev)²) within [mean + low_stddevs·gain·stddev, mean + high_stddevs·gain·stddev] or [low, high]",
        references.GOODFELLOW_2016,
        _truncated_normal,
        (
            _MEAN,
            Parameter("stddev", "the standard deviation before the cut; with corrected, that of the values", default=1.0, minimum=0.0),
            Parameter("low_stddevs", "the lower cut in standard deviations from the mean; left out, -2"),
            Parameter("high_stddevs", "the upper cut in standard deviations from the mean; left out, 2"),
            Parameter("low", "the lower cut as a value, before gain; together with high, instead of the cut in standard deviations"),
            Parameter("high", "the upper cut as a value, before gain"),
            Parameter(
                "corrected",
                "whether the normal is widened so that the values, after the cut, have stddev",
                kind=Kind.BOOLEAN,
                default=False,
            ),
            GAIN,
        ),
        aliases=_names("trunc_normal", "torch.trunc_normal_", low=-2.0, high=2.0)
        + _names("keras.TruncatedNormal", stddev=0.05)
        + _names("jax.truncated_normal", stddev=0.01),
    ),
    Scheme(
        "xavier_uniform",
        "Keeps the variance steady both ways through linear, tanh, sigmoid and softmax layers.",
        "U[-a, a], a = gain·√(6/(fan_in + fan_out))",
        references.GLOROT_2010,
        _scaled("xavier_uniform", 1.0, "uniform", mode=Mode.FAN_AVG),
        (GAIN,),
        aliases=_names(
            "glorot_uniform", "xavier", "glorot",
            "torch.xavier_uniform_", "keras.GlorotUniform", "jax.glorot_uniform", "jax.xavier_uniform",
        ),
        needs_fans=True,
        equation="equation 16",
    ),
    Scheme(
        "xavier_normal",
        "As xavier_uniform, with normal values.",
        "N(0, σ²), σ = gain·√(2/(fan_in + fan_out))",
        references.GLOROT_2010,
        _scaled("xavier_normal", 1.0, mode=Mode.FAN_AVG),
        (_NORMAL_OR_TRUNCATED, GAIN),
        aliases=_names("glorot_normal", "torch.xavier_normal_")
        + _names("keras.GlorotNormal", "jax.glorot_normal", "jax.xavier_normal", distribution="truncated_normal"),
        needs_fans=True,
        equation="equation 12",
    ),
    Scheme(
        "he_uniform",
        "Keeps the signal's second moment through rectifiers, which drop half of it.",
        "U[-a, a], a = gain·√(6/((1 + negative_slope²)·fan))",
        references.HE_2015,
        _scaled("he_uniform", 2.0, "uniform"),
        (_mode(Mode.FAN_IN), NEGATIVE_SLOPE, GAIN),
        aliases=_names("kaiming_uniform")
        + _names("torch.kaiming_uniform_", "keras.HeUniform", "jax.he_uniform", "jax.kaiming_uniform", negative_slope=0.0),
        needs_fans=True,
        equation="equations 10, 14 and 15",
    ),
    Scheme(
        "he_normal",
        "As he_uniform, with normal values.",
        "N(0, σ²), σ = gain·√(2/((1 + negative_slope²)·fan))",
        references.HE_2015,
        _scaled("he_normal", 2.0),
        (_mode(Mode.FAN_IN), NEGATIVE_SLOPE, _NORMAL_OR_TRUNCATED, GAIN),
        aliases=_names("kaiming_normal", "he", "kaiming")
        + _names("torch.kaiming_normal_", negative_slope=0.0)
        + _names("keras.HeNormal", "jax.he_normal", "jax.kaiming_normal", negative_slope=0.0, distribution="truncated_normal"),
        needs_fans=True,
        equation="equations 10, 14 and 15",
    ),
    Scheme(
        "lecun_uniform",
        "Keeps the variance steady forward through linear layers.",
        "U[-a, a], a = gain·√(3/fan_in)",
        references.LECUN_1998,
        _scaled("lecun_uniform", 1.0, "uniform", mode=Mode.FAN_IN),
        (GAIN,),
        aliases=_names("keras.LecunUniform", "jax.lecun_uniform"),
        needs_fans=True,
        equation="equation 16",
    ),
    Scheme(
        "lecun_normal",
        "As lecun_uniform, with normal values: what SELU needs to normalize itself.",
        "N(0, σ²), σ = gain·√(1/fan_in)",
        references.LECUN_1998,
        _scaled("lecun_normal", 1.0, mode=Mode.FAN_IN),
        (_NORMAL_OR_TRUNCATED, GAIN),
        aliases=_names("lecun") + _names("keras.LecunNormal", "jax.lecun_normal", distribution="truncated_normal"),
        needs_fans=True,
        equation="equation 16",
    ),
    Scheme(
        "variance_scaling",
        "The rule behind Xavier, He and LeCun, with its factor, fan and shape free.",
        "variance gain²·scale/fan",
        references.HE_2015,
        _variance_scaling,
        (
            Parameter("scale", "variance times fan", default=1.0, minimum=0.0),
            _mode(Mode.FAN_IN),
            _distribution("normal", "truncated_normal", "uniform", default="normal"),
            GAIN,
        ),
        aliases=_names("jax.variance_scaling") + _names("keras.VarianceScaling", distribution="truncated_normal"),
        needs_fans=True,
        equation="equations 10 and 14",
    ),
    Scheme(
        "torch_default",
        "What torch.nn.Linear and torch.nn.Conv draw for weight and bias when nobody asks for anything else.",
        "U[-a, a], a = gain·√(1/fan_in)",
        references.PYTORCH,
        _scaled("torch_default", 1 / 3, "uniform", mode=Mode.FAN_IN),
        (GAIN,),
        aliases=_names("pytorch_default", "torch.default", "torch.Linear", "torch.Conv1d", "torch.Conv2d", "torch.Conv3d"),
        needs_fans=True,
    ),
    Scheme(
        "alexnet",
        "The weights of AlexNet, whatever the fans; its biases are constant 0 or 1.",
        "N(0, (gain·0.01)²)",
        references.ALEXNET_2012,
        lambda values, _: Distribution(Draw.NORMAL, 0.0, values["gain"] * 0.01),
        (GAIN,),
    ),
)  # fmt: skip

SCHEMES: dict[str, Scheme] = {row.name: row for row in _ROWS}
DEFAULT_SCHEME = "auto"

# family -> distribution -> the scheme that draws so, with its parameters
FAMILIES: dict[str, dict[str, tuple[str, Mapping[str, Any]]]] = {
    family: {
        "normal": (f"{family}_normal", {}),
        "truncated_normal": (f"{family}_normal", {"distribution": "truncated_normal"}),
        "uniform": (f"{family}_uniform", {}),
    }
    for family in ("xavier", "he", "lecun")
}
_FAMILY_NAMES = {"xavier": "xavier", "glorot": "xavier", "he": "he", "kaiming": "he", "lecun": "lecun"}


def family_of(scheme: str) -> str | None:
    """The family of a scheme's canonical name, None outside the three.

    >>> family_of("he_uniform")
    'he'
    """
    family = scheme.partition("_")[0]
    return family if family in FAMILIES else None


def family_named(name: str) -> str | None:
    """The family that a bare name stands for, whose distribution is still open.

    >>> family_named("Kaiming")
    'he'
    """
    return _FAMILY_NAMES.get(name_key(name))


def _index() -> dict[str, tuple[Scheme, Alias]]:
    index: dict[str, tuple[Scheme, Alias]] = {}
    for row in _ROWS:
        for alias in (Alias(row.name), *row.aliases):
            key = name_key(alias.name)
            if key in index:
                raise AssertionError(f"two schemes answer to {alias.name}")
            index[key] = (row, alias)
    return index


_BY_KEY = _index()


def find_scheme(name: str) -> tuple[Scheme, Mapping[str, Any]]:
    """The row of a name or an alias, and the parameters that the alias stands for. Raises UnknownName.

    Case, underscores and hyphens do not matter. A name of a library (`torch.nn.init.kaiming_normal_`,
    `keras.initializers.HeNormal`, `jax.nn.initializers.he_normal`) has that library's defaults and truncation.

    >>> find_scheme("GlorotUniform")[0].name
    'xavier_uniform'
    >>> scheme, presets = find_scheme("tf.keras.initializers.HeNormal")
    >>> scheme.name, presets["distribution"]
    ('he_normal', 'truncated_normal')
    """
    found = _BY_KEY.get(name_key(name))
    if found is None:
        known = [alias.name for row in _ROWS for alias in (Alias(row.name), *row.aliases)]
        raise unknown_name("scheme", name, known, kind="scheme")
    row, alias = found
    return row, alias.presets
