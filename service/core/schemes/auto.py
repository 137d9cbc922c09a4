"""Which scheme fits an activation, and why: one row an activation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.core import references
from service.core.activations import EXPRESSION, ActivationWithParameters
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
    """What fits an activation. `saturates`: a layer whose signal is too large loses its gradient instead of exploding.

    `scale`: that of variance_scaling, from the activation's parameters, where that is the scheme.
    """

    family: str
    distribution: str
    reason: str
    reference: Reference
    alternatives: tuple[Alternative, ...]
    saturates: bool = False
    bias: str = "zeros"
    scale: Callable[[ActivationWithParameters], float] | None = None

    @property
    def scheme(self) -> str:
        """The recommended scheme's name."""
        return self.choice()[0]

    def choice(self, distribution: str | None = None) -> tuple[str, Mapping[str, Any]]:
        """The scheme and its parameters, for this distribution or the recommended one."""
        return _CHOICES[self.family][distribution or self.distribution]


EXACT = "variance_scaling"
_CHOICES: dict[str, dict[str, tuple[str, Mapping[str, Any]]]] = FAMILIES | {
    EXACT: {name: (EXACT, {"distribution": name}) for name in ("normal", "truncated_normal", "uniform")}
}
_EXACT_WHEN = "to keep the signal's second moment exactly: scale is this activation's forward gain squared"
_SMALL_NORMAL = Alternative(
    "normal",
    "in transformers with residual connections and layer normalization, as BERT and GPT-2 are initialized",
    {"stddev": 0.02},
)


def _rectifier(reason: str, reference: Reference = references.HE_2015, *more: Alternative) -> Recommendation:
    uniform = Alternative("he_uniform", "where values need a bound; the variance is the same")
    return Recommendation("he", "normal", reason, reference, (uniform, *more))


def _forward_squared(activation: ActivationWithParameters) -> float:
    gains = activation.gains
    return 1.0 if gains is None else gains.forward * gains.forward


def _exact(reason: str, *alternatives: Alternative, reference: Reference = references.HE_2015) -> Recommendation:
    return Recommendation(EXACT, "normal", reason, reference, alternatives, scale=_forward_squared)


def _gated(function: str) -> Recommendation:
    reason = (
        f"A product u·φ(v) of two independent projections has the second moment of φ(v): the projection that reads it keeps the signal"
        f" with Var(w) = g²/fan_in, g the forward gain of {function}; the two projections before it are linear."
    )
    linear = Alternative("lecun_normal", "for the two projections whose outputs are multiplied, which give u and v variance 1")
    return _exact(reason, linear, _SMALL_NORMAL, reference=references.SHAZEER_2020)


