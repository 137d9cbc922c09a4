"""Numbers from a mathematical library, made the same on every machine."""

from __future__ import annotations

SIGNIFICANT_DIGITS = 10


def portable(value: float) -> float:
    """`value` rounded to 10 significant digits.

    log, exp, erf and a quadrature differ in the last bit between machines; whatever comes out of them passes here before
    it enters a scale, so that the scale, and with it every byte of the tensor, is the same everywhere.

    >>> portable(0.8796256610342398)
    0.879625661
    """
    return float(f"{value:.{SIGNIFICANT_DIGITS - 1}e}")
