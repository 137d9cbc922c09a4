"""Sigmoids, which are flat far from 0, and shrinkages, which are flat near it."""

from __future__ import annotations

import numpy as np

from service.core import references
from service.core.activations.activation import Activation, kinks_at
from service.core.activations.functions import sigmoid, within
from service.core.activations.recommended import EXACT, LECUN_UNIFORM, exact, xavier
from service.core.parameters import Parameter, Values
from service.core.recommendation import Alternative, Recommendation, fixed

# LeCun et al. 1998, section 4.4: chosen so that f(±1) = ±1 and the slope in between is nearly 1.
_TANH_HEIGHT, _TANH_SLOPE = 1.7159, 2 / 3


def _threshold(summary: str) -> Parameter:
    return Parameter("threshold", summary, default=0.5, minimum=0.0)


def _at_threshold(values: Values) -> tuple[float, ...]:
    return (-values["threshold"], values["threshold"])


ROWS = (
    Activation(
        "tanh", "tanh(x)", references.GLOROT_2010,
        lambda z, _: np.tanh(z),
        lambda z, _: 1 - np.tanh(z) ** 2,
        torch_gain=lambda _: 5 / 3,
        saturates=True,
        recommendation=xavier(
            "tanh is nearly linear around 0 and flat far from it; Var(w) = 2/(fan_in + fan_out) keeps signal and gradient in the"
            " linear part, a compromise between the two directions.",
            Alternative("lecun_normal", "to keep the signal forward whatever fan_out"),
        ),
    ),
    Activation(
        "scaled_tanh", "1.7159·tanh(2x/3)", references.LECUN_1998,
        lambda z, _: _TANH_HEIGHT * np.tanh(_TANH_SLOPE * z),
        lambda z, _: _TANH_HEIGHT * _TANH_SLOPE * (1 - np.tanh(_TANH_SLOPE * z) ** 2),
        aliases=("lecun_tanh",),
        saturates=True,
        recommendation=Recommendation(
            "lecun_normal",
            "Its constants are chosen so that inputs of variance 1 give outputs of about variance 1, with Var(w) = 1/fan_in.",
            references.LECUN_1998,
            (LECUN_UNIFORM, EXACT),
        ),
    ),
    Activation(
        "hardtanh", "min(max(-1, x), 1)", references.PYTORCH_HARDTANH,
        lambda z, _: np.clip(z, -1, 1),
        lambda z, _: within(z, -1, 1),
        kinks=kinks_at(-1.0, 1.0),
        saturates=True,
        recommendation=xavier(
            "Hardtanh is linear within ±1 and has no gradient outside; Var(w) = 2/(fan_in + fan_out) keeps signal and gradient in the"
            " linear part.",
        ),
    ),
    Activation(
        "softsign", "x/(1 + |x|)", references.GLOROT_2010,
        lambda z, _: z / (1 + np.abs(z)),
        lambda z, _: 1 / (1 + np.abs(z)) ** 2,
        kinks=kinks_at(0.0),
        saturates=True,
        recommendation=xavier(
            "Softsign is linear around 0 and flattens slowly; its authors' tests of Var(w) = 2/(fan_in + fan_out) include it.",
        ),
    ),
    Activation(
        "tanhshrink", "x - tanh(x)", references.PYTORCH_TANHSHRINK,
        lambda z, _: z - np.tanh(z),
        lambda z, _: np.tanh(z) ** 2,
        recommendation=exact(
            "Tanhshrink is nearly x³/3 around 0 and drops most of the signal; Var(w) = g²/fan_in with its forward gain g keeps variance 1,"
            " but a smaller signal still vanishes: normalize between layers.",
            Alternative("lecun_normal", "in a layer whose outputs are normalized, where the size does not matter"),
        ),
    ),
    Activation(
        "softshrink", "x - threshold·sign(x) if |x| > threshold else 0", references.PYTORCH_SOFTSHRINK,
        lambda z, p: np.sign(z) * np.maximum(np.abs(z) - p["threshold"], 0),
        lambda z, p: np.where(np.abs(z) > p["threshold"], 1.0, 0.0),
        parameters=(_threshold("the amount by which inputs shrink towards zero; lambd in torch"),),
        kinks=_at_threshold,
        recommendation=exact(
            "Softshrink takes its threshold off every signal; Var(w) = g²/fan_in with its forward gain g makes up for that at variance 1.",
            Alternative("lecun_normal", "for sparse codes, which are to shrink"),
        ),
    ),
    Activation(
        "hardshrink", "x if |x| > threshold else 0", references.PYTORCH_HARDSHRINK,
        lambda z, p: np.where(np.abs(z) > p["threshold"], z, 0.0),
        lambda z, p: np.where(np.abs(z) > p["threshold"], 1.0, 0.0),
        parameters=(_threshold("the distance from zero within which the output is zero; lambd in torch"),),
        kinks=_at_threshold,
        recommendation=exact(
            "Hardshrink drops what is within its threshold; Var(w) = g²/fan_in with its forward gain g makes up for that at variance 1.",
            Alternative("lecun_normal", "for sparse codes, which are to shrink"),
        ),
    ),
    Activation(
        "sigmoid", "1/(1 + exp(-x))", references.GLOROT_2010,
        lambda z, _: sigmoid(z),
        lambda z, _: sigmoid(z) * sigmoid(-z),
        aliases=("logistic",),
        torch_gain=lambda _: 1.0,
        saturates=True,
        recommendation=xavier(
            "Sigmoid is flat far from 0; Var(w) = 2/(fan_in + fan_out) keeps its inputs where it has a gradient. Its slope is at most"
            " ¼, so that deep stacks of it train poorly under any scheme: prefer it for gates and outputs.",
        ),
    ),
    Activation(
        "hardsigmoid", "min(max(0, x + 3), 6)/6", references.HOWARD_2019,
        lambda z, _: np.clip(z + 3, 0, 6) / 6,
        lambda z, _: within(z, -3, 3) / 6,
        kinks=kinks_at(-3.0, 3.0),
        saturates=True,
        recommendation=xavier(
            "Hardsigmoid is linear within ±3, with a slope of one sixth, and flat outside; Var(w) = 2/(fan_in + fan_out) keeps its inputs"
            " within. Prefer it for gates and outputs.",
        ),
    ),
    Activation(
        "softmax", "exp(xᵢ)/Σⱼ exp(xⱼ)", references.GOODFELLOW_2016,
        None,
        None,
        aliases=("log_softmax",),
        saturates=True,
        recommendation=Recommendation(
            "xavier_uniform",
            "Softmax follows a linear output layer; Var(w) = 2/(fan_in + fan_out) starts it with moderate logits and passes the"
            " gradient back at its size.",
            references.GLOROT_2010,
            (
                Alternative("normal", "for a head that starts at nearly equal probabilities", fixed(stddev=0.01)),
                Alternative("zeros", "for a last layer alone: the layer below breaks the symmetry"),
            ),
        ),
    ),
)  # fmt: skip
