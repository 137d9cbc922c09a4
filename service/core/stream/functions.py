"""exp, sin and cos in float64, the same on every machine: + - × ÷ and rounding alone, in a fixed order, as for the logarithm."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

MAX_ANGLE = 2**27

# ln 2 and π/2 as sums: the leading parts have so few bits that their products with the integers below are exact
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
_HALF_PI = tuple(float.fromhex(part) for part in ("0x1.921fb4p+0", "0x1.4442d0p-24", "0x1.8469898cc5170p-48"))
_EXP = tuple(1 / math.factorial(k) for k in range(14, -1, -1))
_EXPM1 = tuple(1 / math.factorial(k + 1) for k in range(15, -1, -1))  # of (eˣ - 1)/x, for x < ½
_SIN = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(9, -1, -1))
_COS = tuple((-1) ** k / math.factorial(2 * k) for k in range(9, -1, -1))


def exp64(x: Float64s) -> Float64s:
    """Return eˣ for |x| ≤ 700, within 1e-15 of it."""
    exponent = np.rint(x / (_LN2_HIGH + _LN2_LOW))
    rest = (x - exponent * _LN2_HIGH) - exponent * _LN2_LOW
    return np.ldexp(_polynomial(_EXP, rest), exponent.astype(np.int64))


def expm1_64(x: Float64s) -> Float64s:
    """Return eˣ - 1 for 0 ≤ x ≤ 700, within 2e-15 of it, also where eˣ is nearly 1."""
    return np.where(x < 0.5, x * _polynomial(_EXPM1, x), exp64(x) - 1.0)


def sin_and_cos64(x: Float64s) -> tuple[Float64s, Float64s]:
    """Return sin x and cos x for |x| ≤ 2²⁷, within 1e-15."""
    quarter = np.rint(x / (_HALF_PI[0] + _HALF_PI[1]))
    rest = x
    for part in _HALF_PI:
        rest = rest - quarter * part
    square = rest * rest
    sin, cos = rest * _polynomial(_SIN, square), _polynomial(_COS, square)
    turned = quarter.astype(np.int64) & 3
    return (
        np.choose(turned, (sin, cos, -sin, -cos)),
        np.choose(turned, (cos, -sin, -cos, sin)),
    )


def _polynomial(coefficients: tuple[float, ...], x: Float64s) -> Float64s:
    """Evaluate a polynomial by Horner's rule. The first coefficient is that of the highest power."""
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
