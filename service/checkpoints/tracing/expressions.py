"""What the values of a tensor are: equal, or drawn from a distribution, or computed element by element from such draws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_CLOSE = 1e-6  # relative; torch computes some bounds in float32


@dataclass(frozen=True)
class Constant:
    """Every element has the same value."""

    value: float


@dataclass(frozen=True)
class Normal:
    """Independent normal draws."""

    mean: float
    stddev: float


@dataclass(frozen=True)
class Uniform:
    """Independent uniform draws."""

    low: float
    high: float


@dataclass(frozen=True)
class Truncated:
    """Independent normal draws, cut at two bounds."""

    mean: float
    stddev: float
    low: float
    high: float


@dataclass(frozen=True)
class Named:
    """A scheme of /init, applied to a whole tensor. `draw` is its distribution, if its elements are independent."""

    fields: Mapping[str, Any]
    draw: Normal | Uniform | None = None


@dataclass(frozen=True)
class Computed:
    """An operation on each element of other expressions and numbers."""

    operation: str
    operands: tuple[Any, ...]


Expression = Constant | Normal | Uniform | Truncated | Named | Computed
_OF_CONSTANTS = {"exp": math.exp, "log": math.log, "neg": lambda x: -x, "sqrt": math.sqrt, "expm1": math.expm1, "abs": abs}


def apply(operation: str, operands: tuple[Any, ...]) -> Expression | None:
    """Return the result of an operation on each element. Operands are expressions, numbers or None. None is an unknown result.

    Draws that are scaled and shifted are draws again, and torch's way to truncate a normal is recognised.
    """
    first, *others = operands
    if not isinstance(first, float) and first is not None and isinstance(first, Named):
        first = first.draw
    if first is None and operation not in ("add", "mul"):
        return None
    if operation in ("add", "mul") and isinstance(others[0], Named):
        others[0] = others[0].draw
    match operation, first, others:
        case "add", _, [float(shift)]:
            return _affine(first, 1.0, shift)
        case "add", float(), [other]:
            return _affine(other, 1.0, first)
        case "mul", _, [float(scale)]:
            return _affine(first, scale, 0.0)
        case "mul", float(), [other]:
            return _affine(other, first, 0.0)
        case "sub", _, [float(shift)]:
            return _affine(first, 1.0, -shift)
        case "sub", float(), [other]:
            return _affine(other, -1.0, first)
        case "div", _, [float(divisor)]:
            return _affine(first, 1.0 / divisor, 0.0) if divisor else None
        case "neg", _, _:
            return _affine(first, -1.0, 0.0)
        case "clamp", _, [low, high]:
            return _clamped(first, low, high)
        case _, Constant(), [] if operation in _OF_CONSTANTS:
            try:
                return Constant(_OF_CONSTANTS[operation](first.value))
            except (ValueError, OverflowError):
                return None
    if first is None or None in others:
        return None
    return Computed(operation, (first, *others))


def _affine(expression: Any, scale: float, shift: float) -> Expression | None:
    match expression:
        case Constant(value):
            return Constant(value * scale + shift)
        case Normal(mean, stddev):
            return Normal(mean * scale + shift, stddev * abs(scale)) if scale else Constant(shift)
        case Uniform(low, high):
            return Uniform(*sorted((low * scale + shift, high * scale + shift))) if scale else Constant(shift)
        case Truncated(mean, stddev, low, high):
            low, high = sorted((low * scale + shift, high * scale + shift))
            return Truncated(mean * scale + shift, stddev * abs(scale), low, high) if scale else Constant(shift)
        case Computed("affine", (inner, inner_scale, inner_shift)):
            return Computed("affine", (inner, inner_scale * scale, inner_shift * scale + shift))
        case Computed():
            return Computed("affine", (expression, scale, shift))
    return None


def _clamped(expression: Any, low: float | None, high: float | None) -> Expression | None:
    """Return the expression with bounds. torch truncates a normal as √2·stddev·erfinv(U) + mean, clamped to the bounds for rounding."""
    match expression:
        case Computed("affine", (Computed("erfinv", (Uniform(lowest, highest),)), scale, mean)) if low is not None and high is not None:
            stddev = abs(scale) / math.sqrt(2)
            drawn = Truncated(mean, stddev, low, high)
            cut = [math.erf((bound - mean) / abs(scale)) for bound in (low, high)]
            return drawn if max(abs(cut[0] - lowest), abs(cut[1] - highest)) < _CLOSE else None
        case Constant(value):
            return Constant(min(max(value, -math.inf if low is None else low), math.inf if high is None else high))
        case Uniform() | Truncated() if (low is None or low <= expression.low) and (high is None or expression.high <= high):
            return expression
        case None:
            return None
    return Computed("clamp", (expression, low, high))


def draws_alone(expression: Expression | None) -> Expression | None:
    """Return an expression whose elements do not depend on where they are, so that a part or a rearrangement of them has it too."""
    return expression.draw if isinstance(expression, Named) else expression


def repeated(expression: Expression | None) -> Expression | None:
    """Return the expression of a tensor that has each element several times. Repeated draws are not independent."""
    return expression if isinstance(expression, Constant) else None
