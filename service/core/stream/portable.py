"""Results of a mathematical library, rounded so that they are equal on every machine, and the nodes of a quadrature."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

SIGNIFICANT_DIGITS = 10


def portable(value: float) -> float:
    """Round `value` to 10 significant digits.

    log, exp, erf and quadratures differ in the last bit between machines. Their results are rounded here before they enter a scale, so
    that the scale, and with it every byte of the tensor, is the same everywhere.

    >>> portable(0.8796256610342398)
    0.879625661
    """
    return float(f"{value:.{SIGNIFICANT_DIGITS - 1}e}")


@cache
def gauss_legendre() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the 128 nodes and weights of Gauss-Legendre quadrature on [-1, 1]."""
    return np.polynomial.legendre.leggauss(128)
