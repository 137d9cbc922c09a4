"""Schemes whose elements differ by position: identities, copies, gate biases, orthogonal matrices, sparsity."""

from __future__ import annotations

import math

from service.core import references
from service.core.errors import InvalidValue
from service.core.layers.fans import fans_of
from service.core.layers.layer import Layer
from service.core.parameters import Kind, Parameter, Values, fill
from service.core.schemes import elementary, scaled
from service.core.schemes.scheme import GAIN, Build, Scheme, names
from service.core.stream.view import Shape
from service.core.tensors import patterns, wholes
from service.core.tensors.rules import Repeated, Rule

_LSTM_GATES = 4
_FORGET_GATE = 1  # i, f, g, o in torch; i, f, c, o in Keras
_GRU_GATES = 3
_UPDATE_GATE = {"torch": 1, "keras": 0}  # r, z, n in torch; z, r, h in Keras


def _check_rank(shape: Shape, ranks: range, scheme: str) -> None:
    if len(shape) not in ranks:
        rank = f"rank {ranks.start}" if len(ranks) == 1 else f"rank {ranks.start} to {ranks.stop - 1}"
        raise InvalidValue(
            "shape", expected=f"{rank} for {scheme}", received=list(shape), action="Correct the shape, or choose another scheme."
        )


def _check_gates(shape: Shape, gates: int, scheme: str) -> None:
    _check_rank(shape, range(1, 2), scheme)
    if shape[0] % gates:
        raise InvalidValue(
            "shape",
            expected=f"a length that is a multiple of {gates}, the number of gates",
            received=list(shape),
            action="Give [gates·hidden].",
        )


def _identity(values: Values, shape: Shape, _: Layer) -> Rule:
    _check_rank(shape, range(2, 3), "identity")
    return patterns.identity(shape, values["gain"])


def _dirac(values: Values, shape: Shape, layer: Layer) -> Rule:
    _check_rank(shape, range(3, 6), "dirac")
    return patterns.dirac(shape, values["gain"], layer.groups or 1)


def _zero_hadamard(values: Values, shape: Shape, _: Layer) -> Rule:
    _check_rank(shape, range(2, 6), "zero_hadamard")
    return patterns.zero_hadamard(shape, values["gain"])


def _bilinear(values: Values, shape: Shape, _: Layer) -> Rule:
    _check_rank(shape, range(3, 6), "bilinear")
    return patterns.bilinear(shape, values["gain"])


def _lstm_bias(values: Values, shape: Shape, _: Layer) -> Rule:
    _check_gates(shape, _LSTM_GATES, "lstm_bias")
    return patterns.gate_bias(shape, _LSTM_GATES, _FORGET_GATE, values["forget"])


def _gru_bias(values: Values, shape: Shape, _: Layer) -> Rule:
    _check_gates(shape, _GRU_GATES, "gru_bias")
    return patterns.gate_bias(shape, _GRU_GATES, _UPDATE_GATE[values["gate_order"]], values["update"])


def _chrono(values: Values, shape: Shape, _: Layer) -> Rule:
    _check_gates(shape, _LSTM_GATES, "chrono")
    return patterns.chrono(shape, values["t_max"])


def _hippo_legs(values: Values, shape: Shape, _: Layer) -> Rule:
    _check_rank(shape, range(2, 3), "hippo_legs")
    if shape[0] != shape[1]:
        raise InvalidValue("shape", expected="a square matrix for hippo_legs", received=list(shape), action="Give [n, n].")
    return patterns.hippo_legs(shape, values["gain"])


