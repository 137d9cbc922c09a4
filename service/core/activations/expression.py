"""An activation that a user wrote as a formula."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from service.core.activations.activation import EXPRESSION, Activation, ActivationWithParameters
from service.core.activations.expressions import MAX_KINKS, kinks, parse, value_and_slope
from service.core.activations.quadrature import REACH
from service.core.errors import InvalidValue

_GRID = np.linspace(-REACH, REACH, 3201)  # a hundredth a step


def expressed(text: str) -> ActivationWithParameters:
    """The activation of a formula in x, its gains known to exist. Raises InvalidValue.

    >>> expressed("x*tanh(softplus(x))").gains.forward
    1.486847581
    """
    activation = _row(text)()
    _ = activation.gains  # or it raises, before anything is made with it
    return activation


@lru_cache(maxsize=256)
def _row(text: str) -> Activation:
    tree = parse(text)
    points = kinks(tree, _GRID)
    if len(points) > MAX_KINKS:
        raise InvalidValue(
            "activation.expression",
            expected=f"at most {MAX_KINKS} kinks of abs, relu, max and min for |x| < {REACH:g}",
            received=text,
            action="Let what they look at oscillate less.",
        )
    return Activation(
        EXPRESSION, text, None,
        lambda z, _: value_and_slope(tree, z)[0],
        lambda z, _: value_and_slope(tree, z)[1],
        kinks=lambda _: points,
    )  # fmt: skip