def _siren_scale(activation: ActivationWithParameters) -> float:
    omega = activation.parameters["omega"]
    return 2 / (omega * omega)


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
    "relu6": _rectifier(
        "ReLU6 is ReLU until 6, which one in a thousand million normal inputs passes: He's variance keeps the signal's size.",
    ),
    "relu2": _exact(
        "Squared ReLU keeps 3/2 of the second moment at variance 1, so that Var(w) = (2/3)/fan_in keeps it. It squares deviations too:"
        " without normalization between layers a signal off variance 1 runs away from it.",
        _SMALL_NORMAL,
        reference=references.SO_2021,
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
        Alternative(EXACT, _EXACT_WHEN),
    ),
    "celu": _rectifier(
        "CELU is a rectifier with a soft negative side, at alpha 1 the same as ELU; He's variance is a little above what keeps the signal.",
        references.HE_2015,
        Alternative(EXACT, _EXACT_WHEN),
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
        Alternative(EXACT, _EXACT_WHEN),
        _SMALL_NORMAL,
    ),
    "gelu_tanh": _rectifier(
        "This approximation of GELU has its gains to four digits; He's variance nearly makes up for what it drops.",
        references.HE_2015,
        Alternative(EXACT, _EXACT_WHEN),
        _SMALL_NORMAL,
    ),
    "quick_gelu": _rectifier(
        "This approximation of GELU has its gains to two digits; He's variance nearly makes up for what it drops.",
        references.HE_2015,
        Alternative(EXACT, _EXACT_WHEN),
        _SMALL_NORMAL,
    ),
    "silu": _rectifier(
        "SiLU loses somewhat more than half of the second moment, as ReLU does; He's variance nearly makes up for it.",
        references.HE_2015,
        Alternative(EXACT, _EXACT_WHEN),
        _SMALL_NORMAL,
    ),
    "hardswish": _rectifier(
        "Hardswish loses somewhat more than half of the second moment, as SiLU does; He's variance makes up for most of it. MobileNetV3"
        " takes mode fan_out, which keeps the gradient.",
        references.HE_2015,
        Alternative(EXACT, _EXACT_WHEN),
    ),
    "mish": _rectifier(
        "Mish loses about half of the second moment, as ReLU does; He's variance nearly makes up for it.",
        references.HE_2015,
        Alternative(EXACT, _EXACT_WHEN),
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
    "scaled_tanh": Recommendation(
        "lecun",
        "normal",
        "Its constants are chosen so that inputs of variance 1 give outputs of about variance 1, with Var(w) = 1/fan_in.",
        references.LECUN_1998,
        (
            Alternative("lecun_uniform", "where values need a bound; the variance is the same"),
            Alternative(EXACT, _EXACT_WHEN),
        ),
        saturates=True,
    ),
    "hardtanh": Recommendation(
        "xavier",
        "uniform",
        "Hardtanh is linear within ±1 and has no gradient outside; Var(w) = 2/(fan_in + fan_out) keeps signal and gradient in the"
        " linear part.",
        references.GLOROT_2010,
        (Alternative("xavier_normal", "for normal values of the same variance"),),
        saturates=True,
    ),
    "softsign": Recommendation(
        "xavier",
        "uniform",
        "Softsign is linear around 0 and flattens slowly; its authors' tests of Var(w) = 2/(fan_in + fan_out) include it.",
        references.GLOROT_2010,
        (Alternative("xavier_normal", "for normal values of the same variance"),),
        saturates=True,
    ),
    "tanhshrink": _exact(
        "Tanhshrink is nearly x³/3 around 0 and drops most of the signal; Var(w) = g²/fan_in with its forward gain g keeps variance 1,"
        " but a smaller signal still vanishes: normalize between layers.",
        Alternative("lecun_normal", "in a layer whose outputs are normalized, where the size does not matter"),
    ),
    "softshrink": _exact(
        "Softshrink takes its threshold off every signal; Var(w) = g²/fan_in with its forward gain g makes up for that at variance 1.",
        Alternative("lecun_normal", "for sparse codes, which are to shrink"),
    ),
    "hardshrink": _exact(
        "Hardshrink drops what is within its threshold; Var(w) = g²/fan_in with its forward gain g makes up for that at variance 1.",
        Alternative("lecun_normal", "for sparse codes, which are to shrink"),
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
    "hardsigmoid": Recommendation(
        "xavier",
        "uniform",
        "Hardsigmoid is linear within ±3, with a slope of one sixth, and flat outside; Var(w) = 2/(fan_in + fan_out) keeps its inputs"
        " within. Prefer it for gates and outputs.",
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
        Alternative(EXACT, _EXACT_WHEN),
    ),
    "sin": Recommendation(
        EXACT,
        "uniform",
        "SIREN: with U[-√(6/fan_in)/omega, √(6/fan_in)/omega] the argument omega·x of every sine has variance 1, whatever the depth."
        " The first layer takes U[-1/fan_in, 1/fan_in] instead.",
        references.SITZMANN_2020,
        (Alternative("xavier_uniform", "with omega 1 and small inputs, for which sin is nearly linear"),),
        scale=_siren_scale,
    ),
    "snake": _exact(
        "Snake adds a positive wave to its input; Var(w) = g²/fan_in with its forward gain g keeps the second moment.",
        Alternative("lecun_normal", "in a shallow network: the variance is a little larger"),
        reference=references.ZIYIN_2020,
    ),
    "gaussian": _exact(
        "exp(-x²) is 1 at 0 and flat far from it; Var(w) = g²/fan_in with its forward gain g keeps its inputs at variance 1, where it"
        " has a gradient.",
        Alternative("xavier_uniform", "for smoother functions: smaller inputs, nearer to 0"),
        reference=references.RAMASINGHE_2021,
    ),
    "glu": _gated("sigmoid"),
    "swiglu": _gated("SiLU"),
    "geglu": _gated("GELU"),
    "reglu": _gated("ReLU"),
    "bilinear": _gated("the identity, 1"),
    EXPRESSION: _exact(
        "For a formula Var(w) = g²/fan_in with its exact forward gain g = 1/√E[φ(z)²], z ~ N(0, 1), keeps the signal's second moment.",
        Alternative("lecun_normal", "in a layer whose outputs are normalized, where the size does not matter"),
    ),
}

ASSUMED_ACTIVATION = "linear"  # of a layer whose activation nobody names


def recommendation_for(activation: str) -> Recommendation:
    """The recommendation for an activation's canonical name."""
    return _RECOMMENDATIONS[activation]


def choice_for(activation: ActivationWithParameters | None, distribution: str | None = None) -> tuple[str, Mapping[str, Any]]:
    """The recommended scheme and its parameters, filled in for this activation. Raises InvalidValue where its gains are infinite."""
    if activation is None:
        return recommendation_for(ASSUMED_ACTIVATION).choice(distribution)
    row = recommendation_for(activation.name)
    scheme, presets = row.choice(distribution)
    if row.scale is None or activation.gains is None:
        return scheme, presets
    return scheme, {**presets, "scale": row.scale(activation)}


def alternatives_for(activation: ActivationWithParameters) -> tuple[Alternative, ...]:
    """The other schemes that may serve, with their parameters filled in."""
    return tuple(
        Alternative(row.scheme, row.when, {"scale": _forward_squared(activation)}) if row.scheme == EXACT else row
        for row in recommendation_for(activation.name).alternatives
    )
