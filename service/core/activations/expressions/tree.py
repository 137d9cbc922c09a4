"""A formula as a tree: its value, its exact slope (forward-mode differentiation) and its kinks.

To add a function, add a row to `ELEMENTARY`. The names of activations are functions too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.concurrency.interruption import stop_if_unwatched
from service.core.activations.activation import Activation
from service.core.activations.error_function import erf
from service.core.activations.functions import sigmoid, softplus
from service.core.activations.table import ACTIVATIONS

Float64s = npt.NDArray[np.float64]

MAX_KINKS = 2000  # the search stops beyond this
_BISECTIONS = 60  # enough to narrow a step of the grid down to neighbouring float64 values


@dataclass(frozen=True)
class Constant:
    """A number."""

    value: float


@dataclass(frozen=True)
class Variable:
    """The variable x."""


@dataclass(frozen=True)
class Operation:
    """An operator applied to operands."""

    operator: Operator
    operands: tuple[Node, ...]


Node = Constant | Variable | Operation


@dataclass(frozen=True)
class Operator:
    """An operator: its value and its partial derivatives. A partial derivative takes the operands, and last the operation's value.

    `kinks`: where the value or the slope jumps, as values of the operand, or of the difference of the two operands.
    """

    value: Callable[..., Float64s]
    partials: tuple[Callable[..., Float64s | float], ...]
    kinks: tuple[float, ...] = ()

    @property
    def arity(self) -> int:
        """The number of operands."""
        return len(self.partials)


ADD = Operator(lambda a, b: a + b, (lambda a, b, v: 1.0, lambda a, b, v: 1.0))
SUBTRACT = Operator(lambda a, b: a - b, (lambda a, b, v: 1.0, lambda a, b, v: -1.0))
MULTIPLY = Operator(lambda a, b: a * b, (lambda a, b, v: b, lambda a, b, v: a))
DIVIDE = Operator(lambda a, b: a / b, (lambda a, b, v: 1 / b, lambda a, b, v: -v / b))
POWER = Operator(np.power, (lambda a, b, v: b * np.power(a, b - 1), lambda a, b, v: v * np.log(a)))
NEGATE = Operator(lambda a: -a, (lambda a, v: -1.0,))

ELEMENTARY: dict[str, Operator] = {
    "exp": Operator(np.exp, (lambda a, v: v,)),
    "log": Operator(np.log, (lambda a, v: 1 / a,)),
    "sqrt": Operator(np.sqrt, (lambda a, v: 0.5 / v,)),
    "abs": Operator(np.abs, (lambda a, v: np.sign(a),), kinks=(0.0,)),
    "sin": Operator(np.sin, (lambda a, v: np.cos(a),)),
    "cos": Operator(np.cos, (lambda a, v: -np.sin(a),)),
    "tanh": Operator(np.tanh, (lambda a, v: 1 - v * v,)),
    "sigmoid": Operator(sigmoid, (lambda a, v: v * sigmoid(-a),)),
    "softplus": Operator(softplus, (lambda a, v: sigmoid(a),)),
    "erf": Operator(erf, (lambda a, v: 2 / math.sqrt(math.pi) * np.exp(-a * a),)),
    "relu": Operator(lambda a: np.maximum(a, 0), (lambda a, v: np.where(a > 0, 1.0, 0.0),), kinks=(0.0,)),
    "atan": Operator(np.arctan, (lambda a, v: 1 / (1 + a * a),)),
    "sign": Operator(np.sign, (lambda a, v: np.zeros_like(a),), kinks=(0.0,)),
    "max": Operator(np.maximum, (lambda a, b, v: np.where(a >= b, 1.0, 0.0), lambda a, b, v: np.where(a < b, 1.0, 0.0)), kinks=(0.0,)),
    "min": Operator(np.minimum, (lambda a, b, v: np.where(a <= b, 1.0, 0.0), lambda a, b, v: np.where(a > b, 1.0, 0.0)), kinks=(0.0,)),
}


def _operator(row: Activation) -> Operator | None:
    """Return a scalar activation with the defaults of its parameters as an operator; None for another one."""
    function, derivative = row.function, row.derivative
    if function is None or derivative is None:
        return None
    values = row().parameters
    return Operator(lambda a: function(a, values), (lambda a, v: derivative(a, values),), row.kinks(values))


_ACTIVATIONS = {name: operator for row in ACTIVATIONS.values() if (operator := _operator(row)) for name in (row.name, *row.aliases)}
FUNCTIONS = _ACTIVATIONS | ELEMENTARY


def value_and_slope(node: Node, x: Float64s) -> tuple[Float64s, Float64s]:
    """Return f(x) and f'(x). Where they are not finite they are nan or inf, without a warning."""
    with np.errstate(all="ignore"):
        value, slope = _dual(node, x)
    return value, np.zeros_like(x) if slope is None else slope


def _dual(node: Node, x: Float64s) -> tuple[Float64s, Float64s | None]:
    """Return the value and the slope. The slope is None if the node does not depend on x."""
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
                np.where(slope == 0, 0, partial(*values, result) * slope)  # a constant operand adds 0, not inf·0
                for partial, (_, slope) in zip(operator.partials, duals, strict=True)
                if slope is not None
            ]
            return result, sum(parts[1:], parts[0]) if parts else None


def count_operations(node: Node) -> int:
    """Return the number of constants, variables and operations."""
    return 1 + sum(map(count_operations, node.operands)) if isinstance(node, Operation) else 1


def kinks(node: Node, grid: Float64s) -> tuple[float, ...] | None:
    """Return the points where the slope may jump: where an argument such as that of abs passes a kink between neighbours of `grid`.

    The kinks of an inner operation refine the grid for the outer ones. Two sign changes within one step of the grid are missed. Return
    None if there are more than MAX_KINKS. Raises Interrupted.
    """
    points: set[float] = set()
    with np.errstate(all="ignore"):
        for argument in dict.fromkeys(_kink_arguments(node)):
            changes = _SignChanges(argument, np.union1d(grid, list(points)))
            if len(points) + len(changes) > MAX_KINKS:
                return None
            points.update(changes.points())
    return tuple(sorted(points))


def _kink_arguments(node: Node) -> Iterator[Node]:
    """Yield the expressions that are 0 at the kinks of the operations, those of the inner operations first."""
    if not isinstance(node, Operation):
        return
    for operand in node.operands:
        yield from _kink_arguments(operand)
    argument = node.operands[0] if node.operator.arity == 1 else Operation(SUBTRACT, node.operands)
    for kink in node.operator.kinks:
        yield Operation(SUBTRACT, (argument, Constant(kink)))


class _SignChanges:
    """The steps of `grid` within which a formula changes its sign."""

    def __init__(self, node: Node, grid: Float64s) -> None:
        self._node = node
        signs = self._sign(grid)
        changes = np.flatnonzero(np.diff(signs))
        self._left, self._right, self._sign_left = grid[changes], grid[changes + 1], signs[changes]

    def __len__(self) -> int:
        return len(self._left)

    def points(self) -> list[float]:
        """Return where the sign changes, found by bisection."""
        left, right = self._left, self._right
        for _ in range(_BISECTIONS if len(self) else 0):
            middle = (left + right) / 2
            on_the_left = self._sign(middle) == self._sign_left
            left, right = np.where(on_the_left, middle, left), np.where(on_the_left, right, middle)
        return right.tolist()

    def _sign(self, x: Float64s) -> Float64s:
        stop_if_unwatched()
        return np.sign(np.nan_to_num(_dual(self._node, x)[0]))
