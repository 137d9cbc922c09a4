"""Special-purpose schemes: parametrizations, sine networks, random walks, and the schemes of two libraries."""

from __future__ import annotations

import math

from service.core import references
from service.core.errors import InvalidValue
from service.core.layers.fans import Fans, Mode
from service.core.layers.weight import Weight
from service.core.parameters import Kind, Parameter, Values
from service.core.schemes.scaled import scaled_variance
from service.core.schemes.scheme import GAIN, Scheme, names
from service.core.stream.distributions import Distribution, Draw, constant
from service.core.stream.portable import portable


def _fan_in(fans: Fans, scheme: str) -> float:
    return fans.by(Mode.FAN_IN, scheme=scheme)


def _spectral(values: Values, fans: Fans) -> Distribution:
    """Return N(0, σ²) with a spectral norm of about √(fan_out/fan_in). For an m·n matrix it is about σ·(√m + √n)."""
    fan_in, fan_out = _fan_in(fans, "spectral"), fans.by(Mode.FAN_OUT, scheme="spectral")
    stddev = min(1.0, math.sqrt(fan_out / fan_in)) / math.sqrt(fan_in)
    return Distribution(Draw.NORMAL, 0.0, values["gain"] * stddev)


def _ntk_multiplier(_: Values, fans: Fans) -> dict[str, float]:
    return {} if fans.fan_in is None else {"forward_multiplier": 1 / math.sqrt(fans.fan_in)}


def _random_walk(values: Values, fans: Fans) -> Distribution:
    """Return the normal whose g makes the expected log growth of a signal 0. E[log χ²(n)/n] is about -1/n; for ReLU g is a fit."""
    fan = _fan_in(fans, "random_walk")
    exponent = 1 / (2 * fan) if values["units"] == "linear" else 1.2 / (max(fan, 6.0) - 2.4)
    root = 1.0 if values["units"] == "linear" else math.sqrt(2)
    return Distribution(Draw.NORMAL, 0.0, values["gain"] * (root * portable(math.exp(exponent)) / math.sqrt(fan)))


def _uniform_unit_scaling(values: Values, fans: Fans) -> Distribution:
    return Distribution(Draw.UNIFORM, 0.0, values["gain"] * values["factor"] * math.sqrt(3 / _fan_in(fans, "uniform_unit_scaling")))


def _caffe_xavier(values: Values, fans: Fans) -> Distribution:
    return scaled_variance(1.0, values, fans, mode=Mode(values["mode"]), distribution="uniform", scheme="caffe_xavier")


def _siren_first(values: Values, fans: Fans) -> Distribution:
    return Distribution(Draw.UNIFORM, 0.0, values["gain"] / _fan_in(fans, "siren_first"))


def _siren(values: Values, fans: Fans) -> Distribution:
    if values["omega_0"] <= 0:
        raise InvalidValue(
            "omega_0",
            expected="a number greater than 0 for siren",
            received=values["omega_0"],
            action="Give the factor inside the sine, as in sin(omega_0·x).",
        )
    return Distribution(Draw.UNIFORM, 0.0, values["gain"] * (math.sqrt(6 / _fan_in(fans, "siren")) / values["omega_0"]))


def _lora_a(values: Values, weight: Weight) -> Distribution:
    """Return the first factor [rank, in]: He uniform with a = √5, as torch.nn.Linear, or N(0, (1/rank)²)."""
    if values["distribution"] == "normal":
        return Distribution(Draw.NORMAL, 0.0, values["gain"] / max(1, weight.out))
    return Distribution(Draw.UNIFORM, 0.0, values["gain"] / math.sqrt(_fan_in(weight.fans, "lora_a")))


