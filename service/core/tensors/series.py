"""Patterns of a vector, or of the rows of a table: positions, and the parameters of state space models."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from service.core.stream.functions import exp64, expm1_64, sin_and_cos64
from service.core.stream.philox import Stream
from service.core.stream.portable import portable
from service.core.stream.quantiles import join, log64, uniform64
from service.core.stream.view import Shape
from service.core.tensors.patterns import pattern
from service.core.tensors.rules import Index, Pattern

Float64s = npt.NDArray[np.float64]


def sinusoidal(shape: Shape, *, base: float, halves: bool, last: bool, gain: float) -> Pattern:
    """Return position codes [positions, width]: sin and cos of position·base^(-i/n) for i = 0 … n - 1, n = width/2.

    The sines and cosines alternate; with `halves`, all sines come first. With `last`, the frequencies go down to 1/base itself, since
    the exponent is -i/(n - 1).
    """
    half = shape[1] // 2
    log_base = float(log64(np.array([base]))[0])
    steps = max(1, half - 1 if last else half)

    def formula(index: Index, _: Stream) -> Float64s:
        position, column = index
        frequency, is_cosine = (column % half, column >= half) if halves else np.divmod(column, 2)
        angle = position.astype(np.float64) * exp64(-log_base * (frequency.astype(np.float64) / steps))
        sin, cos = sin_and_cos64(angle)
        return gain * np.where(is_cosine, cos, sin)

    bound = abs(gain)
    return pattern("sinusoidal", shape, (-bound, bound), formula, base=base, halves=float(halves), last=float(last), gain=gain)


def log_of_index(shape: Shape) -> Pattern:
    """Return log(1), log(2), … along the last axis: the real diagonal of S4D, as Mamba stores it."""

    def formula(index: Index, _: Stream) -> Float64s:
        return log64(index[-1].astype(np.float64) + 1.0)

    return pattern("log_of_index", shape, (0.0, portable(math.log(max(1, shape[-1])))), formula)


def log_of_uniform(shape: Shape, low: float, high: float) -> Pattern:
    """Return log U[low, high], where U of element i is the float64 uniform of word i."""

    def formula(index: Index, stream: Stream) -> Float64s:
        return log64((low + high) / 2 + (high - low) / 2 * _uniform(index, shape, stream))

    return pattern("log_of_uniform", shape, (portable(math.log(low)), portable(math.log(high))), formula, low=low, high=high)


def inverse_softplus_of_log_uniform(shape: Shape, low: float, high: float, floor: float) -> Pattern:
    """Return b with softplus(b) = max(floor, exp(U[log low, log high])): log(eˣ - 1) of such an x."""
    log_low, log_high = (float(log64(np.array([bound]))[0]) for bound in (low, high))

    def formula(index: Index, stream: Stream) -> Float64s:
        step = exp64((log_low + log_high) / 2 + (log_high - log_low) / 2 * _uniform(index, shape, stream))
        return _inverse_softplus(np.maximum(step, floor))

    ends = _inverse_softplus(np.array([max(low, floor), max(high, floor)]))
    bounds = portable(float(ends[0])), portable(float(ends[1]))
    return pattern("inverse_softplus_of_log_uniform", shape, bounds, formula, low=low, high=high, floor=floor)


def _inverse_softplus(x: Float64s) -> Float64s:
    return log64(expm1_64(x))


def _uniform(index: Index, shape: Shape, stream: Stream) -> Float64s:
    """Return the uniform on (-1, 1) of each element's own word."""
    words = np.ravel_multi_index(index, shape).astype(np.uint64)
    return uniform64(join(stream.words_at(words), stream.second.words_at(words)))
