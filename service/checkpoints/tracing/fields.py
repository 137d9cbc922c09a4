"""The fields of /init that draw a tensor as its recorded values say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from service.checkpoints.literals import LITERAL_DTYPES
from service.checkpoints.tracing.expressions import Computed, Constant, Expression, Named, Normal, Truncated, Uniform
from service.contract.answer import tensor_of
from service.contract.request import InitRequest
from service.core.errors import InitError

MAX_LITERAL = 1 << 15  # values that a manifest holds; larger tables are named as untraced
_CLOSE = 1e-6  # relative error of values that torch computed in float32
_SINUSOIDS = [(order, reach_base) for order in ("alternating", "halves") for reach_base in (False, True)]

Fields = dict[str, Any]


def of_expression(expression: Expression | None) -> Fields | None:
    """Return the fields of a tensor with these values, or None if no scheme has them."""
    match expression:
        case Constant(value):
            return _constant(value) if math.isfinite(value) else None
        case Normal(mean, stddev):
            return {"scheme": "normal"} | ({"mean": mean} if mean else {}) | {"stddev": stddev}
        case Uniform(low, high):
            return {"scheme": "uniform", "low": low, "high": high}
        case Truncated(mean, stddev, low, high):
            usual = {} if (low, high) == (-2.0, 2.0) else {"low": low, "high": high}
            return {"scheme": "torch.nn.init.trunc_normal_"} | ({"mean": mean} if mean else {}) | {"stddev": stddev} | usual
        case Named(fields):
            return dict(fields)
        case Computed("log", (Uniform(low, high),)) if low > 0:
            return {"scheme": "mamba2_a_log", "low": low, "high": high}
    return _mamba_dt_bias(expression)


def _constant(value: float) -> Fields:
    if value in (0.0, 1.0):
        return {"scheme": "ones" if value else "zeros"}
    return {"scheme": "constant", "value": value}


def _mamba_dt_bias(expression: Expression | None) -> Fields | None:
    """Return the scheme of b = dt + log(-expm1(-dt)), the inverse of softplus, of dt = max(exp(U[log dt_min, log dt_max]), floor).

    As in mamba_ssm/modules/mamba_simple.py of state-spaces/mamba, and in the Mamba of transformers.
    """
    match expression:
        case Computed("add", (step, Computed("log", (Computed("affine", (Computed("expm1", (minus,)), -1.0, 0.0)),)))):
            if minus != Computed("affine", (step, -1.0, 0.0)):
                return None
        case _:
            return None
    match step:
        case Computed("clamp", (Computed("exp", (Uniform(low, high),)), float(floor), None)):
            return {
                "scheme": "mamba_dt_bias",
                "dt_min": _rounded(math.exp(low)),
                "dt_max": _rounded(math.exp(high)),
                "dt_init_floor": floor,
            }
    return None


def _rounded(value: float) -> float:
    """Return a value as it was before it went through a logarithm."""
    return float(f"{value:.12g}")


def with_zero_row(fields: Fields, row: int) -> Fields:
    """Return the fields of a table of embeddings with one entry of zeros."""
    return {**fields, "layer": "embedding", "padding_idx": row}


def of_values(values: npt.NDArray[Any], dtype: str) -> Fields | None:
    """Return the fields of a tensor with these values: those of a scheme that has them, or the values themselves if they are few."""
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            return None
        if not values.size:
            return _constant(0.0)
        if (values == values.flat[0]).all():
            return _constant(float(str(values.flat[0].astype(np.float32))))
        for fields in ({"scheme": "mamba_a_log"}, *_sinusoids(values)):
            if _has(values, fields):
                return fields
    if values.size > MAX_LITERAL or dtype not in LITERAL_DTYPES:
        return None
    return {"dtype": dtype, "values": values.ravel().tolist()}


def _has(values: npt.NDArray[Any], fields: Fields) -> bool:
    """Return whether a scheme without draws gives these values, up to the rounding of float32."""
    try:
        _, tensor = tensor_of(InitRequest(shape=list(values.shape), seed=0, dtype="float64", **fields))
    except InitError:  # the scheme does not allow this shape
        return False
    return bool(np.allclose(values.ravel(), tensor.read(), rtol=_CLOSE, atol=_angle_error(values.shape)))


def _sinusoids(values: npt.NDArray[Any]) -> list[Fields]:
    if values.ndim != 2 or values.shape[1] % 2 or values.shape[1] < 4 or values.shape[0] < 2 or np.abs(values).max() > 1 + _CLOSE:
        return []
    return [{"scheme": "sinusoidal"} | _unusual(order=order, reach_base=reach_base) for order, reach_base in _SINUSOIDS]


def _unusual(*, order: str, reach_base: bool) -> Fields:
    return ({} if order == "alternating" else {"order": order}) | ({"reach_base": True} if reach_base else {})


def _angle_error(shape: tuple[int, ...]) -> float:
    """Return how far sines in float32 may be from the truth: the largest angle, the last position, has an error of some units."""
    return _CLOSE + 4 * shape[0] * 2.0**-24
