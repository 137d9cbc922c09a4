"""Which scheme fits a weight for what it is in the network, where that decides more than the activation: one row a role."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service.core import references
from service.core.errors import InvalidValue, unknown_name
from service.core.names import name_key
from service.core.references import Reference
from service.core.schemes.auto import Alternative
from service.core.stream.portable import portable

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Circumstances:
    """What is known of the network around the weight."""

    forward_gain: float | None = None
    num_layers: int | None = None
    class_prior: float | None = None


Parameters = Callable[[Circumstances], Mapping[str, Any]]


@dataclass(frozen=True)
class Role:
    """What a weight is in the network. `scheme` None: its activation decides (recommend.py).

    `parameters` are the scheme's, and `bias_value` that of the layer's bias, given the circumstances; both raise InvalidValue
    for a circumstance that they cannot do without.
    """

    name: str
    summary: str
    scheme: str | None = None
    reason: str = ""
    reference: Reference | None = None
    alternatives: tuple[Alternative, ...] = ()
    parameters: Parameters = lambda _: _NOTHING
    bias: str = "zeros"
    bias_value: Callable[[Circumstances], float | None] = lambda _: None
    sums_inputs: bool = True  # whether each output is a sum over fan_in inputs, so that there is a variance per layer


def _depth(known: Circumstances) -> Mapping[str, Any]:
    if known.num_layers is None:
        raise InvalidValue(
            "num_layers",
            expected="the number of layers of the network, an integer of at least 1",
            received=None,
            action="Give num_layers: how small a branch must start depends on how many are added.",
        )
    return {"num_layers": known.num_layers}


def _exact(known: Circumstances) -> Mapping[str, Any]:
    gain = known.forward_gain
    if gain is None:
        raise InvalidValue(
            "activation",
            expected="the activation of the gate (glu, swiglu, geglu, reglu, bilinear)",
            received=None,
            action="Give activation: the projection makes up for what its gate lets through.",
        )
    return {"scale": gain * gain}


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


_SMALL = Alternative("normal", "as BERT and GPT-2 initialize every matrix", {"stddev": 0.02})
_GPT_NEOX = Alternative("small_init", "as GPT-NeoX initializes it: give d_model")

_ROWS = (
    Role("dense", "a dense layer inside the network"),
    Role("conv", "a convolution"),
    Role("conv_transpose", "a transposed convolution"),
    Role("depthwise", "a depthwise convolution"),
    Role(
        "attention_input",
        "a projection to queries, keys or values",
        "xavier_uniform",
        "A projection is linear; Xavier keeps queries, keys and values at the variance of the stream, so that the scores over √d start"
        " near variance 1. Of q, k and v packed in one matrix each has its own fans: ask /init with packed=3.",
        references.GLOROT_2010,
        (_SMALL, _GPT_NEOX, Alternative("lecun_normal", "to keep the signal forward alone")),
    ),
    Role(
        "attention_output",
        "the projection from the heads back to the residual stream",
        "gpt2_residual",
        "Each layer adds two branches to the residual stream; divided by √(2·num_layers), all of them together add no more than one.",
        references.RADFORD_2019,
        (
            Alternative("zeros", "to start each branch silent; its inputs break the symmetry"),
            Alternative("depth_init", "to divide by the layer's own place instead: give layer_id"),
        ),
        _depth,
    ),
    Role(
        "residual_output",
        "the last weight of a residual branch",
        "gpt2_residual",
        "Each layer adds two branches to the residual stream; divided by √(2·num_layers), all of them together add no more than one.",
        references.RADFORD_2019,
        (
            Alternative("fixup", "without normalization: zero for the last weight of a branch", {"position": "last"}),
            Alternative("zeros", "to start each branch silent; its inputs break the symmetry"),
        ),
        _depth,
    ),
    Role(
        "glu_down",
        "the projection that reads a gated product u·φ(v)",
        "variance_scaling",
        "The product of two independent inputs of variance 1 has the second moment of φ(v); the forward gain of φ makes up for it.",
        references.SHAZEER_2020,
        (_SMALL, Alternative("gpt2_residual", "where it feeds a residual stream: give num_layers")),
        _exact,
    ),
    Role(
        "embedding",
        "a table of vectors, one of which is read at a time",
        "normal",
        "One entry feeds the features, so that nothing is summed and the entries' own size is what comes out; 0.02 suits a stream that is"
        " normalized next, and a head that shares the table.",
        references.RADFORD_2019,
        (
            Alternative("normal", "as torch.nn.Embedding, for vectors that are used as they are", {"stddev": 1.0}),
            Alternative("lecun_normal", "ask /init with layer=embedding: its true fan_in is 1, so its variance 1"),
        ),
        lambda _: {"stddev": 0.02},
        sums_inputs=False,
    ),
    Role(
        "softmax_head",
        "the layer before a softmax",
        "xavier_uniform",
        "Moderate logits and a gradient of its own size; how large the logits start decides how sure of nothing the network starts.",
        references.GLOROT_2010,
        (
            Alternative("normal", "for nearly equal probabilities at the start", {"stddev": 0.01}),
            Alternative("zeros", "for equal ones; the layer below breaks the symmetry"),
        ),
    ),
    Role(
        "sigmoid_head",
        "the layer before a sigmoid, one output a class",
        "normal",
        "Small weights leave the first prediction to the bias: log(p/(1 - p)) of the class's share p. From zero, a rare class would"
        " start at one half and its errors would drown the first steps.",
        references.LIN_2017,
        (Alternative("xavier_uniform", "where the classes are balanced"),),
        lambda _: {"stddev": 0.01},
        "constant",
        _log_odds,
    ),
    Role(
        "recurrent",
        "the matrix from a state to the next",
        "orthogonal",
        "The state passes it at every step; an orthogonal matrix keeps its length, where any other grows or shrinks it to a power.",
        references.SAXE_2013,
        (
            Alternative("identity", "for ReLU units without gates (IRNN)"),
            Alternative("xavier_uniform", "for the matrix from the inputs, of each gate: ask /init with packed"),
        ),
        bias="zeros; lstm_bias for a LSTM, gru_bias for a GRU",
    ),
    Role(
        "normalization_scale",
        "the scale of a normalization",
        "ones",
        "Normalized signals have variance 1 already; only the last of a residual branch may do better at zero.",
        references.GOYAL_2017,
        (Alternative("zeros", "for the last normalization of a residual branch, which then starts silent"),),
        sums_inputs=False,
    ),
    Role(
        "bias",
        "a bias, or the shift of a normalization",
        "zeros",
        "The weights break the symmetry; a bias has nothing to add at the start.",
        references.GOODFELLOW_2016,
        (
            Alternative("torch_default", "as torch.nn.Linear: give its weight's fan_in to /init"),
            Alternative("lstm_bias", "for a LSTM: the forget gate open"),
            Alternative("gru_bias", "for a GRU: the update gate open"),
        ),
        sums_inputs=False,
    ),
)

_ALSO = {"hidden": "dense", "linear": "dense", "q": "attention_input", "k": "attention_input", "v": "attention_input"} | {
    "qkv": "attention_input",
    "head": "softmax_head",
    "output": "softmax_head",
    "normalization": "normalization_scale",
}

ROLES: dict[str, Role] = {row.name: row for row in _ROWS}
_BY_KEY = {name_key(name): row for name, row in ROLES.items()} | {name: ROLES[role] for name, role in _ALSO.items()}


def find_role(name: str) -> Role:
    """The row of a role's name. Raises UnknownName."""
    try:
        return _BY_KEY[name_key(name)]
    except KeyError:
        raise unknown_name("layer", name, [*ROLES, *_ALSO], kind="layer") from None
