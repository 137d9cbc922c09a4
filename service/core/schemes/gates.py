"""Schemes for recurrent layers: biases that open a gate, and the default of torch."""

from __future__ import annotations

import math
from typing import NamedTuple

from service.core import references
from service.core.errors import InvalidValue
from service.core.layers.weight import Weight
from service.core.parameters import Kind, Parameter, Values
from service.core.schemes.scheme import GAIN, BuildTensor, Scheme, names
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.view import Shape
from service.core.tensors.gates import Gates, chrono, gate_bias
from service.core.tensors.rules import Rule


class _Convention(NamedTuple):
    """How a library stores the biases of its LSTM and its GRU.

    Gates of an LSTM: i (input), f (forget), g (cell), o (output); of a GRU: r (reset), z (update), n (new). `biases` lie one after the
    other along the last axis. `has_pairs`: two rows are the biases for the input and for the state.
    """

    lstm: str
    gru: str
    biases: int = 1
    has_pairs: bool = False


_CONVENTIONS = {
    "torch": _Convention("ifgo", "rzn"),
    "keras": _Convention("ifgo", "zrn", has_pairs=True),  # GRU with reset_after: [2, 3·hidden]
    "onnx": _Convention("iofg", "zrn", biases=2),  # B: [directions, 8·hidden] and [directions, 6·hidden]
    "cudnn": _Convention("ifgo", "rzn", biases=2),
}

_GATE_ORDER = Parameter(
    "gate_order",
    "the library whose order of gates to use; LSTM: i f g o in torch, keras and cudnn, i o f g in onnx; GRU: r z n in torch and cudnn,"
    " z r n in keras and onnx. Two rows in keras are the biases for the input and the state, and the second stays 0",
    kind=Kind.CHOICE,
    default="torch",
    choices=tuple(_CONVENTIONS),
)
_BIASES = Parameter(
    "biases",
    "the number of biases that lie one after the other, and that the layer adds: all but the first are 0; by default 2 for onnx and cudnn,"
    " else 1",
    kind=Kind.INTEGER,
    minimum=1,
)


def _shape_and_gates(values: Values, weight: Weight, *, gru: bool = False) -> tuple[Shape, Gates]:
    convention = _CONVENTIONS[values["gate_order"]]
    order, biases = convention.gru if gru else convention.lstm, int(values["biases"] or convention.biases)
    is_pair = convention.has_pairs and weight.stacked[-1:] == (2,)
    if not weight.is_vector or not weight.outputs or weight.out % (len(order) * biases):
        kinds = f"{len(order)} gates" if biases == 1 else f"{biases} biases of {len(order)} gates"
        raise InvalidValue(
            "shape",
            expected=f"a last axis whose length is a multiple of {len(order) * biases}, for {kinds}",
            received=[*weight.stacked, *weight.shape],
            action="Give [gates·hidden], or [stacked, gates·hidden]; check gate_order and biases.",
        )
    return (math.prod(weight.stacked), weight.out), Gates(order, biases, is_pair)


def _lstm_bias(values: Values, weight: Weight) -> Rule:
    shape, gates = _shape_and_gates(values, weight)
    return gate_bias(shape, gates, "f", values["forget"])


def _gru_bias(values: Values, weight: Weight) -> Rule:
    shape, gates = _shape_and_gates(values, weight, gru=True)
    return gate_bias(shape, gates, "z", values["update"])


def _chrono(values: Values, weight: Weight) -> Rule:
    shape, gates = _shape_and_gates(values, weight)
    return chrono(shape, gates, values["t_max"])


def _torch_rnn(values: Values, weight: Weight) -> Distribution:
    """Return U[-a, a], a = 1/√hidden, for all weights and biases alike."""
    gates = int(values["gates"])
    if values["hidden_size"] is None and weight.out % gates:
        raise InvalidValue(
            "shape",
            expected=f"a number of outputs ({weight.out}) that is a multiple of {gates}, the number of gates",
            received=[*weight.stacked, *weight.shape],
            action="Give [gates·hidden, in], or hidden_size for the projection of an LSTM.",
        )
    hidden = max(1, int(values["hidden_size"] or weight.out // gates))
    return Distribution(Draw.UNIFORM, 0.0, values["gain"] / math.sqrt(hidden))


def _row(
    name: str, summary: str, formula: str, reference: references.Reference, build: BuildTensor, *parameters: Parameter, aliases: str = ""
) -> Scheme:
    return Scheme(
        name, summary, formula, reference, None, (*parameters, _GATE_ORDER, _BIASES), names(*aliases.split()),
        build_tensor=build, for_vectors=True,
    )  # fmt: skip


ROWS = (
    _row(
        "lstm_bias",
        "Makes an LSTM remember from the start: the bias opens the forget gate and is 0 for the others.",
        "forget for the gate f, else 0",
        references.JOZEFOWICZ_2015,
        _lstm_bias,
        Parameter("forget", "the bias of the forget gate; torch adds two biases, so use zeros for the other", default=1.0),
        aliases="unit_forget_bias forget_gate_bias",
    ),
    _row(
        "gru_bias",
        "Makes a GRU remember from the start: the bias opens the update gate z and is 0 for the others.",
        "update for the gate z, else 0",
        references.JOZEFOWICZ_2015,
        _gru_bias,
        Parameter("update", "the bias of the update gate", default=1.0),
    ),
    _row(
        "chrono",
        "Spreads the memory of an LSTM's units over every length up to t_max.",
        "log U[1, t_max - 1] for the forget gate, its negative for the input gate, else 0",
        references.TALLEC_2018,
        _chrono,
        Parameter("t_max", "the longest dependency, in steps, at least 3", required=True, minimum=3.0),
    ),
    Scheme(
        "torch_rnn",
        "The default of torch.nn.LSTM, GRU and RNN, for every weight and bias.",
        "U[-a, a], a = gain/√hidden",
        references.PYTORCH,
        None,
        (
            Parameter("gates", "the gates: 4 of an LSTM, 3 of a GRU, 1 of an RNN", kind=Kind.INTEGER, required=True, minimum=1),
            Parameter("hidden_size", "the size of the state; by default the outputs divided by gates", kind=Kind.INTEGER, minimum=1),
            GAIN,
        ),
        build_tensor=_torch_rnn,
        judged=False,
    ),
)
