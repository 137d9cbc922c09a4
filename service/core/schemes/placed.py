"""Schemes whose elements differ by their place: identities, copies, gate biases, orthogonal matrices, sparsity."""

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

_GATES_OF_A_LSTM = 4
_FORGET_GATE = 1  # i, f, g, o in torch; i, f, c, o in Keras
_GATES_OF_A_GRU = 3
_UPDATE_GATE = {"torch": 1, "keras": 0}  # r, z, n in torch; z, r, h in Keras


def _of_rank(shape: Shape, ranks: range, scheme: str) -> None:
    if len(shape) not in ranks:
        wanted = f"rank {ranks.start}" if len(ranks) == 1 else f"rank {ranks.start} to {ranks.stop - 1}"
        raise InvalidValue(
            "shape", expected=f"{wanted} for {scheme}", received=list(shape), action="Correct the shape, or ask for another scheme."
        )


def _parts(shape: Shape, parts: int, scheme: str) -> None:
    _of_rank(shape, range(1, 2), scheme)
    if shape[0] % parts:
        raise InvalidValue(
            "shape", expected=f"a multiple of {parts}, for {parts} gates", received=list(shape), action="Give [gates·hidden]."
        )


def _identity(values: Values, shape: Shape, _: Layer) -> Rule:
    _of_rank(shape, range(2, 3), "identity")
    return patterns.identity(shape, values["gain"])


def _dirac(values: Values, shape: Shape, layer: Layer) -> Rule:
    _of_rank(shape, range(3, 6), "dirac")
    return patterns.dirac(shape, values["gain"], layer.groups or 1)


def _zero_hadamard(values: Values, shape: Shape, _: Layer) -> Rule:
    _of_rank(shape, range(2, 6), "zero_hadamard")
    return patterns.zero_hadamard(shape, values["gain"])


def _bilinear(values: Values, shape: Shape, _: Layer) -> Rule:
    _of_rank(shape, range(3, 6), "bilinear")
    return patterns.bilinear(shape, values["gain"])


def _lstm_bias(values: Values, shape: Shape, _: Layer) -> Rule:
    _parts(shape, _GATES_OF_A_LSTM, "lstm_bias")
    return patterns.gate_bias(shape, _GATES_OF_A_LSTM, _FORGET_GATE, values["forget"])


def _gru_bias(values: Values, shape: Shape, _: Layer) -> Rule:
    _parts(shape, _GATES_OF_A_GRU, "gru_bias")
    return patterns.gate_bias(shape, _GATES_OF_A_GRU, _UPDATE_GATE[values["gate_order"]], values["update"])


def _chrono(values: Values, shape: Shape, _: Layer) -> Rule:
    _parts(shape, _GATES_OF_A_LSTM, "chrono")
    return patterns.chrono(shape, values["t_max"])


def _hippo_legs(values: Values, shape: Shape, _: Layer) -> Rule:
    _of_rank(shape, range(2, 3), "hippo_legs")
    if shape[0] != shape[1]:
        raise InvalidValue("shape", expected="a square for hippo_legs", received=list(shape), action="Give [n, n].")
    return patterns.hippo_legs(shape, values["gain"])


def _icnr(values: Values, shape: Shape, layer: Layer) -> Rule:
    _of_rank(shape, range(3, 6), "icnr")
    copies = int(values["upscale"]) ** (len(shape) - 2)
    if shape[0] % copies:
        raise InvalidValue(
            "shape",
            expected=f"outputs that upscale to the power of the kernel's rank ({copies}) divides",
            received=list(shape),
            action="Give [out·copies, in, *kernel].",
        )
    base, kernel = _BASES[values["base"]], (shape[0] // copies, *shape[1:])
    filled = fill(base.parameters, {"gain": values["gain"]}, owner=base.name)
    rule = base.build(filled, kernel, layer) if base.build else base.resolve(filled, fans_of(kernel, layer)) if base.resolve else None
    assert rule is not None and not isinstance(rule, Repeated)  # noqa: PT018  # _BASES has only such
    return Repeated(rule, math.prod(shape[1:]), copies)


def _orthogonal(values: Values, shape: Shape, _: Layer) -> Rule:
    _of_rank(shape, range(2, 17), "orthogonal")
    return wholes.orthogonal(shape, values["gain"])


def _delta_orthogonal(values: Values, shape: Shape, _: Layer) -> Rule:
    _of_rank(shape, range(3, 6), "delta_orthogonal")
    if shape[1] > shape[0]:
        raise InvalidValue(
            "shape", expected="no more inputs than outputs for delta_orthogonal", received=list(shape), action="Use orthogonal."
        )
    return wholes.delta_orthogonal(shape, values["gain"])


def _sparse(values: Values, shape: Shape, _: Layer) -> Rule:
    _of_rank(shape, range(2, 3), "sparse")
    if values["sparsity"] > 1:
        raise InvalidValue("sparsity", expected="a share, from 0 to 1", received=values["sparsity"], action="0.9 makes nine of ten zero.")
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
    "Orthonormal rows or columns, whichever are fewer: keeps every length through a linear layer.",
    "gain·Q of the QR decomposition of a normal matrix [out, in·K], signs by R's diagonal",
    references.SAXE_2013, _orthogonal, GAIN,
    aliases=("torch.orthogonal_", "keras.Orthogonal", "keras.OrthogonalInitializer", "jax.orthogonal"),
)  # fmt: skip

