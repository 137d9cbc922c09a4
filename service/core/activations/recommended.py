"""Recommendations that several activations share: He, Xavier, or the exact gain."""

from __future__ import annotations

from service.core import references
from service.core.recommendation import Alternative, Recommendation, fixed, forward_gain_squared
from service.core.references import Reference

EXACT_SCHEME = "variance_scaling"

EXACT = Alternative(
    EXACT_SCHEME,
    "to keep the signal's second moment exactly: scale is this activation's forward gain squared",
    forward_gain_squared,
)
LECUN_UNIFORM = Alternative("lecun_uniform", "where values need a bound; the variance is the same")
SMALL_NORMAL = Alternative(
    "normal",
    "in transformers with residual connections and layer normalization, as BERT and GPT-2 are initialized",
    fixed(stddev=0.02),
)


def he(reason: str, *alternatives: Alternative, reference: Reference = references.HE_2015) -> Recommendation:
    """Recommend He, for rectifiers, which drop half of the second moment."""
    uniform = Alternative("he_uniform", "where values need a bound; the variance is the same")
    return Recommendation("he_normal", reason, reference, (uniform, *alternatives))


def xavier(reason: str, *alternatives: Alternative) -> Recommendation:
    """Recommend Xavier, for functions that are nearly linear around 0 and flat far from it."""
    normal = Alternative("xavier_normal", "for normal values of the same variance")
    return Recommendation("xavier_uniform", reason, references.GLOROT_2010, (normal, *alternatives))


def exact(reason: str, *alternatives: Alternative, reference: Reference = references.HE_2015) -> Recommendation:
    """Recommend the variance that keeps the second moment, from the forward gain, for every other scalar function."""
    return Recommendation(EXACT_SCHEME, reason, reference, alternatives, forward_gain_squared)
