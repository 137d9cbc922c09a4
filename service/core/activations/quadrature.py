"""Computes E[f(z)²] for z ~ N(0, 1) and any f, with Gauss-Legendre panels that are halved until they converge."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from service.concurrency.interruption import stop_if_unwatched

Float64s = npt.NDArray[np.float64]
Functions = Callable[[Float64s], tuple[Float64s, ...]]

REACH = 16.0  # only 1e-57 of the normal lies beyond it
# Activations change fastest around 0, so panels shrink towards it and resolve a transition as steep as 1e9.
# Farther out they are ¼, then 1 wide.
_POSITIVE_EDGES = np.concatenate([2.0 ** np.arange(-20, -2), np.arange(0.25, 4, 0.25), np.arange(4, REACH + 1)])
_EDGES = np.concatenate([-_POSITIVE_EDGES[::-1], [0.0], _POSITIVE_EDGES])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_CONVERGED = 1e-13  # largest change, relative to the total, when a converged panel is halved
_TOLERANCE = 1e-10  # largest part of the total that may remain unconverged, or lie in the outermost panels
_MAX_HALVINGS, _MAX_PANELS = 100, 2048
_INFINITE = "the second moment of its value or slope is infinite, or it changes too fast to integrate"


class NotIntegrable(ArithmeticError):
    """The second moment is infinite, undefined or too rough for the panels. The message calls the function "it"."""


def second_moment_rule(functions: Functions, kinks: Iterable[float] = (), *, max_points: int) -> tuple[Float64s, Float64s]:
    """Return nodes and weights that give E[f(z)²], z ~ N(0, 1), to about 1e-12 for each of `functions`.

    `kinks` are the points where a function or its slope jumps. They become edges of panels. The functions are computed at about
    `max_points` points at most. Raises NotIntegrable, and Interrupted.
    """
    edges = np.unique(np.concatenate([_EDGES, [kink for kink in kinks if abs(kink) < REACH]]))
    left, right = edges[:-1], edges[1:]
    converged: list[tuple[Float64s, Float64s]] = []
    converged_moments = total = unconverged = np.zeros(1)
    points = 0
    for _ in range(_MAX_HALVINGS):
        points += 3 * len(left) * len(_NODES)
        moments, change = _refined_moments(functions, left, right)
        total = converged_moments + _sum_panels(moments)
        rough = np.any(change > _CONVERGED * total, axis=0)
        converged.append(_halve(left, right, ~rough))
        converged_moments = converged_moments + _sum_panels(moments[:, ~rough])
        unconverged = _sum_panels(change[:, rough])
        left, right = _halve(left, right, rough)
        if not rough.any() or len(left) > _MAX_PANELS or points > max_points:
            break
    if np.any(unconverged > _TOLERANCE * total):
        raise NotIntegrable(_INFINITE)
    rule = _rule(*(np.concatenate(sides) for sides in zip(*converged, (left, right), strict=True)))
    _check_tails(functions, rule)
    return rule


def _refined_moments(functions: Functions, left: Float64s, right: Float64s) -> tuple[Float64s, Float64s]:
    """Return the moments of each panel as the sum of its two halves, and how much they differ from the undivided panel."""
    middle = (left + right) / 2
    by_halves = _moments(functions, left, middle) + _moments(functions, middle, right)
    return by_halves, np.abs(by_halves - _moments(functions, left, right))


def _sum_panels(moments: Float64s) -> Float64s:
    return moments.sum(axis=1, keepdims=True)


def _halve(left: Float64s, right: Float64s, chosen: npt.NDArray[np.bool_]) -> tuple[Float64s, Float64s]:
    left, right = left[chosen], right[chosen]
    middle = (left + right) / 2
    return np.concatenate([left, middle]), np.concatenate([middle, right])


def _rule(left: Float64s, right: Float64s) -> tuple[Float64s, Float64s]:
    """Return the nodes and weights of all panels, flattened."""
    centres, halves = (right + left) / 2, (right - left) / 2
    z = (centres[:, np.newaxis] + halves[:, np.newaxis] * _NODES).ravel()
    return z, (halves[:, np.newaxis] * _WEIGHTS).ravel() * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def _moments(functions: Functions, left: Float64s, right: Float64s) -> Float64s:
    """Return the contribution of each panel to each second moment, one row per function."""
    stop_if_unwatched()
    z, weights = _rule(left, right)
    with np.errstate(all="ignore"):
        parts = np.array([weights * values * values for values in functions(z)])
    if not np.isfinite(parts).all():
        nearest = min(z[~np.isfinite(parts).all(axis=0)], key=abs)
        raise NotIntegrable(f"its value, its slope or the square of either is not a finite number at x = {nearest:.4g}")
    return parts.reshape(len(parts), len(left), -1).sum(axis=2)


def _check_tails(functions: Functions, rule: tuple[Float64s, Float64s]) -> None:
    """Check that the outermost panels contribute almost nothing. Otherwise the second moment is infinite."""
    z, weights = rule
    parts = np.array([weights * values * values for values in functions(z)])
    if np.any(parts[:, np.abs(z) > REACH - 1].sum(axis=1) > _TOLERANCE * parts.sum(axis=1)):
        raise NotIntegrable(_INFINITE)
