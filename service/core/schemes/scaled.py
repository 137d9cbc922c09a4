"""Schemes whose variance is a factor over a fan. Glorot, He, LeCun and the like are one function, specialised by data."""

from __future__ import annotations

import math

from service.core import references
from service.core.layers.fans import Fans, Mode
from service.core.parameters import Kind, Parameter, Values
from service.core.schemes.scheme import GAIN, GAIN_OR_CHOICE, Alias, Resolve, Scheme, names
from service.core.stream.distributions import Distribution, Draw, truncated_stddev

NEGATIVE_SLOPE = Parameter("negative_slope", "the slope for negative inputs; by default that of the activation (leaky_relu, prelu), else 0")


def _mode(default: Mode) -> Parameter:
    return Parameter("mode", "the fan to divide by", kind=Kind.CHOICE, default=default.value, choices=tuple(Mode))


def _distribution(*choices: str, default: str) -> Parameter:
    summary = "the distribution to draw from; truncated_normal is cut at 2 standard deviations and widened to the same stddev"
    return Parameter("distribution", summary, kind=Kind.CHOICE, default=default, choices=choices)


_NORMAL_OR_TRUNCATED = _distribution("normal", "truncated_normal", default="normal")

_VARIANCE_SCALING_CUT = (-2.0, 2.0)


def scaled_variance(variance_times_fan: float, values: Values, fans: Fans, *, mode: Mode, distribution: str, scheme: str) -> Distribution:
    """Return the distribution with variance gain²·`variance_times_fan`/fan, the one rule behind Glorot, He and LeCun."""
    variance = variance_times_fan / fans.by(mode, scheme=scheme)
    gain = values["gain"]
    if distribution == "uniform":
        return Distribution(Draw.UNIFORM, 0.0, gain * math.sqrt(3 * variance))
    stddev = gain * math.sqrt(variance)
    if distribution == "normal":
        return Distribution(Draw.NORMAL, 0.0, stddev)
    cut = _VARIANCE_SCALING_CUT
    return Distribution(Draw.TRUNCATED_NORMAL, 0.0, stddev / truncated_stddev(*cut), cut)


def _scaled(name: str, variance_times_fan: float, distribution: str | None = None, *, mode: Mode | None = None) -> Resolve:
    """Return a special case of variance scaling. If `distribution` or `mode` is None, the request gives it as a parameter."""

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


