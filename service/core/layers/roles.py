"""The roles of weights in a network, one row each: how the axes are read, and which scheme the role calls for.

A request names the role in its field `layer`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from service.core import references
from service.core.errors import InvalidValue, unknown_name
from service.core.layers.layer import LayerKind
from service.core.names import name_key
from service.core.recommendation import (
    Alternative,
    Circumstances,
    Need,
    Recommendation,
    fixed,
    forward_gain_squared,
)
from service.core.stream.portable import portable


@dataclass(frozen=True, eq=False)
class Role:
    """The role of a weight in the network. Rows are compared by identity.

    If `kind` is None, the rank tells a dense layer from a convolution. If `recommendation` is None, the activation decides.
    `is_vector`: a bias or a scale. Its recommendation holds for any rank; those of the other roles hold for rank 2 or more.
    `sums_inputs`: each output is a sum over fan_in inputs, so each layer multiplies the variance by a factor.
    """

    name: str
    summary: str
    kind: LayerKind | None = None
    recommendation: Recommendation | None = None
    aliases: tuple[str, ...] = ()
    is_vector: bool = False
    sums_inputs: bool = True


def _depth(known: Circumstances) -> dict[str, int | None]:
    return {"num_layers": known.num_layers}


def _depth_if_known(known: Circumstances) -> dict[str, int]:
    return {} if known.num_layers is None else {"num_layers": known.num_layers}


_NEEDS_DEPTH = Need(
    "num_layers",
    "the number of layers in the network, an integer of at least 1",
    "Give num_layers: the more branches are added, the smaller each must start.",
    lambda known: known.num_layers is not None,
)
_NEEDS_GATE = Need(
    "activation",
    "the activation of the gate (glu, swiglu, geglu, reglu, bilinear)",
    "Give activation: the projection compensates for the gain of its gate.",
    lambda known: known.forward_gain is not None,
)


def _log_odds(known: Circumstances) -> float | None:
    """Return log(p/(1 - p)), the bias at which the head starts with the probability p of its class."""
    prior = known.class_prior
    if prior is None:
        return None
    if not 0 < prior < 1:
        raise InvalidValue(
            "class_prior", expected="a probability above 0 and below 1", received=prior, action="Give the share of examples in the class."
        )
    return portable(math.log(prior / (1 - prior)))


_SMALL = Alternative("normal", "as in BERT and GPT-2, for every matrix", fixed(stddev=0.02))
_GPT_NEOX = Alternative("small_init", "as in GPT-NeoX; give d_model")
_GPT2_RESIDUAL_REASON = (
    "Each layer adds two branches to the residual stream. Divided by √(2·num_layers), all of them together add no more than one would."
)

_ROWS = (
    Role("dense", "a dense layer inside the network", LayerKind.DENSE, aliases=("hidden", "linear")),
    Role("conv", "a convolution", LayerKind.CONV),
    Role("conv_transpose", "a transposed convolution", LayerKind.CONV_TRANSPOSE),
    Role("depthwise", "a depthwise convolution", LayerKind.DEPTHWISE),
    Role(
        "attention_input",
        "a projection to queries, keys or values",
        recommendation=Recommendation(
            "xavier_uniform",
            "The projection is linear. Xavier keeps queries, keys and values at the variance of the residual stream, so that the scores"
            " divided by √d start near variance 1. If q, k and v are packed in one matrix, each has its own fans: give packed=3 to /init.",
            references.GLOROT_2010,
            (_SMALL, _GPT_NEOX, Alternative("lecun_normal", "to preserve the forward signal only")),
        ),
        aliases=("q", "k", "v", "qkv"),
    ),
    Role(
        "attention_output",
        "the projection from the heads back to the residual stream",
        recommendation=Recommendation(
            "gpt2_residual",
            _GPT2_RESIDUAL_REASON,
            references.RADFORD_2019,
            (
                Alternative("zeros", "to start each branch at zero; its inputs break the symmetry"),
                Alternative("depth_init", "to divide by the layer's own depth instead; give layer_id"),
            ),
            _depth,
            _NEEDS_DEPTH,
        ),
    ),
    Role(
        "residual_output",
        "the last weight of a residual branch",
        recommendation=Recommendation(
            "gpt2_residual",
            _GPT2_RESIDUAL_REASON,
            references.RADFORD_2019,
            (
                Alternative("fixup", "in networks without normalization; the last weight of a branch is zero", fixed(position="last")),
                Alternative("zeros", "to start each branch at zero; its inputs break the symmetry"),
            ),
            _depth,
            _NEEDS_DEPTH,
        ),
    ),
    Role(
        "glu_down",
        "the projection that reads a gated product u·φ(v)",
        recommendation=Recommendation(
            "variance_scaling",
            "The product of two independent inputs of variance 1 has the second moment of φ(v). The forward gain of φ compensates for it.",
            references.SHAZEER_2020,
            (_SMALL, Alternative("gpt2_residual", "if it feeds a residual stream; give num_layers", _depth_if_known)),
            forward_gain_squared,
            _NEEDS_GATE,
        ),
    ),
    Role(
        "embedding",
        "a table of vectors, looked up one at a time",
        LayerKind.EMBEDDING,
        Recommendation(
            "normal",
            "A lookup sums nothing, so the output has the size of the entries. 0.02 suits a stream that is normalized next, and a head that"
            " shares the table.",
            references.RADFORD_2019,
            (
                Alternative("normal", "as in torch.nn.Embedding, for vectors that are used as they are", fixed(stddev=1.0)),
                Alternative("lecun_normal", "give layer=embedding to /init: the true fan_in is 1, and so is the variance"),
            ),
            fixed(stddev=0.02),
        ),
        sums_inputs=False,
    ),
    Role(
        "softmax_head",
        "the layer before a softmax",
        recommendation=Recommendation(
            "xavier_uniform",
            "Xavier starts with moderate logits and passes the gradient back at its size. The larger the first logits, the more confident"
            " the untrained network is in its guesses.",
            references.GLOROT_2010,
            (
                Alternative("normal", "for nearly equal probabilities at the start", fixed(stddev=0.01)),
                Alternative("zeros", "for exactly equal probabilities; the layer below breaks the symmetry"),
            ),
        ),
        aliases=("head", "output"),
    ),
    Role(
        "sigmoid_head",
        "the layer before a sigmoid, one output per class",
        recommendation=Recommendation(
            "normal",
            "Small weights leave the first prediction to the bias: log(p/(1 - p)) for a class with share p. With a bias of zero, a rare"
            " class would start at probability ½, and its errors would dominate the first steps.",
            references.LIN_2017,
            (Alternative("xavier_uniform", "if the classes are balanced"),),
            fixed(stddev=0.01),
            bias="constant",
            bias_value=_log_odds,
        ),
    ),
    Role(
        "recurrent",
        "the matrix from one state to the next",
        LayerKind.RECURRENT,
        Recommendation(
            "orthogonal",
            "The state is multiplied by this matrix at every step. An orthogonal matrix keeps the length of the state; any other makes it"
            " grow or shrink exponentially.",
            references.SAXE_2013,
            (
                Alternative("identity", "for ReLU units without gates (IRNN)"),
                Alternative("xavier_uniform", "for the input matrix of each gate; give packed to /init"),
            ),
            bias="zeros; lstm_bias for a LSTM, gru_bias for a GRU",
        ),
    ),
    Role(
        "normalization_scale",
        "the scale of a normalization",
        recommendation=Recommendation(
            "ones",
            "Normalized signals already have variance 1. Only the last scale of a residual branch may do better at zero.",
            references.GOYAL_2017,
            (Alternative("zeros", "for the last normalization of a residual branch, so that the branch starts at zero"),),
        ),
        aliases=("normalization",),
        is_vector=True,
        sums_inputs=False,
    ),
    Role(
        "bias",
        "a bias, or the shift of a normalization",
        recommendation=Recommendation(
            "zeros",
            "The weights break the symmetry, so a bias can start at zero.",
            references.GOODFELLOW_2016,
            (
                Alternative("torch_default", "as in torch.nn.Linear; give the fan_in of its weight to /init"),
                Alternative("lstm_bias", "for an LSTM, with the forget gate open"),
                Alternative("gru_bias", "for a GRU, with the update gate open"),
            ),
        ),
        is_vector=True,
        sums_inputs=False,
    ),
)

ROLES: dict[str, Role] = {row.name: row for row in _ROWS}
_BY_KEY = {name_key(name): row for row in _ROWS for name in (row.name, *row.aliases)}


def find_role(name: str) -> Role:
    """Return the role with this name or alias, regardless of case, underscores and hyphens. Raises UnknownName."""
    try:
        return _BY_KEY[name_key(name)]
    except KeyError:
        raise unknown_name("layer", name, [name for row in _ROWS for name in (row.name, *row.aliases)], kind="layer") from None
