"""Gated units, which multiply two inputs: u·φ(v).

For independent u and v of variance 1, E[(u·φ(v))²] = E[φ(v)²], so the forward gain is that of φ. It applies to the projection that
reads the product (the down-projection). The gradient reaches u and v along two paths of different size, so there is no single
backward gain.
"""

from __future__ import annotations

import numpy as np

from service.core import references
from service.core.activations.activation import Activation, kinks_at
from service.core.activations.functions import normal_cdf, sigmoid, swish
from service.core.activations.recommended import SMALL_NORMAL, exact
from service.core.recommendation import Alternative, Recommendation


def _gated(function: str) -> Recommendation:
    reason = (
        f"A product u·φ(v) of two independent projections has the second moment of φ(v): the projection that reads it keeps the signal"
        f" with Var(w) = g²/fan_in, g the forward gain of {function}; the two projections before it are linear."
    )
    linear = Alternative("lecun_normal", "for the two projections whose outputs are multiplied, which give u and v variance 1")
    return exact(reason, linear, SMALL_NORMAL, reference=references.SHAZEER_2020)


ROWS = (
    Activation(
        "glu", "u·sigmoid(v)", references.DAUPHIN_2016,
        lambda z, _: sigmoid(z),
        None,
        gated=True,
        recommendation=_gated("sigmoid"),
    ),
    Activation(
        "swiglu", "u·silu(v)", references.SHAZEER_2020,
        lambda z, _: swish(z),
        None,
        aliases=("silu_glu",),
        gated=True,
        recommendation=_gated("SiLU"),
    ),
    Activation(
        "geglu", "u·gelu(v)", references.SHAZEER_2020,
        lambda z, _: z * normal_cdf(z),
        None,
        aliases=("gelu_glu",),
        gated=True,
        recommendation=_gated("GELU"),
    ),
    Activation(
        "reglu", "u·relu(v)", references.SHAZEER_2020,
        lambda z, _: np.maximum(z, 0),
        None,
        aliases=("relu_glu",),
        kinks=kinks_at(0.0),
        gated=True,
        recommendation=_gated("ReLU"),
    ),
    Activation(
        "bilinear", "u·v", references.SHAZEER_2020,
        lambda z, _: z,
        None,
        gated=True,
        recommendation=_gated("the identity, 1"),
    ),
)  # fmt: skip