ROWS = (
    Scheme(
        "xavier_uniform",
        "Keeps the variance steady, forward and backward, through linear, tanh, sigmoid and softmax layers.",
        "U[-a, a], a = gain·√(6/(fan_in + fan_out))",
        references.GLOROT_2010,
        _scaled("xavier_uniform", 1.0, "uniform", mode=Mode.FAN_AVG),
        (GAIN,),
        aliases=names(
            "glorot_uniform", "xavier", "glorot", "xavier_init", "glorot_init",
            "torch.xavier_uniform_", "keras.GlorotUniform", "jax.glorot_uniform", "jax.xavier_uniform",
        ),
        needs_fans=True,
        equation="equation 16",
    ),
    Scheme(
        "xavier_normal",
        "Like xavier_uniform, with normal values.",
        "N(0, σ²), σ = gain·√(2/(fan_in + fan_out))",
        references.GLOROT_2010,
        _scaled("xavier_normal", 1.0, mode=Mode.FAN_AVG),
        (_NORMAL_OR_TRUNCATED, GAIN),
        aliases=names("glorot_normal", "torch.xavier_normal_")
        + names("keras.GlorotNormal", "jax.glorot_normal", "jax.xavier_normal", distribution="truncated_normal"),
        needs_fans=True,
        equation="equation 12",
    ),
    Scheme(
        "he_uniform",
        "Keeps the signal's second moment through rectifiers, which drop half of it.",
        "U[-a, a], a = gain·√(6/((1 + negative_slope²)·fan)); named gain: a = gain·√(3/fan)",
        references.HE_2015,
        _scaled("he_uniform", 2.0, "uniform"),
        (_mode(Mode.FAN_IN), NEGATIVE_SLOPE, GAIN_OR_CHOICE),
        aliases=names("kaiming_uniform")
        + names("torch.kaiming_uniform_", "keras.HeUniform", "jax.he_uniform", "jax.kaiming_uniform", negative_slope=0.0),
        needs_fans=True,
        equation="equations 10, 14 and 15",
    ),
    Scheme(
        "he_normal",
        "Like he_uniform, with normal values.",
        "N(0, σ²), σ = gain·√(2/((1 + negative_slope²)·fan)); named gain: σ = gain/√fan",
        references.HE_2015,
        _scaled("he_normal", 2.0),
        (_mode(Mode.FAN_IN), NEGATIVE_SLOPE, _NORMAL_OR_TRUNCATED, GAIN_OR_CHOICE),
        aliases=names("kaiming_normal", "he", "kaiming", "msra", "he_init", "kaiming_init", "msra_init", "caffe.msra", "caffe.MSRAFiller")
        + names("torch.kaiming_normal_", negative_slope=0.0)
        + names("keras.HeNormal", "jax.he_normal", "jax.kaiming_normal", negative_slope=0.0, distribution="truncated_normal"),
        needs_fans=True,
        equation="equations 10, 14 and 15",
    ),
    Scheme(
        "lecun_uniform",
        "Keeps the variance of the signal steady through linear layers.",
        "U[-a, a], a = gain·√(3/fan_in)",
        references.LECUN_1998,
        _scaled("lecun_uniform", 1.0, "uniform", mode=Mode.FAN_IN),
        (GAIN,),
        aliases=names("keras.LecunUniform", "jax.lecun_uniform"),
        needs_fans=True,
        equation="equation 16",
    ),
    Scheme(
        "lecun_normal",
        "Like lecun_uniform, with normal values; SELU needs it to normalize itself.",
        "N(0, σ²), σ = gain·√(1/fan_in)",
        references.LECUN_1998,
        _scaled("lecun_normal", 1.0, mode=Mode.FAN_IN),
        (_NORMAL_OR_TRUNCATED, GAIN),
        aliases=names("lecun", "lecun_init")
        + names("keras.LecunNormal", "jax.lecun_normal", "timm.lecun_normal_", distribution="truncated_normal"),
        needs_fans=True,
        equation="equation 16",
    ),
    Scheme(
        "variance_scaling",
        "The rule behind Xavier, He and LeCun, with a free choice of factor, fan and distribution.",
        "variance gain²·scale/fan",
        references.HE_2015,
        _variance_scaling,
        (
            Parameter("scale", "the variance times the fan", default=1.0, minimum=0.0),
            _mode(Mode.FAN_IN),
            _distribution("normal", "truncated_normal", "uniform", default="normal"),
            GAIN_OR_CHOICE,
        ),
        aliases=(
            *names("jax.variance_scaling", "timm.variance_scaling_"),
            Alias(
                "keras.VarianceScaling",
                {"distribution": "truncated_normal"},
                # in Keras "normal" is an old name for its truncated normal
                {"distribution": {"normal": "truncated_normal", "untruncated_normal": "normal"}},
                {"distribution": ("truncated_normal", "untruncated_normal", "uniform", "normal"), "mode": ("fan_in", "fan_out", "fan_avg")},
                ("scale",),
            ),
        ),
        needs_fans=True,
        equation="equations 10 and 14",
    ),
    Scheme(
        "torch_default",
        "The default of torch.nn.Linear and torch.nn.Conv for weight and bias.",
        "U[-a, a], a = gain·√(1/fan_in)",
        references.PYTORCH,
        _scaled("torch_default", 1 / 3, "uniform", mode=Mode.FAN_IN),
        (GAIN,),
        aliases=names("pytorch_default", "torch.default", "torch.Linear", "torch.Conv1d", "torch.Conv2d", "torch.Conv3d",
            "torch.ConvTranspose1d", "torch.ConvTranspose2d", "torch.ConvTranspose3d"),
        needs_fans=True,
    ),
)  # fmt: skip
