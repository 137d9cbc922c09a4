"""The activations, one row each. Adding one is adding a row here and its recommendation in recommend.py."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from service.core import references
from service.core.activations.activation import Activation
from service.core.activations.expressions.tree import erf, sigmoid
from service.core.errors import unknown_name
from service.core.names import name_key
from service.core.parameters import Parameter, Values

Float64s = npt.NDArray[np.float64]


def _softplus(z: Float64s) -> Float64s:
    return np.logaddexp(0, z)


def _normal_cdf(z: Float64s) -> Float64s:
    return 0.5 * (1 + erf(z / math.sqrt(2)))


def _normal_density(z: Float64s) -> Float64s:
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _mish_derivative(z: Float64s, _: Values) -> Float64s:
    t = np.tanh(_softplus(z))
    return t + z * (1 - t * t) * sigmoid(z)


def _swish(z: Float64s, beta: float = 1.0) -> Float64s:
    return z * sigmoid(beta * z)


def _swish_derivative(z: Float64s, beta: float = 1.0) -> Float64s:
    s = sigmoid(beta * z)
    return s * (1 + beta * z * sigmoid(-beta * z))


def _within(z: Float64s, low: float, high: float) -> Float64s:
    """1 between the bounds, 0 outside."""
    return np.where((z > low) & (z < high), 1.0, 0.0)


# Klambauer et al. 2017, equation 14: the fixed point of mean 0 and variance 1.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848, 1.0507009873554804934
# Hendrycks and Gimpel 2016, section 2: x·Φ(x) is nearly ½x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), and x·sigmoid(1.702·x).
_GELU_CUBE, _GELU_SLOPE = 0.044715, 1.702
# LeCun et al. 1998, section 4.4: so that f(±1) = ±1, and the slope is nearly 1 between.
_TANH_HEIGHT, _TANH_SLOPE = 1.7159, 2 / 3


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


def _threshold(summary: str) -> Parameter:
    return Parameter("threshold", summary, default=0.5, minimum=0.0)


def _at(*points: float) -> Callable[[Values], tuple[float, ...]]:
    return lambda _: points


def _at_threshold(values: Values) -> tuple[float, ...]:
    return (-values["threshold"], values["threshold"])


_ROWS = (
    Activation(
        "linear", "x", references.GLOROT_2010,
        lambda z, _: z,
        lambda z, _: np.ones_like(z),
        aliases=("identity", "none"),
        torch_gain=lambda _: 1.0,
    ),
    Activation(
        "relu", "max(0, x)", references.GLOROT_2011,
        lambda z, _: np.maximum(z, 0),
        lambda z, _: np.where(z > 0, 1.0, 0.0),
        kinks=_at(0.0),
        torch_gain=lambda _: math.sqrt(2),
    ),
    Activation(
        "relu6", "min(max(0, x), 6)", references.KRIZHEVSKY_2010,
        lambda z, _: np.clip(z, 0, 6),
        lambda z, _: _within(z, 0, 6),
        kinks=_at(0.0, 6.0),
    ),
    Activation(
        "relu2", "max(0, x)²", references.SO_2021,
        lambda z, _: np.maximum(z, 0) ** 2,
        lambda z, _: 2 * np.maximum(z, 0),
        aliases=("squared_relu", "relu_squared", "relu_square"),
        kinks=_at(0.0),
    ),
    Activation(
        "leaky_relu", "x if x > 0 else negative_slope·x", references.MAAS_2013,
        lambda z, p: np.where(z > 0, z, p["negative_slope"] * z),
        lambda z, p: np.where(z > 0, 1.0, p["negative_slope"]),
        aliases=("lrelu",),
        parameters=(_slope(0.01, "the slope left of zero"),),
        kinks=_at(0.0),
        torch_gain=_leaky_gain,
    ),
    Activation(
        "prelu", "x if x > 0 else negative_slope·x, the slope learned", references.HE_2015,
        lambda z, p: np.where(z > 0, z, p["negative_slope"] * z),
        lambda z, p: np.where(z > 0, 1.0, p["negative_slope"]),
        parameters=(_slope(0.25, "the slope left of zero at the start of training"),),
        kinks=_at(0.0),
    ),
    Activation(
        "elu", "x if x > 0 else exp(x) - 1", references.CLEVERT_2015,
        lambda z, _: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z, _: np.exp(np.minimum(z, 0)),
        kinks=_at(0.0),
    ),
    Activation(
        "celu", "x if x > 0 else alpha·(exp(x/alpha) - 1)", references.BARRON_2017,
        lambda z, p: np.where(z > 0, z, p["alpha"] * np.expm1(np.minimum(z, 0) / p["alpha"])),
        lambda z, p: np.exp(np.minimum(z, 0) / p["alpha"]),
        parameters=(Parameter("alpha", "minus the limit far left of zero", default=1.0, minimum=0.0),),
        kinks=_at(0.0),
    ),
    Activation(
        "selu", "λ·x if x > 0 else λ·α·(exp(x) - 1), λ = 1.0507, α = 1.6733", references.KLAMBAUER_2017,
        lambda z, _: _SELU_SCALE * np.where(z > 0, z, _SELU_ALPHA * np.expm1(np.minimum(z, 0))),
        lambda z, _: _SELU_SCALE * np.where(z > 0, 1.0, _SELU_ALPHA * np.exp(np.minimum(z, 0))),
        kinks=_at(0.0),
        torch_gain=lambda _: 3 / 4,
    ),
    Activation(
        "gelu", "x·Φ(x)", references.HENDRYCKS_2016,
        lambda z, _: z * _normal_cdf(z),
        lambda z, _: _normal_cdf(z) + z * _normal_density(z),
        aliases=("gelu_erf", "gelu_exact"),
    ),
    Activation(
        "gelu_tanh", "½x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))", references.HENDRYCKS_2016,
        _gelu_tanh,
        _gelu_tanh_derivative,
        aliases=("gelu_new", "gelu_pytorch_tanh", "gelu_approximate", "gelu_fast"),
    ),
    Activation(
        "quick_gelu", "x·sigmoid(1.702·x)", references.HENDRYCKS_2016,
        lambda z, _: _swish(z, _GELU_SLOPE),
        lambda z, _: _swish_derivative(z, _GELU_SLOPE),
        aliases=("gelu_sigmoid",),
    ),
    Activation(
        "silu", "x·sigmoid(x)", references.RAMACHANDRAN_2017,
        lambda z, _: _swish(z),
        lambda z, _: _swish_derivative(z),
        aliases=("swish",),
    ),
    Activation(
        "hardswish", "x·min(max(0, x + 3), 6)/6", references.HOWARD_2019,
        lambda z, _: z * np.clip(z + 3, 0, 6) / 6,
        lambda z, _: np.where(z > 3, 1.0, np.where(z > -3, z / 3 + 0.5, 0.0)),
        aliases=("hard_silu",),
        kinks=_at(-3.0, 3.0),
    ),
    Activation(
        "mish", "x·tanh(softplus(x))", references.MISRA_2019,
        lambda z, _: z * np.tanh(_softplus(z)),
        _mish_derivative,
    ),
    Activation(
        "tanh", "tanh(x)", references.GLOROT_2010,
        lambda z, _: np.tanh(z),
        lambda z, _: 1 - np.tanh(z) ** 2,
        torch_gain=lambda _: 5 / 3,
    ),
    Activation(
        "scaled_tanh", "1.7159·tanh(2x/3)", references.LECUN_1998,
        lambda z, _: _TANH_HEIGHT * np.tanh(_TANH_SLOPE * z),
        lambda z, _: _TANH_HEIGHT * _TANH_SLOPE * (1 - np.tanh(_TANH_SLOPE * z) ** 2),
        aliases=("lecun_tanh",),
    ),
    Activation(
        "hardtanh", "min(max(-1, x), 1)", references.PYTORCH_HARDTANH,
        lambda z, _: np.clip(z, -1, 1),
        lambda z, _: _within(z, -1, 1),
        kinks=_at(-1.0, 1.0),
    ),
    Activation(
        "softsign", "x/(1 + |x|)", references.GLOROT_2010,
        lambda z, _: z / (1 + np.abs(z)),
        lambda z, _: 1 / (1 + np.abs(z)) ** 2,
        kinks=_at(0.0),
    ),
    Activation(
        "tanhshrink", "x - tanh(x)", references.PYTORCH_TANHSHRINK,
        lambda z, _: z - np.tanh(z),
        lambda z, _: np.tanh(z) ** 2,
    ),
    Activation(
        "softshrink", "x - threshold·sign(x) if |x| > threshold else 0", references.PYTORCH_SOFTSHRINK,
        lambda z, p: np.sign(z) * np.maximum(np.abs(z) - p["threshold"], 0),
        lambda z, p: np.where(np.abs(z) > p["threshold"], 1.0, 0.0),
        parameters=(_threshold("the distance from zero that is cut off; torch's lambd"),),
        kinks=_at_threshold,
    ),
    Activation(
        "hardshrink", "x if |x| > threshold else 0", references.PYTORCH_HARDSHRINK,
        lambda z, p: np.where(np.abs(z) > p["threshold"], z, 0.0),
        lambda z, p: np.where(np.abs(z) > p["threshold"], 1.0, 0.0),
        parameters=(_threshold("the distance from zero within which all is zero; torch's lambd"),),
        kinks=_at_threshold,
    ),
    Activation(
        "sigmoid", "1/(1 + exp(-x))", references.GLOROT_2010,
        lambda z, _: sigmoid(z),
        lambda z, _: sigmoid(z) * sigmoid(-z),
        aliases=("logistic",),
        torch_gain=lambda _: 1.0,
    ),
    Activation(
        "hardsigmoid", "min(max(0, x + 3), 6)/6", references.HOWARD_2019,
        lambda z, _: np.clip(z + 3, 0, 6) / 6,
        lambda z, _: _within(z, -3, 3) / 6,
        kinks=_at(-3.0, 3.0),
    ),
    Activation("softmax", "exp(xᵢ)/Σⱼ exp(xⱼ)", references.GOODFELLOW_2016, None, None, aliases=("log_softmax",)),
    Activation(
        "softplus", "log(1 + exp(x))", references.GLOROT_2011,
        lambda z, _: _softplus(z),
        lambda z, _: sigmoid(z),
    ),
    Activation(
        "sin", "sin(omega·x)", references.SITZMANN_2020,
        lambda z, p: np.sin(p["omega"] * z),
        lambda z, p: p["omega"] * np.cos(p["omega"] * z),
        aliases=("sine", "siren"),
        parameters=(Parameter("omega", "the frequency; SIREN's is 30", default=1.0),),
    ),
    Activation(
        "snake", "x + sin²(alpha·x)/alpha", references.ZIYIN_2020,
        lambda z, p: z + np.sin(p["alpha"] * z) ** 2 / p["alpha"],
        lambda z, p: 1 + np.sin(2 * p["alpha"] * z),
        parameters=(Parameter("alpha", "the frequency", default=1.0),),
    ),
    Activation(
        "gaussian", "exp(-x²)", references.RAMASINGHE_2021,
        lambda z, _: np.exp(-z * z),
        lambda z, _: -2 * z * np.exp(-z * z),
    ),
    # The gated units multiply two inputs, u·φ(v). For u and v independent of variance 1, E[(u·φ(v))²] = E[φ(v)²]: the forward gain,
    # which belongs to the projection that reads the product (the down-projection), is φ's own. The gradient reaches u and v by two
    # ways of different sizes, so that there is no one backward gain.
    Activation(
        "glu", "u·sigmoid(v)", references.DAUPHIN_2016,
        lambda z, _: sigmoid(z),
        None,
        gated=True,
    ),
    Activation(
        "swiglu", "u·silu(v)", references.SHAZEER_2020,
        lambda z, _: _swish(z),
        None,
        aliases=("silu_glu",),
        gated=True,
    ),
    Activation(
        "geglu", "u·gelu(v)", references.SHAZEER_2020,
        lambda z, _: z * _normal_cdf(z),
        None,
        aliases=("gelu_glu",),
        gated=True,
    ),
    Activation(
        "reglu", "u·relu(v)", references.SHAZEER_2020,
        lambda z, _: np.maximum(z, 0),
        None,
        aliases=("relu_glu",),
        kinks=_at(0.0),
        gated=True,
    ),
    Activation(
        "bilinear", "u·v", references.SHAZEER_2020,
        lambda z, _: z,
        None,
        gated=True,
    ),
)  # fmt: skip

ACTIVATIONS: dict[str, Activation] = {row.name: row for row in _ROWS}
_BY_KEY = {name_key(name): row for row in _ROWS for name in (row.name, *row.aliases)}


def find_activation(name: str) -> Activation:
    """The row of a name or an alias, whatever its case, underscores or hyphens. Raises UnknownName."""
    try:
        return _BY_KEY[name_key(name)]
    except KeyError:
        known = [name for row in _ROWS for name in (row.name, *row.aliases)]
        raise unknown_name("activation", name, known, kind="activation") from None