# what a sub-kernel may be: every scheme that needs no more than the kernel
_BASES = {
    row.name: row for row in (*elementary.ROWS, *scaled.ROWS, _ORTHOGONAL) if not any(parameter.required for parameter in row.parameters)
}

ROWS = (
    _row(
        "identity",
        "Passes its input on: the start of an IRNN's recurrent matrix, with zero biases and ReLU.",
        "gain·[i = j]",
        references.LE_2015, _identity, GAIN,
        aliases=("eye", "irnn", "torch.eye_", "keras.Identity", "keras.IdentityInitializer"),
    ),
    _row(
        "dirac",
        "A convolution that passes each input channel on.",
        "gain at the centre tap k//2 of its own channel (within each of `groups`), else 0",
        references.ZAGORUYKO_2017, _dirac, GAIN,
        aliases=("torch.dirac_",),
    ),
    _row(
        "zero_hadamard",
        "ZerO: deterministic, a partial identity, or a corner of a Hadamard matrix where outputs outnumber inputs.",
        "gain·[i = j] if out ≤ in, else gain·H[i, j]/√p, p = 2^⌈log₂ out⌉, at the centre tap",
        references.ZHAO_2021, _zero_hadamard, GAIN,
        aliases=("zero_init", "hadamard"),
    ),
    _row(
        "bilinear",
        "A transposed convolution that interpolates, channel by channel.",
        "gain·Π(1 - |t - c|/f), f = ⌈k/2⌉, c = (k - 1)/2, where in and out channel agree",
        references.LONG_2014, _bilinear, GAIN,
        aliases=("bilinear_upsampling", "upsampling"),
    ),
    _row(
        "lstm_bias",
        "A LSTM's bias that remembers from the start: the forget gate open, the others 0.",
        "forget for the second quarter (i, f, g, o), else 0",
        references.JOZEFOWICZ_2015, _lstm_bias,
        Parameter("forget", "the bias of the forget gate; torch adds two biases, so ask for zeros as the other", default=1.0),
        aliases=("unit_forget_bias", "forget_gate_bias"),
    ),
    _row(
        "gru_bias",
        "A GRU's bias that remembers from the start: the update gate z open, the others 0.",
        "update for the gate z, else 0",
        references.JOZEFOWICZ_2015, _gru_bias,
        Parameter("update", "the bias of the update gate", default=1.0),
        Parameter("gate_order", "torch (r, z, n) or keras (z, r, h)", kind=Kind.CHOICE, default="torch", choices=("torch", "keras")),
    ),
    _row(
        "chrono",
        "A LSTM's bias whose units remember over every length up to t_max.",
        "log U[1, t_max - 1] for the forget gate, its negative for the input gate, else 0",
        references.TALLEC_2018, _chrono,
        Parameter("t_max", "the longest dependency, in steps, at least 3", required=True, minimum=3.0),
    ),
    _row(
        "hippo_legs",
        "The state matrix that keeps a history as Legendre polynomials.",
        "-gain·√(2n+1)·√(2k+1) if n > k, -gain·(n + 1) if n = k, else 0",
        references.GU_2020, _hippo_legs, GAIN,
        aliases=("hippo",), equation="theorem 2",
    ),
    _row(
        "icnr",
        "A sub-pixel convolution without checkerboards: each of its sub-kernels is the same.",
        "base for [out/copies, in, *kernel], each output `copies` = upscale^d times",
        references.AITKEN_2017, _icnr,
        Parameter("upscale", "the upscale factor along each axis, an integer", kind=Kind.INTEGER, required=True, minimum=1),
        Parameter("base", "the scheme of the sub-kernel", kind=Kind.CHOICE, default="he_normal", choices=tuple(_BASES)),
        GAIN,
    ),
    _ORTHOGONAL,
    _row(
        "delta_orthogonal",
        "A convolution that is orthogonal at its centre tap: trains thousands of layers without normalization.",
        "gain·Q at the tap (k - 1)//2, else 0; in ≤ out",
        references.XIAO_2018, _delta_orthogonal, GAIN,
        aliases=("jax.delta_orthogonal", "convolution_delta_orthogonal"),
    ),
    _row(
        "sparse",
        "Normal, with an exact number of zeros in each column: each input feeds only some units.",
        "N(0, (gain·stddev)²), ⌈sparsity·out⌉ zeros in each column",
        references.MARTENS_2010, _sparse,
        Parameter("sparsity", "the share of zeros in each column, from 0 to 1", required=True, minimum=0.0),
        Parameter("stddev", "the standard deviation of what is not zero", default=0.01, minimum=0.0),
        GAIN,
        aliases=("torch.sparse_",),
    ),
)  # fmt: skip
