"""Rounds results of a mathematical library, so that they are equal on every machine."""

from __future__ import annotations

SIGNIFICANT_DIGITS = 10


def portable(value: float) -> float:
    """Round `value` to 10 significant digits.

    log, exp, erf and quadratures differ in the last bit between machines. Their results are rounded here before they enter a scale, so
    that the scale, and with it every byte of the tensor, is the same everywhere.

    >>> portable(0.8796256610342398)
    0.879625661
    """
    return float(f"{value:.{SIGNIFICANT_DIGITS - 1}e}")
