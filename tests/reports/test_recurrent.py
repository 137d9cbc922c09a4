"""Reports of recurrent layers: the orders of their gates, and biases that they store together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.reports.report import Report, Result, Values, check

JOZEFOWICZ = "Jozefowicz et al. 2015: the bias of the forget gate starts at 1"
TORCH = "torch.nn.LSTM: W_ii|W_if|W_ig|W_io, torch.nn.GRU: W_ir|W_iz|W_in"
KERAS = "keras.layers.GRU: z, r, h; with reset_after the bias has rows for the input and for the state, which are added"
ONNX = "ONNX operators: LSTM B is Wb[iofc] and Rb[iofc], GRU B is Wb[zrh] and Rb[zrh], along the last axis"
CUDNN = "cuDNN's order is torch's, and it has two biases"
TALLEC = "Tallec and Ollivier 2018: the bias of the input gate is the negative of that of the forget gate"


def gates(letters: str, opened: str, hidden: int = 2) -> list[float]:
    """Return 1 for the units of the opened gate, and 0 for those of the others."""
    return [float(letter == opened) for letter in letters for _ in range(hidden)]


def forget_and_input(order: str, biases: int = 1) -> Callable[[Result], Values]:
    """Return what checks that only f and i are set, to opposite values: the sums over their units, and over those of the other gates."""

    def sums(result: Result) -> Values:
        bias = result.values.reshape(-1, biases, 4, 3)[:, 0]
        forget, into = (bias[:, order.index(gate)] for gate in "fi")
        return np.array([np.abs(forget + into).max(), np.abs(result.values).sum() - 2 * forget.sum()])

    return sums


CASES: list[tuple[str, list[int], str, dict[str, Any], list[Any], str]] = [
    ("an LSTM of torch forgets nothing", [8], "lstm_bias", {}, gates("ifgo", "f"), TORCH),
    ("an LSTM of ONNX forgets nothing, by the first of its two biases", [1, 16], "lstm_bias", {"gate_order": "onnx"},
     [gates("iofc", "f") + gates("iofc", "")], ONNX),
    ("so it does in both directions", [2, 16], "lstm_bias", {"gate_order": "onnx"},
     [gates("iofc", "f") + gates("iofc", "")] * 2, ONNX),
    ("one bias of ONNX by itself", [8], "lstm_bias", {"gate_order": "onnx", "biases": 1}, gates("iofc", "f"), ONNX),
    ("an LSTM of cuDNN forgets nothing, by the first of its two biases", [16], "lstm_bias", {"gate_order": "cudnn"},
     gates("ifgo", "f") + gates("ifgo", ""), CUDNN),
    ("a GRU of torch keeps its state", [6], "gru_bias", {}, gates("rzn", "z"), TORCH),
    ("a GRU of Keras keeps its state", [6], "gru_bias", {"gate_order": "keras"}, gates("zrn", "z"), KERAS),
    ("a GRU of Keras with two biases opens its gate once", [2, 6], "gru_bias", {"gate_order": "keras"},
     [gates("zrn", "z"), gates("zrn", "")], KERAS),
    ("so it does in Keras's layout", [2, 6], "gru_bias", {"gate_order": "keras", "layout": "keras"},
     [gates("zrn", "z"), gates("zrn", "")], KERAS),
    ("a GRU of ONNX keeps its state", [1, 12], "gru_bias", {"gate_order": "onnx"}, [gates("zrn", "z") + gates("zrn", "")], ONNX),
    ("the biases of five stacked LSTMs", [5, 8], "lstm_bias", {"forget": 1.0}, [gates("ifgo", "f")] * 5, JOZEFOWICZ),
]  # fmt: skip

REPORTS = [
    *(
        Report(need, {"shape": shape, "scheme": scheme} | parameters, lambda result: result.values, right, source)
        for need, shape, scheme, parameters, right, source in CASES
    ),
    Report("chrono of torch", {"shape": [12], "scheme": "chrono", "t_max": 9}, forget_and_input("ifgo"), [0, 0], TALLEC),
    Report(
        "chrono of ONNX",
        {"shape": [2, 24], "scheme": "chrono", "t_max": 9, "gate_order": "onnx"},
        forget_and_input("iofg", 2),
        [0, 0],
        TALLEC,
    ),
    Report(
        "directions have lengths of memory of their own",
        {"shape": [2, 12], "scheme": "chrono", "t_max": 9},
        lambda result: len(np.unique(np.abs(result.values))),
        1 + 2 * 3,
        TALLEC,
    ),
    Report(
        "torch's order has the same lengths of memory as ONNX's",
        {"shape": [12], "scheme": "chrono", "t_max": 9, "gate_order": "onnx", "biases": 1},
        lambda result: result.values.reshape(4, 3)[[0, 2, 3, 1]].ravel(),
        Result({"shape": [12], "scheme": "chrono", "t_max": 9}).values,
        "a layout changes the order of the values, not the values",
    ),
]


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.need)
def test_the_service_gives_the_right_answer(report: Report) -> None:
    check(report)
