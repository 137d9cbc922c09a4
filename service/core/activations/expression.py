"""An activation that a user writes as a formula."""

from __future__ import annotations

import numpy as np

from service.core.activations.activation import EXPRESSION, Activation, ActivationWithParameters, kinks_at
from service.core.activations.expressions import MAX_KINKS, count_operations, kinks, parse, value_and_slope
from service.core.activations.quadrature import REACH
from service.core.activations.recommended import exact
from service.core.errors import InvalidValue
from service.core.recommendation import Alternative
from service.core.remembering import remembering

_RECOMMENDATION = exact(
    "For a formula Var(w) = g²/fan_in with its exact forward gain g = 1/√E[φ(z)²], z ~ N(0, 1), keeps the signal's second moment.",
    Alternative("lecun_normal", "in a layer whose outputs are normalized, where the size does not matter"),
)
_GRID = np.linspace(-REACH, REACH, 3201)  # in steps of 0.01


@remembering(256)
def expressed(text: str) -> ActivationWithParameters:
    """Return the activation of a formula in x, after checking that its gains exist. Raises InvalidValue.

    >>> expressed("x*tanh(softplus(x))").gains.forward
    1.486847581
    """
    activation = _row(text)()
    _ = activation.gains  # raises now, before the activation is used
    return activation


def _row(text: str) -> Activation:
    tree = parse(text)
    points = kinks(tree, _GRID)
    if points is None:
        raise InvalidValue(
            "activation.expression",
            expected=f"at most {MAX_KINKS} kinks such as those of abs, relu and max for |x| < {REACH:g}",
            received=text,
            action="Use arguments of such functions that oscillate less.",
        )
    return Activation(
        EXPRESSION, text, None,
        lambda z, _: value_and_slope(tree, z)[0],
        lambda z, _: value_and_slope(tree, z)[1],
        kinks=kinks_at(*points),
        operations=count_operations(tree),
        recommendation=_RECOMMENDATION,
    )  # fmt: skip
