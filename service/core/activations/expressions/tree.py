"""A formula as a tree: its value, its exact slope (forward-mode differentiation) and its kinks.

Adding a function is adding a row to `FUNCTIONS`; the parser takes its names from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

MAX_KINKS = 2000  # beyond, no more are looked for
_BISECTIONS = 60  # from a step of a grid to neighbouring float64


@dataclass(frozen=True)
class Constant:
    """A number."""

    value: float


@dataclass(frozen=True)
class Variable:
    """x."""


@dataclass(frozen=True)
class Operation:
    """An operator applied to operands."""

    operator: Operator
    operands: tuple[Node, ...]


Node = Constant | Variable | Operation


@dataclass(frozen=True)
class Operator:
    """How an operation is computed. A partial derivative takes the operands and, last, the operation's value.

    `kinked`: the slope jumps where the operand changes sign, or the difference of the two operands does.
    """

    value: Callable[..., Float64s]
    partials: tuple[Callable[..., Float64s | float], ...]
    kinked: bool = False

    @property
    def arity(self) -> int:
        """The number of operands."""
        return len(self.partials)


def erf(z: Float64s) -> Float64s:
    """The error function, which NumPy lacks."""
    return np.array([math.erf(x) for x in z.ravel().tolist()]).reshape(z.shape)


def sigmoid(z: Float64s) -> Float64s:
    """1/(1 + exp(-z)), without overflow."""
    return 0.5 * (1 + np.tanh(z / 2))


ADD = Operator(lambda a, b: a + b, (lambda a, b, v: 1.0, lambda a, b, v: 1.0))
SUBTRACT = Operator(lambda a, b: a - b, (lambda a, b, v: 1.0, lambda a, b, v: -1.0))
MULTIPLY = Operator(lambda a, b: a * b, (lambda a, b, v: b, lambda a, b, v: a))
DIVIDE = Operator(lambda a, b: a / b, (lambda a, b, v: 1 / b, lambda a, b, v: -v / b))
POWER = Operator(np.power, (lambda a, b, v: b * np.power(a, b - 1), lambda a, b, v: v * np.log(a)))
NEGATE = Operator(lambda a: -a, (lambda a, v: -1.0,))

FUNCTIONS: dict[str, Operator] = {
    "exp": Operator(np.exp, (lambda a, v: v,)),
    "log": Operator(np.log, (lambda a, v: 1 / a,)),
    "sqrt": Operator(np.sqrt, (lambda a, v: 0.5 / v,)),
    "abs": Operator(np.abs, (lambda a, v: np.sign(a),), kinked=True),
    "sin": Operator(np.sin, (lambda a, v: np.cos(a),)),
    "cos": Operator(np.cos, (lambda a, v: -np.sin(a),)),
    "tanh": Operator(np.tanh, (lambda a, v: 1 - v * v,)),
    "sigmoid": Operator(sigmoid, (lambda a, v: v * sigmoid(-a),)),
    "softplus": Operator(lambda a: np.logaddexp(0, a), (lambda a, v: sigmoid(a),)),
    "erf": Operator(erf, (lambda a, v: 2 / math.sqrt(math.pi) * np.exp(-a * a),)),
    "relu": Operator(lambda a: np.maximum(a, 0), (lambda a, v: np.where(a > 0, 1.0, 0.0),), kinked=True),
    "max": Operator(np.maximum, (lambda a, b, v: np.where(a >= b, 1.0, 0.0), lambda a, b, v: np.where(a < b, 1.0, 0.0)), kinked=True),
    "min": Operator(np.minimum, (lambda a, b, v: np.where(a <= b, 1.0, 0.0), lambda a, b, v: np.where(a > b, 1.0, 0.0)), kinked=True),
}


def value_and_slope(node: Node, x: Float64s) -> tuple[Float64s, Float64s]:
    """f(x) and f'(x); nan or inf, and no warning, where they are not finite numbers."""
    with np.errstate(all="ignore"):
        value, slope = _dual(node, x)
    return value, np.zeros_like(x) if slope is None else slope


def _dual(node: Node, x: Float64s) -> tuple[Float64s, Float64s | None]:
    """The value and the slope; None for the slope of what does not depend on x."""
    match node:
        case Constant(value):
            return np.full_like(x, value), None
        case Variable():
            return x, np.ones_like(x)
        case Operation(operator, operands):
            duals = [_dual(operand, x) for operand in operands]
            values = [value for value, _ in duals]
            result = operator.value(*values)
            parts = [
                np.where(slope == 0, 0, partial(*values, result) * slope)  # an operand that stands still adds nothing, not inf·0
                for partial, (_, slope) in zip(operator.partials, duals, strict=True)
                if slope is not None
            ]
            return result, sum(parts[1:], parts[0]) if parts else None


def kinks(node: Node, grid: Float64s) -> tuple[float, ...]:
    """Where the slope may jump: the changes of sign, between neighbours of `grid`, of what abs, relu, max and min look at.

    The kinks of an inner operation refine the grid for the outer ones. Two changes of sign within one step of it are missed.
    """
    found: list[float] = []
    with np.errstate(all="ignore"):
        for looked_at in dict.fromkeys(_looked_at(node)):
            found += _sign_changes(looked_at, np.union1d(grid, found))
            if len(found) > MAX_KINKS:
                break
    return tuple(sorted(set(found)))


def _looked_at(node: Node) -> Iterator[Node]:
    """What the kinked operations compare with 0, the inner ones first."""
    if not isinstance(node, Operation):
        return
    for operand in node.operands:
        yield from _looked_at(operand)
    if node.operator.kinked:
        yield node.operands[0] if node.operator.arity == 1 else Operation(SUBTRACT, node.operands)


def _sign_changes(node: Node, grid: Float64s) -> list[float]:
    def sign(x: Float64s) -> Float64s:
        return np.sign(np.nan_to_num(_dual(node, x)[0]))

    signs = sign(grid)
    changes = np.flatnonzero(np.diff(signs))
    left, right, sign_left = grid[changes], grid[changes + 1], signs[changes]
    for _ in range(_BISECTIONS if changes.size else 0):
        middle = (left + right) / 2
        on_the_left = sign(middle) == sign_left
        left, right = np.where(on_the_left, middle, left), np.where(on_the_left, right, middle)
    return right.tolist()
