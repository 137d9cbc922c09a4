"""Linear units and rectifiers: ReLU and its smooth, leaky and bounded variants."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from service.core import references
from service.core.activations.activation import Activation, kinks_at
from service.core.activations.functions import normal_cdf, normal_density, sigmoid, softplus, swish, swish_derivative, within
from service.core.activations.recommended import EXACT, LECUN_UNIFORM, SMALL_NORMAL, exact, he
from service.core.parameters import Parameter, Values
from service.core.recommendation import Alternative, Recommendation

Float64s = npt.NDArray[np.float64]

# Klambauer et al. 2017, equation 14: the fixed point of mean 0 and variance 1.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848, 1.0507009873554804934
# Hendrycks and Gimpel 2016, section 2: x·Φ(x) is nearly ½x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), and x·sigmoid(1.702·x).
_GELU_CUBE, _GELU_SLOPE = 0.044715, 1.702


def _mish_derivative(z: Float64s, _: Values) -> Float64s:
    t = np.tanh(softplus(z))
    return t + z * (1 - t * t) * sigmoid(z)


def _gelu_tanh(z: Float64s, _: Values) -> Float64s:
    return 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + _GELU_CUBE * z**3)))


def _gelu_tanh_derivative(z: Float64s, _: Values) -> Float64s:
    t = np.tanh(math.sqrt(2 / math.pi) * (z + _GELU_CUBE * z**3))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * _GELU_CUBE * z * z)


def _leaky_gain(values: Values) -> float:
    slope = values["negative_slope"]
    return math.sqrt(2 / (1 + slope * slope))


def _slope(default: float, summary: str) -> Parameter:
    return Parameter("negative_slope", summary, default=default)


ROWS = (
    Activation(
        "linear", "x", references.GLOROT_2010,
        lambda z, _: z,
        lambda z, _: np.ones_like(z),
        aliases=("identity", "none", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),  # torch's
        torch_gain=lambda _: 1.0,
        recommendation=Recommendation(
            "lecun_normal",
            "A linear unit passes on the variance fan_in·Var(w) of its input, so Var(w) = 1/fan_in keeps it.",
            references.LECUN_1998,
            (Alternative("xavier_uniform", "to balance the signal forward against the gradient backward"),),
        ),
    ),
    Activation(
        "relu", "max(0, x)", references.GLOROT_2011,
        lambda z, _: np.maximum(z, 0),
        lambda z, _: np.where(z > 0, 1.0, 0.0),
        kinks=kinks_at(0.0),
        torch_gain=lambda _: math.sqrt(2),
        recommendation=he(
            "ReLU zeroes the negative half and with it half of the second moment; Var(w) = 2/fan_in makes up for it, so the"
            " signal keeps its size through any depth.",
        ),
    ),
    Activation(
        "relu6", "min(max(0, x), 6)", references.KRIZHEVSKY_2010,
        lambda z, _: np.clip(z, 0, 6),
        lambda z, _: within(z, 0, 6),
        kinks=kinks_at(0.0, 6.0),
        recommendation=he(
            "ReLU6 is ReLU until 6, which one in a thousand million normal inputs passes: He's variance keeps the signal's size.",
        ),
    ),
    Activation(
        "relu2", "max(0, x)²", references.SO_2021,
        lambda z, _: np.maximum(z, 0) ** 2,
        lambda z, _: 2 * np.maximum(z, 0),
        aliases=("squared_relu", "relu_squared", "relu_square"),
        kinks=kinks_at(0.0),
        recommendation=exact(
            "Squared ReLU keeps 3/2 of the second moment at variance 1, so that Var(w) = (2/3)/fan_in keeps it. It squares deviations too:"
            " without normalization between layers a signal off variance 1 runs away from it.",
            SMALL_NORMAL,
            reference=references.SO_2021,
        ),
    ),
    Activation(
        "leaky_relu", "x if x > 0 else negative_slope·x", references.MAAS_2013,
        lambda z, p: np.where(z > 0, z, p["negative_slope"] * z),
        lambda z, p: np.where(z > 0, 1.0, p["negative_slope"]),
        aliases=("lrelu",),
        parameters=(_slope(0.01, "the slope for negative inputs"),),
        kinks=kinks_at(0.0),
        torch_gain=_leaky_gain,
        recommendation=he(
            "Leaky ReLU keeps (1 + negative_slope²)/2 of the second moment; Var(w) = 2/((1 + negative_slope²)·fan_in) makes up for it.",
        ),
    ),
    Activation(
        "prelu", "x if x > 0 else negative_slope·x, the slope learned", references.HE_2015,
        lambda z, p: np.where(z > 0, z, p["negative_slope"] * z),
        lambda z, p: np.where(z > 0, 1.0, p["negative_slope"]),
        parameters=(_slope(0.25, "the slope for negative inputs at the start of training"),),
        kinks=kinks_at(0.0),
        recommendation=he(
            "PReLU starts as a leaky ReLU; Var(w) = 2/((1 + negative_slope²)·fan_in) with its starting slope keeps the signal's size.",
        ),
    ),
    Activation(
        "elu", "x if x > 0 else exp(x) - 1", references.CLEVERT_2015,
        lambda z, _: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z, _: np.exp(np.minimum(z, 0)),
        kinks=kinks_at(0.0),
        recommendation=he(
            "ELU is a rectifier with a soft negative side; its authors train with He's variance, a little above what keeps the signal.",
            EXACT,
            reference=references.CLEVERT_2015,
        ),
    ),
    Activation(
        "celu", "x if x > 0 else alpha·(exp(x/alpha) - 1)", references.BARRON_2017,
        lambda z, p: np.where(z > 0, z, p["alpha"] * np.expm1(np.minimum(z, 0) / p["alpha"])),
        lambda z, p: np.exp(np.minimum(z, 0) / p["alpha"]),
        parameters=(Parameter("alpha", "minus the limit for x → -∞", default=1.0, minimum=0.0),),
        kinks=kinks_at(0.0),
        recommendation=he(
            "CELU is a rectifier with a soft negative side, at alpha 1 the same as ELU; He's variance is a little above"
            " what keeps the signal.",
            EXACT,
        ),
    ),
    Activation(
        "selu", "λ·x if x > 0 else λ·α·(exp(x) - 1), λ = 1.0507, α = 1.6733", references.KLAMBAUER_2017,
        lambda z, _: _SELU_SCALE * np.where(z > 0, z, _SELU_ALPHA * np.expm1(np.minimum(z, 0))),
        lambda z, _: _SELU_SCALE * np.where(z > 0, 1.0, _SELU_ALPHA * np.exp(np.minimum(z, 0))),
        kinks=kinks_at(0.0),
        torch_gain=lambda _: 3 / 4,
        recommendation=Recommendation(
            "lecun_normal",
            "SELU drives its activations to mean 0 and variance 1 by itself, and its constants assume Var(w) = 1/fan_in.",
            references.KLAMBAUER_2017,
            (LECUN_UNIFORM,),
        ),
    ),
    Activation(
        "gelu", "x·Φ(x)", references.HENDRYCKS_2016,
        lambda z, _: z * normal_cdf(z),
        lambda z, _: normal_cdf(z) + z * normal_density(z),
        aliases=("gelu_erf", "gelu_exact"),
        recommendation=he(
            "GELU loses somewhat more than half of the second moment, as ReLU does; He's variance nearly makes up for it.",
            EXACT,
            SMALL_NORMAL,
        ),
    ),
    Activation(
        "gelu_tanh", "½x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))", references.HENDRYCKS_2016,
        _gelu_tanh,
        _gelu_tanh_derivative,
        aliases=("gelu_new", "gelu_pytorch_tanh", "gelu_approximate", "gelu_fast"),
        recommendation=he(
            "This approximation of GELU has its gains to four digits; He's variance nearly makes up for what it drops.",
            EXACT,
            SMALL_NORMAL,
        ),
    ),
    Activation(
        "quick_gelu", "x·sigmoid(1.702·x)", references.HENDRYCKS_2016,
        lambda z, _: swish(z, _GELU_SLOPE),
        lambda z, _: swish_derivative(z, _GELU_SLOPE),
        aliases=("gelu_sigmoid",),
        recommendation=he(
            "This approximation of GELU has its gains to two digits; He's variance nearly makes up for what it drops.",
            EXACT,
            SMALL_NORMAL,
        ),
    ),
    Activation(
        "silu", "x·sigmoid(x)", references.RAMACHANDRAN_2017,
        lambda z, _: swish(z),
        lambda z, _: swish_derivative(z),
        aliases=("swish",),
        recommendation=he(
            "SiLU loses somewhat more than half of the second moment, as ReLU does; He's variance nearly makes up for it.",
            EXACT,
            SMALL_NORMAL,
        ),
    ),
    Activation(
        "hardswish", "x·min(max(0, x + 3), 6)/6", references.HOWARD_2019,
        lambda z, _: z * np.clip(z + 3, 0, 6) / 6,
        lambda z, _: np.where(z > 3, 1.0, np.where(z > -3, z / 3 + 0.5, 0.0)),
        aliases=("hard_silu",),
        kinks=kinks_at(-3.0, 3.0),
        recommendation=he(
            "Hardswish loses somewhat more than half of the second moment, as SiLU does; He's variance makes up for most of it. MobileNetV3"
            " takes mode fan_out, which keeps the gradient.",
            EXACT,
        ),
    ),
    Activation(
        "mish", "x·tanh(softplus(x))", references.MISRA_2019,
        lambda z, _: z * np.tanh(softplus(z)),
        _mish_derivative,
        recommendation=he(
            "Mish loses about half of the second moment, as ReLU does; He's variance nearly makes up for it.",
            EXACT,
        ),
    ),
)  # fmt: skip
