"""Schemes whose elements differ by position: identities, copies, orthogonal matrices, sparsity."""

from __future__ import annotations

import math
from collections.abc import Callable

from service.core import references
from service.core.errors import InvalidValue
from service.core.layers.weight import Matrix, Weight
from service.core.parameters import Kind, Parameter, Values
from service.core.schemes import elementary, scaled
from service.core.schemes.applying import apply_scheme
from service.core.schemes.scheme import GAIN, Build, Scheme, names
from service.core.stream.distributions import Distribution
from service.core.stream.view import Shape
from service.core.tensors import patterns, wholes
from service.core.tensors.rules import Pattern, Repeated, Rule, Whole

CHANNEL_ORDERS = ("pixel_shuffle", "depth_to_space")


def _check_rank(shape: Shape, ranks: range, scheme: str) -> None:
    if len(shape) not in ranks:
        rank = f"rank {ranks.start}" if len(ranks) == 1 else f"rank {ranks.start} to {ranks.stop - 1}"
        raise InvalidValue(
            "shape",
            expected=f"{rank} for {scheme}",
            received=list(shape),
            action="Correct the shape, say what each axis is in axes, or choose another scheme.",
        )


def _with_gain(scheme: str, ranks: range, make: Callable[[Shape, float], Pattern | Whole]) -> Build:
    """Return what builds the rule of a scheme that needs no more than the shape, of one of these ranks, and a gain."""

    def build(values: Values, matrix: Matrix) -> Pattern | Whole:
        _check_rank(matrix.shape, ranks, scheme)
        return make(matrix.shape, values["gain"])

    return build


def _icnr(values: Values, weight: Weight) -> Rule:
    _check_rank(weight.shape, range(3, 6), "icnr")
    copies = int(values["upscale"]) ** len(weight.kernel)
    groups = 1 if weight.inputs_first else weight.groups or 1
    if weight.out % (copies * groups):
        of_each = "" if groups == 1 else f" and by groups ({groups})"
        raise InvalidValue(
            "shape",
            expected=f"a number of outputs ({weight.out}) divisible by upscale to the power of the kernel's rank ({copies}){of_each}",
            received=list(weight.shape),
            action="Give [out·copies, in, *kernel].",
        )
    base, kernel = _BASES[values["base"]], weight.with_outputs(weight.out // copies)
    rule = apply_scheme(base, {}, {"gain": values["gain"]}, kernel).rule
    assert isinstance(rule, Distribution | Whole)  # true of every scheme in _BASES, with its outputs in one matrix
    of_channel = math.prod(weight.kernel) * (1 if weight.inputs_first else weight.inside)  # elements of one output that lie in a row
    is_channel_major = (values["order"] or CHANNEL_ORDERS[weight.kernel_first]) == "pixel_shuffle"
    return Repeated(rule, of_channel if is_channel_major else of_channel * kernel.out, copies)


def _delta_orthogonal(values: Values, matrix: Matrix) -> Whole:
    _check_rank(matrix.shape, range(3, 6), "delta_orthogonal")
    out, inside, *_ = matrix.shape
    if inside > out:
        raise InvalidValue(
            "shape",
            expected="no more inputs than outputs for delta_orthogonal",
            received=f"{inside} inputs and {out} outputs",
            action="Use orthogonal.",
        )
    return wholes.delta_orthogonal(matrix.shape, values["gain"])


def _sparse(values: Values, matrix: Matrix) -> Whole:
    _check_rank(matrix.shape, range(2, 3), "sparse")
    if values["sparsity"] > 1:
        raise InvalidValue(
            "sparsity", expected="a fraction from 0 to 1", received=values["sparsity"], action="For example, 0.9 sets nine of ten to zero."
        )
    return wholes.sparse(matrix.shape, values["sparsity"], values["gain"] * values["stddev"])


def _row(
    name: str,
    summary: str,
    formula: str,
    reference: references.Reference,
    build: Build,
    *parameters: Parameter,
    aliases: tuple[str, ...] = (),
    equation: str = "",
    takes_groups: bool = False,
) -> Scheme:
    return Scheme(
        name, summary, formula, reference, None, parameters, names(*aliases),
        equation=equation, build=build, takes_groups=takes_groups,
    )  # fmt: skip


_ORTHOGONAL = _row(
    "orthogonal",
    "Orthonormal rows or columns, whichever are fewer: preserves lengths through a linear layer.",
    "gain·Q or gain·Qᵀ, [out, in·K], Q as of the QR decomposition of a normal matrix, with a positive diagonal of R",
    references.SAXE_2013, _with_gain("orthogonal", range(2, 17), wholes.orthogonal), GAIN,
    aliases=("orthonormal", "torch.orthogonal_", "keras.Orthogonal", "keras.OrthogonalInitializer", "jax.orthogonal"),
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
        references.LE_2015, _with_gain("identity", range(2, 3), patterns.identity), GAIN,
        aliases=("eye", "irnn", "torch.eye_", "keras.Identity", "keras.IdentityInitializer"),
    ),
    _row(
        "dirac",
        "A convolution that passes each input channel on unchanged.",
        "gain at the centre tap k//2 of its own channel (within each of `groups`), else 0",
        references.ZAGORUYKO_2017, _with_gain("dirac", range(3, 6), patterns.dirac), GAIN,
        aliases=("torch.dirac_",), takes_groups=True,
    ),
    _row(
        "zero_hadamard",
        "ZerO, deterministic: a partial identity, or a corner of a Hadamard matrix if outputs outnumber inputs.",
        "gain·[i = j] if out ≤ in, else gain·H[i, j]/√p, p = 2^⌈log₂ out⌉, at the centre tap",
        references.ZHAO_2021, _with_gain("zero_hadamard", range(2, 6), patterns.zero_hadamard), GAIN,
        aliases=("zero_init", "hadamard"),
    ),
    _row(
        "bilinear",
        "A transposed convolution that interpolates each channel.",
        "gain·Π(1 - |t - c|/f), f = ⌈k/2⌉, c = (k - 1)/2, where in and out channel agree",
        references.LONG_2014, _with_gain("bilinear", range(3, 6), patterns.bilinear), GAIN,
        aliases=("bilinear_upsampling", "upsampling"),
    ),
    Scheme(
        "icnr",
        "A sub-pixel convolution without checkerboard artifacts: all its sub-kernels are the same.",
        "base for [out/copies, in, *kernel], each output `copies` = upscale^d times",
        references.AITKEN_2017,
        None,
        (
            Parameter("upscale", "the upscale factor along each axis, an integer", kind=Kind.INTEGER, required=True, minimum=1),
            Parameter("base", "the scheme of the sub-kernel", kind=Kind.CHOICE, default="he_normal", choices=tuple(_BASES)),
            Parameter(
                "order",
                "pixel_shuffle (torch; in ONNX CRD): the copies of an output follow each other; depth_to_space (TensorFlow, Keras; in ONNX"
                " DCR): the copies of all outputs do; by default that of the layout",
                kind=Kind.CHOICE,
                choices=CHANNEL_ORDERS,
            ),
            GAIN,
        ),
        build_tensor=_icnr,
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
