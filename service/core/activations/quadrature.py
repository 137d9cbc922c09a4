"""E[f(z)²] for z ~ N(0, 1), whatever f: Gauss-Legendre panels, halved where they have not settled."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Functions = Callable[[Float64s], tuple[Float64s, ...]]

REACH = 16.0  # beyond it lies 1e-57 of the normal
# Activations change fastest around 0: panels shrink towards it, so that a transition as steep as 1e9 is met. Then ¼, then 1.
_POSITIVE_EDGES = np.concatenate([2.0 ** np.arange(-20, -2), np.arange(0.25, 4, 0.25), np.arange(4, REACH + 1)])
_EDGES = np.concatenate([-_POSITIVE_EDGES[::-1], [0.0], _POSITIVE_EDGES])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_SETTLED = 1e-13  # of the whole: what halving a panel may change
_TOLERATED = 1e-10  # of the whole: what may be left unsettled at the end, and what may lie in the outermost panels
_MAX_HALVINGS, _MAX_PANELS = 100, 2048
_INFINITE = "its second moment, or its slope's, is infinite, or changes too fast to be integrated"


class NotIntegrable(ArithmeticError):
    """The second moment is infinite, undefined, or beyond what the panels resolve; the message says so, of "it"."""


def second_moment_rule(functions: Functions, kinks: Iterable[float] = ()) -> tuple[Float64s, Float64s]:
    """Nodes and weights under which E[f²] is exact to about 1e-12 for each of `functions`, z ~ N(0, 1).

    `kinks` are the points where a function or its slope jumps: no panel has one inside. Raises NotIntegrable.
    """
    edges = np.unique(np.concatenate([_EDGES, [kink for kink in kinks if abs(kink) < REACH]]))
    left, right = edges[:-1], edges[1:]
    settled: list[tuple[Float64s, Float64s]] = []
    settled_moments = total = unsettled = np.zeros(1)
    for _ in range(_MAX_HALVINGS):
        moments, change = _halving(functions, left, right)
        total = settled_moments + _summed(moments)
        rough = np.any(change > _SETTLED * total, axis=0)
        settled.append(_halved(left, right, ~rough))
        settled_moments = settled_moments + _summed(moments[:, ~rough])
        unsettled = _summed(change[:, rough])
        left, right = _halved(left, right, rough)
        if not rough.any() or len(left) > _MAX_PANELS:
            break
    if np.any(unsettled > _TOLERATED * total):
        raise NotIntegrable(_INFINITE)
    rule = _rule(*(np.concatenate(sides) for sides in zip(*settled, (left, right), strict=True)))
    _check_tails(functions, rule)
    return rule


def _halving(functions: Functions, left: Float64s, right: Float64s) -> tuple[Float64s, Float64s]:
    """What each panel adds to each second moment by its halves, and how much that differs from the panel as one."""
    middle = (left + right) / 2
    by_halves = _moments(functions, left, middle) + _moments(functions, middle, right)
    return by_halves, np.abs(by_halves - _moments(functions, left, right))


def _summed(moments: Float64s) -> Float64s:
    return moments.sum(axis=1, keepdims=True)


def _halved(left: Float64s, right: Float64s, chosen: npt.NDArray[np.bool_]) -> tuple[Float64s, Float64s]:
    left, right = left[chosen], right[chosen]
    middle = (left + right) / 2
    return np.concatenate([left, middle]), np.concatenate([middle, right])


def _rule(left: Float64s, right: Float64s) -> tuple[Float64s, Float64s]:
    """Nodes and weights of each panel, flat."""
    centres, halves = (right + left) / 2, (right - left) / 2
    z = (centres[:, np.newaxis] + halves[:, np.newaxis] * _NODES).ravel()
    return z, (halves[:, np.newaxis] * _WEIGHTS).ravel() * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def _moments(functions: Functions, left: Float64s, right: Float64s) -> Float64s:
    """What each panel adds to each second moment: a row a function."""
    z, weights = _rule(left, right)
    with np.errstate(all="ignore"):
        parts = np.array([weights * values * values for values in functions(z)])
    if not np.isfinite(parts).all():
        first = min(z[~np.isfinite(parts).all(axis=0)], key=abs)
        raise NotIntegrable(f"it, its slope, or the square of one is not a finite number at x = {first:.4g}")
    return parts.reshape(len(parts), len(left), -1).sum(axis=2)


def _check_tails(functions: Functions, rule: tuple[Float64s, Float64s]) -> None:
    """The outermost panels must hold next to nothing, or the second moment grows without end."""
    z, weights = rule
    parts = np.array([weights * values * values for values in functions(z)])
    if np.any(parts[:, np.abs(z) > REACH - 1].sum(axis=1) > _TOLERATED * parts.sum(axis=1)):
        raise NotIntegrable(_INFINITE)
