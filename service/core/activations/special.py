"""Special-purpose activations: softplus, waves and bumps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from service.core import references
from service.core.activations.activation import Activation
from service.core.activations.functions import sigmoid, softplus
from service.core.activations.recommended import EXACT, EXACT_SCHEME, exact, he
from service.core.parameters import Parameter
from service.core.recommendation import Alternative, Circumstances, Recommendation


def _siren_parameters(known: Circumstances) -> Mapping[str, Any]:
    omega = known.activation.parameters["omega"] if known.activation else 1.0
    if known.activation:
        _ = known.activation.forward_gain  # raises InvalidValue for a frequency of 0, or so near to 0 that its square is
    return {"distribution": "uniform", "scale": 2 / (omega * omega)}


ROWS = (
    Activation(
        "softplus", "log(1 + exp(x))", references.GLOROT_2011,
        lambda z, _: softplus(z),
        lambda z, _: sigmoid(z),
        recommendation=he(
            "Softplus is a smooth rectifier; He's variance suits its linear side. Its outputs are never zero-mean (log 2 at 0).",
            EXACT,
        ),
    ),
    Activation(
        "sin", "sin(omega·x)", references.SITZMANN_2020,
        lambda z, p: np.sin(p["omega"] * z),
        lambda z, p: p["omega"] * np.cos(p["omega"] * z),
        aliases=("sine", "siren"),
        parameters=(Parameter("omega", "the frequency; 30 in SIREN", default=1.0),),
        recommendation=Recommendation(
            EXACT_SCHEME,
            "SIREN: with U[-√(6/fan_in)/omega, √(6/fan_in)/omega] the argument omega·x of every sine has variance 1, whatever the depth."
            " The first layer takes U[-1/fan_in, 1/fan_in] instead.",
            references.SITZMANN_2020,
            (Alternative("xavier_uniform", "with omega 1 and small inputs, for which sin is nearly linear"),),
            _siren_parameters,
        ),
    ),
    Activation(
        "snake", "x + sin²(alpha·x)/alpha", references.ZIYIN_2020,
        lambda z, p: z + np.sin(p["alpha"] * z) ** 2 / p["alpha"],
        lambda z, p: 1 + np.sin(2 * p["alpha"] * z),
        parameters=(Parameter("alpha", "the frequency", default=1.0),),
        recommendation=exact(
            "Snake adds a positive wave to its input; Var(w) = g²/fan_in with its forward gain g keeps the second moment.",
            Alternative("lecun_normal", "in a shallow network: the variance is a little larger"),
            reference=references.ZIYIN_2020,
        ),
    ),
    Activation(
        "gaussian", "exp(-x²)", references.RAMASINGHE_2021,
        lambda z, _: np.exp(-z * z),
        lambda z, _: -2 * z * np.exp(-z * z),
        recommendation=exact(
            "exp(-x²) is 1 at 0 and flat far from it; Var(w) = g²/fan_in with its forward gain g keeps its inputs at variance 1, where it"
            " has a gradient.",
            Alternative("xavier_uniform", "for smoother functions: smaller inputs, nearer to 0"),
            reference=references.RAMASINGHE_2021,
        ),
    ),
)  # fmt: skip
