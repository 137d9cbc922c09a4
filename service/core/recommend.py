"""Which scheme fits an activation, and why: one row an activation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.core import references
from service.core.activations import ActivationWithParameters
from service.core.references import Reference
from service.core.schemes import FAMILIES


@dataclass(frozen=True)
class Alternative:
    """Another scheme that may serve, and when."""

    scheme: str
    when: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recommendation:
    """What fits an activation. `saturates`: a layer whose signal is too large loses its gradient instead of exploding."""

    family: str
    distribution: str
    reason: str
    reference: Reference
    alternatives: tuple[Alternative, ...]
    saturates: bool = False
    bias: str = "zeros"

    @property
    def scheme(self) -> str:
        """The recommended scheme's name."""
        return self.choice()[0]

    def choice(self, distribution: str | None = None) -> tuple[str, Mapping[str, Any]]:
        """The scheme and its parameters, for this distribution or the recommended one."""
        return FAMILIES[self.family][distribution or self.distribution]


_EXACT = "variance_scaling"  # its scale, the activation's forward gain squared, is filled in by `alternatives_for`
_EXACT_WHEN = "to keep the signal's second moment exactly: scale is this activation's forward gain squared"
_SMALL_NORMAL = Alternative(
    "normal",
    "in transformers with residual connections and layer normalization, as BERT and GPT-2 are initialized",
    {"stddev": 0.02},
)


def _rectifier(reason: str, reference: Reference = references.HE_2015, *more: Alternative) -> Recommendation:
    uniform = Alternative("he_uniform", "where values need a bound; the variance is the same")
    return Recommendation("he", "normal", reason, reference, (uniform, *more))


_RECOMMENDATIONS: dict[str, Recommendation] = {
    "linear": Recommendation(
        "lecun",
        "normal",
        "A linear unit passes on the variance fan_in·Var(w) of its input, so Var(w) = 1/fan_in keeps it.",
        references.LECUN_1998,
        (Alternative("xavier_uniform", "to balance the signal forward against the gradient backward"),),
    ),
    "relu": _rectifier(
        "ReLU zeroes the negative half and with it half of the second moment; Var(w) = 2/fan_in makes up for it, so the"
        " signal keeps its size through any depth.",
    ),
    "leaky_relu": _rectifier(
        "Leaky ReLU keeps (1 + negative_slope²)/2 of the second moment; Var(w) = 2/((1 + negative_slope²)·fan_in) makes up for it.",
    ),
    "prelu": _rectifier(
        "PReLU starts as a leaky ReLU; Var(w) = 2/((1 + negative_slope²)·fan_in) with its starting slope keeps the signal's size.",
    ),
    "elu": _rectifier(
        "ELU is a rectifier with a soft negative side; its authors train with He's variance, a little above what keeps the signal.",
        references.CLEVERT_2015,
        Alternative(_EXACT, _EXACT_WHEN),
    ),
    "selu": Recommendation(
        "lecun",
        "normal",
        "SELU drives its activations to mean 0 and variance 1 by itself, and its constants assume Var(w) = 1/fan_in.",
        references.KLAMBAUER_2017,
        (Alternative("lecun_uniform", "where values need a bound; the variance is the same"),),
    ),
    "gelu": _rectifier(
        "GELU loses somewhat more than half of the second moment, as ReLU does; He's variance nearly makes up for it.",
        references.HE_2015,
        Alternative(_EXACT, _EXACT_WHEN),
        _SMALL_NORMAL,
    ),
    "silu": _rectifier(
        "SiLU loses somewhat more than half of the second moment, as ReLU does; He's variance nearly makes up for it.",
        references.HE_2015,
        Alternative(_EXACT, _EXACT_WHEN),
        _SMALL_NORMAL,
    ),
    "mish": _rectifier(
        "Mish loses about half of the second moment, as ReLU does; He's variance nearly makes up for it.",
        references.HE_2015,
        Alternative(_EXACT, _EXACT_WHEN),
    ),
    "tanh": Recommendation(
        "xavier",
        "uniform",
        "tanh is nearly linear around 0 and flat far from it; Var(w) = 2/(fan_in + fan_out) keeps signal and gradient in the"
        " linear part, a compromise between the two directions.",
        references.GLOROT_2010,
        (
            Alternative("xavier_normal", "for normal values of the same variance"),
            Alternative("lecun_normal", "to keep the signal forward whatever fan_out"),
        ),
        saturates=True,
    ),
    "sigmoid": Recommendation(
        "xavier",
        "uniform",
        "Sigmoid is flat far from 0; Var(w) = 2/(fan_in + fan_out) keeps its inputs where it has a gradient. Its slope is at most"
        " ¼, so that deep stacks of it train poorly under any scheme: prefer it for gates and outputs.",
        references.GLOROT_2010,
        (Alternative("xavier_normal", "for normal values of the same variance"),),
        saturates=True,
    ),
    "softmax": Recommendation(
        "xavier",
        "uniform",
        "Softmax follows a linear output layer; Var(w) = 2/(fan_in + fan_out) starts it with moderate logits and passes the"
        " gradient back at its size.",
        references.GLOROT_2010,
        (
            Alternative("normal", "for a head that starts at nearly equal probabilities", {"stddev": 0.01}),
            Alternative("zeros", "for a last layer alone: the layer below breaks the symmetry"),
        ),
        saturates=True,
    ),
    "softplus": _rectifier(
        "Softplus is a smooth rectifier; He's variance suits its linear side. Its outputs are never zero-mean (log 2 at 0).",
        references.HE_2015,
        Alternative(_EXACT, _EXACT_WHEN),
    ),
}

ASSUMED_ACTIVATION = "linear"  # of a layer whose activation nobody names


def recommendation_for(activation: str) -> Recommendation:
    """The recommendation for an activation's canonical name."""
    return _RECOMMENDATIONS[activation]


def alternatives_for(activation: ActivationWithParameters) -> tuple[Alternative, ...]:
    """The other schemes that may serve, with their parameters filled in."""
    gains = activation.gains
    return tuple(
        Alternative(row.scheme, row.when, {"scale": gains.forward**2}) if row.scheme == _EXACT and gains is not None else row
        for row in recommendation_for(activation.name).alternatives
    )
