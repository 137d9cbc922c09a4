"""Schemes given by a formula of the index: position tables, and the parameters of state space models."""

from __future__ import annotations

import math

from service.core import references
from service.core.errors import InvalidValue
from service.core.layers.weight import Matrix, Weight
from service.core.parameters import Kind, Parameter, Values
from service.core.schemes.scheme import GAIN, Scheme, names
from service.core.stream.functions import MAX_ANGLE
from service.core.stream.view import Shape
from service.core.tensors import patterns
from service.core.tensors.rules import Pattern
from service.core.tensors.series import inverse_softplus_of_log_uniform, log_of_index, log_of_uniform, sinusoidal

_SMALLEST, _LARGEST = 1e-12, 100.0  # of a step or a decay
_ALTERNATING, _HALVES = "alternating", "halves"


def _rows_and_columns(weight: Weight) -> Shape:
    return (math.prod(weight.stacked), weight.out)


def _sinusoidal(values: Values, weight: Weight) -> Pattern:
    shape = [*weight.stacked, *weight.outputs]
    if len(shape) < 2 or math.prod(shape[:-2]) > 1 or weight.out % 2 or shape[-2] > MAX_ANGLE:
        raise InvalidValue(
            "shape",
            expected="[positions, width] with an even width, and at most 2^27 positions",
            received=shape,
            action="Correct the shape.",
        )
    if values["base"] <= 1:
        raise InvalidValue("base", expected="a number above 1", received=values["base"], action="The usual one is 10000.")
    return sinusoidal(
        _rows_and_columns(weight),
        base=values["base"],
        halves=values["order"] == _HALVES,
        last=values["reach_base"],
        gain=values["gain"],
    )


def _hippo_legs(values: Values, matrix: Matrix) -> Pattern:
    if len(matrix.shape) != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InvalidValue("shape", expected="a square matrix for hippo_legs", received=list(matrix.shape), action="Give [n, n].")
    return patterns.hippo_legs(matrix.shape, values["gain"])


def _mamba_a_log(_: Values, weight: Weight) -> Pattern:
    return log_of_index(_rows_and_columns(weight))


def _mamba2_a_log(values: Values, weight: Weight) -> Pattern:
    _check_order("low", values["low"], "high", values["high"])
    return log_of_uniform(_rows_and_columns(weight), values["low"], values["high"])


def _mamba_dt_bias(values: Values, weight: Weight) -> Pattern:
    low, high, floor = values["dt_min"], values["dt_max"], values["dt_init_floor"]
    _check_order("dt_min", low, "dt_max", high)
    _check_order("dt_init_floor", floor, "dt_init_floor", floor)
    return inverse_softplus_of_log_uniform(_rows_and_columns(weight), low, high, floor)


def _check_order(low_name: str, low: float, high_name: str, high: float) -> None:
    if not _SMALLEST <= low <= high <= _LARGEST:
        raise InvalidValue(
            low_name,
            expected=f"{_SMALLEST:g} ≤ {low_name} ≤ {high_name} ≤ {_LARGEST:g}",
            received=f"{low_name} {low:g} and {high_name} {high:g}",
            action="Correct them.",
        )


ROWS = (
    Scheme(
        "sinusoidal",
        "Position codes of the Transformer: a position's code differs from another's, and a shift is a rotation of the code.",
        "gain·sin(position/base^(2i/width)) for column 2i, gain·cos(position/base^(2i/width)) for column 2i + 1",
        references.VASWANI_2017,
        None,
        (
            Parameter("base", "the base of the geometric series of wavelengths", default=10_000.0),
            Parameter(
                "order",
                "alternating (the paper): sines in even columns, cosines in odd ones; halves (tensor2tensor, Whisper): sines first",
                kind=Kind.CHOICE,
                default=_ALTERNATING,
                choices=(_ALTERNATING, _HALVES),
            ),
            Parameter(
                "reach_base",
                "whether the longest wavelength is 2π·base itself, as in tensor2tensor, fairseq and Whisper: i/(width/2 - 1) in place of"
                " 2i/width",
                kind=Kind.BOOLEAN,
                default=False,
            ),
            GAIN,
        ),
        aliases=names("positional_encoding", "sinusoidal_positions", "sincos"),
        equation="section 3.5",
        build_tensor=_sinusoidal,
        for_vectors=True,
        judged=False,
    ),
    Scheme(
        "hippo_legs",
        "The state matrix that represents a history by Legendre polynomials.",
        "-gain·√(2n+1)·√(2k+1) if n > k, -gain·(n + 1) if n = k, else 0",
        references.GU_2020,
        None,
        (GAIN,),
        aliases=names("hippo"),
        equation="theorem 2",
        build=_hippo_legs,
    ),
    Scheme(
        "mamba_a_log",
        "The state matrix of Mamba, A = -exp(A_log): each channel decays at the rates 1, 2, … N.",
        "log(n) for n = 1 … N along the last axis",
        references.GU_2023,
        None,
        (),
        aliases=names("a_log", "s4d_real"),
        build_tensor=_mamba_a_log,
        for_vectors=True,
        judged=False,
    ),
    Scheme(
        "mamba2_a_log",
        "The decay of each head of Mamba-2, A = -exp(A_log).",
        "log U[low, high]",
        references.DAO_2024,
        None,
        (
            Parameter("low", "the slowest decay", default=1.0),
            Parameter("high", "the fastest decay", default=16.0),
        ),
        build_tensor=_mamba2_a_log,
        for_vectors=True,
        judged=False,
    ),
    Scheme(
        "mamba_dt_bias",
        "The bias of Mamba's steps: softplus of it is spread from dt_min to dt_max, evenly on a logarithmic scale as in the authors' code.",
        "log(exp(dt) - 1), dt = max(dt_init_floor, exp(U[log dt_min, log dt_max]))",
        references.GU_2023,
        None,
        (
            Parameter("dt_min", "the shortest step", default=0.001),
            Parameter("dt_max", "the longest step", default=0.1),
            Parameter("dt_init_floor", "the lower limit of a step", default=1e-4),
        ),
        aliases=names("dt_bias"),
        build_tensor=_mamba_dt_bias,
        for_vectors=True,
        judged=False,
    ),
)