ROWS = (
    Scheme(
        "lora_a",
        "The first factor of LoRA, [rank, in]; the second, lora_b, is zero, so that the adapted layer starts as it was.",
        "uniform: U[-a, a], a = gain·√(1/fan_in), which is He's with slope √5; normal: N(0, (gain/rank)²)",
        references.HU_2021,
        None,
        (
            Parameter(
                "distribution",
                "uniform, as in the authors' code and PEFT; or normal, PEFT's gaussian",
                kind=Kind.CHOICE,
                default="uniform",
                choices=("uniform", "normal"),
            ),
            GAIN,
        ),
        aliases=names("lora_down", "peft.lora_A") + names("lora_gaussian", distribution="normal"),
        equation="section 4.1",
        build_tensor=_lora_a,
        judged=False,
    ),
    Scheme(
        "lora_b",
        "The second factor of LoRA, [out, rank]: zero, so that the adapted layer starts as it was.",
        "0",
        references.HU_2021,
        lambda _, __: constant(0.0),
        (),
        aliases=names("lora_up", "peft.lora_B"),
        equation="section 4.1",
        judged=False,
    ),
    Scheme(
        "spectral",
        "Gives the matrix the spectral norm at which features are learned at every width, as muP does, without a base model.",
        "N(0, σ²), σ = gain·min(1, √(fan_out/fan_in))/√fan_in",
        references.YANG_2023,
        _spectral,
        (GAIN,),
        aliases=names("spectral_init", "spectral_mup"),
        needs_fans=True,
        judged=False,
    ),
    Scheme(
        "ntk",
        "The neural tangent parametrization: N(0, 1); the scale is in the forward pass, which must multiply by 1/√fan_in.",
        "N(0, gain²), forward multiplier 1/√fan_in",
        references.JACOT_2018,
        lambda values, _: Distribution(Draw.NORMAL, 0.0, values["gain"]),
        (GAIN,),
        aliases=names("ntk_parametrization", "neural_tangent"),
        extras=_ntk_multiplier,
        judged=False,
    ),
    Scheme(
        "random_walk",
        "Keeps the log norm of a signal from drifting in very deep networks: He or LeCun, corrected for narrow layers.",
        "N(0, σ²), σ = gain·g/√fan_in; linear: g = exp(1/(2·fan_in)); relu: g = √2·exp(1.2/(max(fan_in, 6) - 2.4))",
        references.SUSSILLO_2014,
        _random_walk,
        (
            Parameter("units", "the units of the layers: relu or linear", kind=Kind.CHOICE, required=True, choices=("relu", "linear")),
            GAIN,
        ),
        aliases=names("sussillo") + names("random_walk_relu", units="relu") + names("random_walk_linear", units="linear"),
        needs_fans=True,
        judged=False,
    ),
    Scheme(
        "uniform_unit_scaling",
        "TensorFlow 1's lecun_uniform with a factor for the activation: 1 for linear, about 1.43 for ReLU, 1.15 for tanh.",
        "U[-a, a], a = gain·factor·√(3/fan_in)",
        references.SUSSILLO_2014,
        _uniform_unit_scaling,
        (Parameter("factor", "the activation's factor", default=1.0, minimum=0.0), GAIN),
        aliases=names(
            "unit_scaling", "tf.uniform_unit_scaling_initializer", "tf.uniform_unit_scaling",
            "tf1.uniform_unit_scaling", "tf1.uniform_unit_scaling_initializer",
        ),
        needs_fans=True,
    ),
    Scheme(
        "caffe_xavier",
        "Caffe's filler named xavier, which divides by fan_in alone by default.",
        "U[-a, a], a = gain·√(3/fan)",
        references.CAFFE,
        _caffe_xavier,
        (
            Parameter(
                "mode",
                "the fan to divide by; variance_norm in Caffe",
                kind=Kind.CHOICE,
                default=Mode.FAN_IN.value,
                choices=(Mode.FAN_IN.value, Mode.FAN_OUT.value, Mode.FAN_AVG.value),
            ),
            GAIN,
        ),
        aliases=names("caffe.xavier", "caffe.XavierFiller"),
        needs_fans=True,
    ),
    Scheme(
        "siren_first",
        "The first layer of a sine network: its inputs, the coordinates, span many periods of sin(omega_0·x).",
        "U[-a, a], a = gain/fan_in",
        references.SITZMANN_2020,
        _siren_first,
        (GAIN,),
        aliases=names("siren_input"),
        needs_fans=True,
        judged=False,
    ),
    Scheme(
        "siren",
        "The other layers of a sine network: the input of each sine is normal with variance 1 at any depth.",
        "U[-a, a], a = gain·√(6/fan_in)/omega_0",
        references.SITZMANN_2020,
        _siren,
        (Parameter("omega_0", "the factor inside the sine, greater than 0", default=30.0), GAIN),
        aliases=names("siren_hidden"),
        needs_fans=True,
        judged=False,
    ),
)  # fmt: skip
