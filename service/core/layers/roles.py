"""What a weight is in the network, one row each: how its axes are read, and the scheme that its place calls for.

The request names it in the field `layer`, in the same words everywhere.
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
    """What a weight is in the network. Each role is one row, compared by identity.

    `kind` None: a dense layer or a convolution, as the rank says. `recommendation` None: the activation decides.
    `is_vector`: a bias or a scale, so the recommendation holds for any rank; that of the others holds for weights of rank 2 or more.
    `sums_inputs`: each output is a sum over fan_in inputs, so the variance changes by a factor in each layer.
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
    "the number of layers of the network, an integer of at least 1",
    "Give num_layers: how small a branch must start depends on how many are added.",
    lambda known: known.num_layers is not None,
)
_NEEDS_GATE = Need(
    "activation",
    "the activation of the gate (glu, swiglu, geglu, reglu, bilinear)",
    "Give activation: the projection makes up for what its gate lets through.",
    lambda known: known.forward_gain is not None,
)


def _log_odds(known: Circumstances) -> float | None:
    """log(p/(1 - p)), so that the head starts with the probability p of its class."""
    prior = known.class_prior
    if prior is None:
        return None
    if not 0 < prior < 1:
        raise InvalidValue(
            "class_prior", expected="a probability above 0 and below 1", received=prior, action="Give the share of the class."
        )
    return portable(math.log(prior / (1 - prior)))


_SMALL = Alternative("normal", "as BERT and GPT-2 initialize every matrix", fixed(stddev=0.02))
_GPT_NEOX = Alternative("small_init", "as GPT-NeoX initializes it: give d_model")
_GPT2_RESIDUAL_REASON = (
    "Each layer adds two branches to the residual stream; divided by √(2·num_layers), all of them together add no more than one."
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
            "A projection is linear; Xavier keeps queries, keys and values at the variance of the stream, so that the scores over √d start"
            " near variance 1. Of q, k and v packed in one matrix each has its own fans: ask /init with packed=3.",
            references.GLOROT_2010,
            (_SMALL, _GPT_NEOX, Alternative("lecun_normal", "to keep the signal forward alone")),
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
                Alternative("zeros", "to start each branch silent; its inputs break the symmetry"),
                Alternative("depth_init", "to divide by the layer's own place instead: give layer_id"),
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
                Alternative("fixup", "without normalization: zero for the last weight of a branch", fixed(position="last")),
                Alternative("zeros", "to start each branch silent; its inputs break the symmetry"),
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
            "The product of two independent inputs of variance 1 has the second moment of φ(v); the forward gain of φ makes up for it.",
            references.SHAZEER_2020,
            (_SMALL, Alternative("gpt2_residual", "where it feeds a residual stream: give num_layers", _depth_if_known)),
            forward_gain_squared,
            _NEEDS_GATE,
        ),
    ),
    Role(
        "embedding",
        "a table of vectors, one of which is read at a time",
        LayerKind.EMBEDDING,
        Recommendation(
            "normal",
            "One entry feeds the features, so that nothing is summed and the entries' own size is what comes out; 0.02 suits a stream that"
            " is normalized next, and a head that shares the table.",
            references.RADFORD_2019,
            (
                Alternative("normal", "as torch.nn.Embedding, for vectors that are used as they are", fixed(stddev=1.0)),
                Alternative("lecun_normal", "ask /init with layer=embedding: its true fan_in is 1, so its variance 1"),
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
            "Moderate logits and a gradient of its own size; how large the logits start decides how sure of nothing the network starts.",
            references.GLOROT_2010,
            (
                Alternative("normal", "for nearly equal probabilities at the start", fixed(stddev=0.01)),
                Alternative("zeros", "for equal ones; the layer below breaks the symmetry"),
            ),
        ),
        aliases=("head", "output"),
    ),
    Role(
        "sigmoid_head",
        "the layer before a sigmoid, one output a class",
        recommendation=Recommendation(
            "normal",
            "Small weights leave the first prediction to the bias: log(p/(1 - p)) of the class's share p. From zero, a rare class would"
            " start at one half and its errors would drown the first steps.",
            references.LIN_2017,
            (Alternative("xavier_uniform", "where the classes are balanced"),),
            fixed(stddev=0.01),
            bias="constant",
            bias_value=_log_odds,
        ),
    ),
    Role(
        "recurrent",
        "the matrix from a state to the next",
        LayerKind.RECURRENT,
        Recommendation(
            "orthogonal",
            "The state passes it at every step; an orthogonal matrix keeps its length, where any other grows or shrinks it to a power.",
            references.SAXE_2013,
            (
                Alternative("identity", "for ReLU units without gates (IRNN)"),
                Alternative("xavier_uniform", "for the matrix from the inputs, of each gate: ask /init with packed"),
            ),
            bias="zeros; lstm_bias for a LSTM, gru_bias for a GRU",
        ),
    ),
    Role(
        "normalization_scale",
        "the scale of a normalization",
        recommendation=Recommendation(
            "ones",
            "Normalized signals have variance 1 already; only the last of a residual branch may do better at zero.",
            references.GOYAL_2017,
            (Alternative("zeros", "for the last normalization of a residual branch, which then starts silent"),),
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
            "The weights break the symmetry; a bias has nothing to add at the start.",
            references.GOODFELLOW_2016,
            (
                Alternative("torch_default", "as torch.nn.Linear: give its weight's fan_in to /init"),
                Alternative("lstm_bias", "for a LSTM: the forget gate open"),
                Alternative("gru_bias", "for a GRU: the update gate open"),
            ),
        ),
        is_vector=True,
        sums_inputs=False,
    ),
)

ROLES: dict[str, Role] = {row.name: row for row in _ROWS}
_BY_KEY = {name_key(name): row for row in _ROWS for name in (row.name, *row.aliases)}


def find_role(name: str) -> Role:
    """The row of a layer's name or alias, whatever its case, underscores or hyphens. Raises UnknownName."""
    try:
        return _BY_KEY[name_key(name)]
    except KeyError:
        raise unknown_name("layer", name, [name for row in _ROWS for name in (row.name, *row.aliases)], kind="layer") from None