def _icnr(values: Values, shape: Shape, layer: Layer) -> Rule:
    _check_rank(shape, range(3, 6), "icnr")
    copies = int(values["upscale"]) ** (len(shape) - 2)
    if shape[0] % copies:
        raise InvalidValue(
            "shape",
            expected=f"a number of outputs divisible by upscale to the power of the kernel's rank ({copies})",
            received=list(shape),
            action="Give [out·copies, in, *kernel].",
        )
    base, kernel = _BASES[values["base"]], (shape[0] // copies, *shape[1:])
    filled = fill(base.parameters, {"gain": values["gain"]}, owner=base.name)
    rule = base.build(filled, kernel, layer) if base.build else base.resolve(filled, fans_of(kernel, layer)) if base.resolve else None
    assert rule is not None and not isinstance(rule, Repeated)  # noqa: PT018  # true of every scheme in _BASES
    return Repeated(rule, math.prod(shape[1:]), copies)


def _orthogonal(values: Values, shape: Shape, _: Layer) -> Rule:
    _check_rank(shape, range(2, 17), "orthogonal")
    return wholes.orthogonal(shape, values["gain"])


def _delta_orthogonal(values: Values, shape: Shape, _: Layer) -> Rule:
    _check_rank(shape, range(3, 6), "delta_orthogonal")
    if shape[1] > shape[0]:
        raise InvalidValue(
            "shape", expected="no more inputs than outputs for delta_orthogonal", received=list(shape), action="Use orthogonal."
        )
    return wholes.delta_orthogonal(shape, values["gain"])


def _sparse(values: Values, shape: Shape, _: Layer) -> Rule:
    _check_rank(shape, range(2, 3), "sparse")
    if values["sparsity"] > 1:
        raise InvalidValue(
            "sparsity", expected="a fraction from 0 to 1", received=values["sparsity"], action="For example, 0.9 sets nine of ten to zero."
        )
    return wholes.sparse(shape, values["sparsity"], values["gain"] * values["stddev"])


def _row(
    name: str,
    summary: str,
    formula: str,
    reference: references.Reference,
    build: Build,
    *parameters: Parameter,
    aliases: tuple[str, ...] = (),
    equation: str = "",
) -> Scheme:
    return Scheme(name, summary, formula, reference, None, parameters, names(*aliases), equation=equation, build=build)


_ORTHOGONAL = _row(
    "orthogonal",
    "Orthonormal rows or columns, whichever are fewer: preserves lengths through a linear layer.",
    "gain·Q of the QR decomposition of a normal matrix [out, in·K], signs by R's diagonal",
    references.SAXE_2013, _orthogonal, GAIN,
    aliases=("torch.orthogonal_", "keras.Orthogonal", "keras.OrthogonalInitializer", "jax.orthogonal"),
)  # fmt: skip

# the schemes that a sub-kernel can use: those that need no more than the kernel
_BASES = {
    row.name: row for row in (*elementary.ROWS, *scaled.ROWS, _ORTHOGONAL) if not any(parameter.required for parameter in row.parameters)
}

ROWS = (
    _row(
        "identity",
        "Passes its input on unchanged: for the recurrent matrix of an IRNN, with zero biases and ReLU.",
        "gain·[i = j]",
        references.LE_2015, _identity, GAIN,
        aliases=("eye", "irnn", "torch.eye_", "keras.Identity", "keras.IdentityInitializer"),
    ),
    _row(
        "dirac",
        "A convolution that passes each input channel on unchanged.",
        "gain at the centre tap k//2 of its own channel (within each of `groups`), else 0",
        references.ZAGORUYKO_2017, _dirac, GAIN,
        aliases=("torch.dirac_",),
    ),
    _row(
        "zero_hadamard",
        "ZerO, deterministic: a partial identity, or a corner of a Hadamard matrix if outputs outnumber inputs.",
        "gain·[i = j] if out ≤ in, else gain·H[i, j]/√p, p = 2^⌈log₂ out⌉, at the centre tap",
        references.ZHAO_2021, _zero_hadamard, GAIN,
        aliases=("zero_init", "hadamard"),
    ),
    _row(
        "bilinear",
        "A transposed convolution that interpolates each channel.",
        "gain·Π(1 - |t - c|/f), f = ⌈k/2⌉, c = (k - 1)/2, where in and out channel agree",
        references.LONG_2014, _bilinear, GAIN,
        aliases=("bilinear_upsampling", "upsampling"),
    ),
    _row(
        "lstm_bias",
        "Makes an LSTM remember from the start: the bias opens the forget gate and is 0 for the others.",
        "forget for the second quarter (i, f, g, o), else 0",
        references.JOZEFOWICZ_2015, _lstm_bias,
        Parameter("forget", "the bias of the forget gate; torch adds two biases, so use zeros for the other", default=1.0),
        aliases=("unit_forget_bias", "forget_gate_bias"),
    ),
    _row(
        "gru_bias",
        "Makes a GRU remember from the start: the bias opens the update gate z and is 0 for the others.",
        "update for the gate z, else 0",
        references.JOZEFOWICZ_2015, _gru_bias,
        Parameter("update", "the bias of the update gate", default=1.0),
        Parameter(
            "gate_order",
            "the order of the gates: torch (r, z, n) or keras (z, r, h)",
            kind=Kind.CHOICE,
            default="torch",
            choices=("torch", "keras"),
        ),
    ),
    _row(
        "chrono",
        "Spreads the memory of an LSTM's units over every length up to t_max.",
        "log U[1, t_max - 1] for the forget gate, its negative for the input gate, else 0",
        references.TALLEC_2018, _chrono,
        Parameter("t_max", "the longest dependency, in steps, at least 3", required=True, minimum=3.0),
    ),
    _row(
        "hippo_legs",
        "The state matrix that represents a history by Legendre polynomials.",
        "-gain·√(2n+1)·√(2k+1) if n > k, -gain·(n + 1) if n = k, else 0",
        references.GU_2020, _hippo_legs, GAIN,
        aliases=("hippo",), equation="theorem 2",
    ),
    _row(
        "icnr",
        "A sub-pixel convolution without checkerboard artifacts: all its sub-kernels are the same.",
        "base for [out/copies, in, *kernel], each output `copies` = upscale^d times",
        references.AITKEN_2017, _icnr,
        Parameter("upscale", "the upscale factor along each axis, an integer", kind=Kind.INTEGER, required=True, minimum=1),
        Parameter("base", "the scheme of the sub-kernel", kind=Kind.CHOICE, default="he_normal", choices=tuple(_BASES)),
        GAIN,
    ),
    _ORTHOGONAL,
    _row(
        "delta_orthogonal",
        "A convolution that is orthogonal at its centre tap and zero elsewhere: trains thousands of layers without normalization.",
        "gain·Q at the tap (k - 1)//2, else 0; in ≤ out",
        references.XIAO_2018, _delta_orthogonal, GAIN,
        aliases=("jax.delta_orthogonal", "convolution_delta_orthogonal"),
    ),
    _row(
        "sparse",
        "Normal, with an exact number of zeros in each column: each input feeds only some units.",
        "N(0, (gain·stddev)²), ⌈sparsity·out⌉ zeros in each column",
        references.MARTENS_2010, _sparse,
        Parameter("sparsity", "the fraction of zeros in each column, from 0 to 1", required=True, minimum=0.0),
        Parameter("stddev", "the standard deviation of the nonzero elements", default=0.01, minimum=0.0),
        GAIN,
        aliases=("torch.sparse_",),
    ),
)  # fmt: skip
