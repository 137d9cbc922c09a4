"""Reports of names that people use, and of hints that named something else."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from service.core.errors import InitError
from tests.reports.report import Report, Result, check, stddev

TORCH_RNN = "torch.nn.LSTM, GRU and RNN: all weights and biases from U(-√k, √k), k = 1/hidden_size"
TORCH = "torch.nn, as tests/conformance/test_layers.py compares"
KERAS = "keras.layers, as tests/conformance/test_layers.py compares"
FLAX = "flax.linen, as tests/conformance/test_layers.py compares"


def drawn(result: Result) -> list[Any]:
    """Return the scheme that was applied, and the values' standard deviation if it is known."""
    return [result.metadata["scheme"], result.metadata["stddev"]]


def scheme(result: Result) -> str:
    name: str = result.metadata["scheme"]
    return name


def all_values(result: Result) -> list[float]:
    return [float(value) for value in np.unique(result.values)]


SCHEMES = [
    ("Caffe's filler msra", {"shape": [4, 8], "scheme": "msra"}, "he_normal"),
    ("he_init", {"shape": [4, 8], "scheme": "he_init"}, "he_normal"),
    ("he_init with a distribution", {"shape": [4, 8], "scheme": "he_init", "distribution": "uniform"}, "he_uniform"),
    ("lecun", {"shape": [4, 8], "scheme": "lecun"}, "lecun_normal"),
    ("xavier_init", {"shape": [4, 8], "scheme": "xavier_init"}, "xavier_uniform"),
    ("orthonormal", {"shape": [4, 8], "scheme": "orthonormal"}, "orthogonal"),
    ("the weights of a torch LSTM", {"shape": [64, 8], "scheme": "torch.nn.LSTM"}, "torch_rnn"),
    ("the input projection of torch's attention", {"shape": [96, 32], "scheme": "torch.nn.MultiheadAttention"}, "xavier_uniform"),
    ("its output projection", {"shape": [32, 32], "scheme": "torch.nn.MultiheadAttention", "part": "out_proj.weight"}, "torch_default"),
    ("its biases", {"shape": [96], "scheme": "torch.nn.MultiheadAttention"}, "zeros"),
    ("the bias of a batch normalization", {"shape": [32], "scheme": "torch.nn.BatchNorm2d", "layer": "bias"}, "zeros"),
    ("the kernel of a Keras LSTM", {"shape": [8, 64], "layout": "keras", "scheme": "keras.layers.LSTM"}, "xavier_uniform"),
    (
        "its recurrent kernel",
        {"shape": [16, 64], "layout": "keras", "layer": "recurrent", "scheme": "keras.layers.LSTM"},
        "orthogonal",
    ),
    ("its bias", {"shape": [64], "scheme": "keras.layers.LSTM"}, "lstm_bias"),
    ("the kernel of a Flax layer", {"shape": [8, 64], "layout": "flax", "scheme": "flax.linen.Dense"}, "lecun_normal"),
]

ANGLES = np.arange(50)[:, None] / 10_000 ** (np.arange(4) / 4)

REPORTS = [
    *(Report(need, request, scheme, right, "the name") for need, request, right in SCHEMES),
    Report("a torch LSTM's input weights", {"shape": [64, 8], "scheme": "torch.nn.LSTM"}, stddev, 1 / np.sqrt(3 * 16), TORCH_RNN),
    Report("its biases", {"shape": [64], "scheme": "torch.nn.LSTM"}, stddev, 1 / np.sqrt(3 * 16), TORCH_RNN),
    Report("a torch GRU", {"shape": [48, 8], "scheme": "torch.nn.GRU"}, stddev, 1 / np.sqrt(3 * 16), TORCH_RNN),
    Report("a torch RNN", {"shape": [16, 8], "scheme": "torch.nn.RNN"}, stddev, 1 / np.sqrt(3 * 16), TORCH_RNN),
    Report("the scale of a layer normalization", {"shape": [32], "scheme": "torch.nn.LayerNorm"}, all_values, [1.0], TORCH),
    Report("a Keras embedding", {"shape": [100, 16], "scheme": "keras.layers.Embedding"}, stddev, 0.05 / np.sqrt(3), KERAS),
    Report("a Flax embedding", {"shape": [100, 16], "scheme": "flax.linen.Embed"}, stddev, 1 / np.sqrt(16), FLAX),
    Report(
        "the query kernel of Keras's attention",
        {"shape": [32, 4, 8], "axes": "ioo", "scheme": "keras.layers.MultiHeadAttention"},
        stddev, np.sqrt(2 / 64), KERAS,
    ),
    Report(
        "the padding entry of an embedding is zero",
        {"shape": [50, 8], "scheme": "torch.nn.Embedding", "padding_idx": 3},
        lambda result: np.flatnonzero(~result.values.any(axis=1)), [3], "torch.nn.Embedding(padding_idx)",
    ),
    Report(
        "so it is under any scheme and layout, counted from the end",
        {"shape": [50, 8], "scheme": "normal", "stddev": 0.02, "padding_idx": -1, "layout": "keras", "dtype": "bfloat16"},
        lambda result: np.flatnonzero(~result.values.any(axis=1)), [49], "transformers: the padding row of an embedding is zero",
    ),
    Report(
        "the other entries are those without padding",
        {"shape": [50, 8], "scheme": "normal", "padding_idx": 0},
        lambda result: result.values[1:], Result({"shape": [50, 8], "scheme": "normal"}).values[1:], "the definition",
    ),
    Report(
        "a padding entry hides no warning",
        {"shape": [50, 8], "layer": "embedding", "scheme": "normal", "stddev": 5, "padding_idx": 0},
        lambda result: ["too large for embedding" in warning for warning in result.metadata["warnings"]], [True], "the definition",
    ),
    Report(
        "a slice has the padding entry too",
        {"shape": [50, 8], "scheme": "normal", "padding_idx": 9, "slice": "8:11, ::-2"},
        lambda result: np.flatnonzero(~result.values.any(axis=1)), [1], "the definition",
    ),
    Report(
        "positions of the Transformer",
        {"shape": [50, 8], "scheme": "sinusoidal"},
        lambda result: result.values,
        np.stack([np.sin(ANGLES), np.cos(ANGLES)], axis=2).reshape(50, 8),
        "Vaswani et al. 2017, section 3.5",
    ),
    Report(
        "positions of Whisper: sines first, and the longest wavelength is 2π·10000",
        {"shape": [1500, 8], "scheme": "sinusoidal", "order": "halves", "reach_base": True},
        lambda result: result.values,
        np.hstack([f(np.arange(1500)[:, None] * np.exp(-np.log(10_000) / 3 * np.arange(4))) for f in (np.sin, np.cos)]),
        "openai/whisper, model.py, sinusoids", 1e-11,
    ),
    Report(
        "the state matrix of Mamba",
        {"shape": [3, 16], "scheme": "mamba_a_log"},
        lambda result: result.values, np.tile(np.log(np.arange(1, 17)), (3, 1)), "state-spaces/mamba, mamba_simple.py", 1e-14,
    ),
    Report(
        "the steps of Mamba lie between dt_min and dt_max, on a logarithmic scale",
        {"shape": [20_000], "scheme": "mamba_dt_bias"},
        lambda result: [np.log(np.log1p(np.exp(result.values))).mean(), np.log(np.log1p(np.exp(result.values))).std()],
        [np.log(0.01), np.log(100) / np.sqrt(12)], "state-spaces/mamba, mamba_simple.py", 5 * 1.33 / np.sqrt(20_000),
    ),
    Report(
        "the decays of Mamba-2 lie between 1 and 16",
        {"shape": [20_000], "scheme": "mamba2_a_log"},
        lambda result: [np.exp(result.values).mean(), np.exp(result.values).std()],
        [8.5, 15 / np.sqrt(12)], "state-spaces/mamba, mamba2.py", 5 * 4.4 / np.sqrt(20_000),
    ),
    Report("the first factor of LoRA", {"shape": [8, 64], "scheme": "lora_a"}, stddev, 1 / np.sqrt(3 * 64), "He uniform with a = √5"),
    Report("PEFT's gaussian", {"shape": [8, 64], "scheme": "lora_gaussian"}, stddev, 1 / 8, "peft: N(0, 1/r)"),
    Report("the second factor of LoRA", {"shape": [64, 8], "scheme": "lora_b"}, all_values, [0.0], "Hu et al. 2021, section 4.1"),
]  # fmt: skip


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.need)
def test_the_service_gives_the_right_answer(report: Report) -> None:
    check(report)


# a name, and what the error may suggest
HINTS = [
    ("torch.nn.GRUCells", "Did you mean 'torch.nn.GRUCell'?"),
    ("torch.nn.init.kaiming_norml_", "Did you mean 'torch.kaiming_normal_'?"),
    ("keras.HeNorml", "Did you mean 'keras.HeNormal'?"),
    ("he_norml", "Did you mean 'he_normal'?"),
    ("glorot_unifrom", "Did you mean 'glorot_uniform'?"),
    ("torch.nn.Bilinear", "Known: torch"),  # not torch.nn.Linear
    ("torch.nn.Transformer", "Known: torch"),
    ("torch.nn.init.he_normal_", "Known: torch"),  # not torch.normal_
    ("keras.layers.Attention", "Known: keras"),
    ("zero_module", "Known: auto"),
    ("LSTM", "Known: auto"),  # of which library?
]


@pytest.mark.parametrize(("name", "hint"), HINTS)
def test_a_hint_names_something_of_the_same_library_and_meaning(name: str, hint: str) -> None:
    with pytest.raises(InitError, match=re.escape(hint)):
        scheme(Result({"shape": [64, 64], "scheme": name}))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"shape": [4, 8], "scheme": "torch.nn.LSTM", "part": "in_proj_weight"}, "part: expected a tensor of torch.nn.LSTM: weight,"),
        ({"shape": [4, 8], "scheme": "torch.nn.LSTM", "part": "gamma9"}, "part: expected one of"),
        ({"shape": [5, 8], "scheme": "torch.nn.GRU"}, "a multiple of 3, the number of gates"),
        ({"shape": [5, 8], "scheme": "torch.nn.LayerNorm", "stddev": 1}, "stddev: expected a parameter of ones"),
        ({"shape": [4, 8], "scheme": "library_default"}, "of: expected one of"),
        ({"shape": [50, 8], "scheme": "normal", "padding_idx": 50}, "padding_idx: expected an index of the 50 entries"),
        ({"shape": [50, 8], "scheme": "normal", "padding_idx": 0, "layer": "dense"}, "padding_idx: expected an embedding"),
        ({"shape": [50, 7], "scheme": "sinusoidal"}, "an even width"),
        ({"shape": [50], "scheme": "sinusoidal"}, "[positions, width]"),
        ({"shape": [50, 8], "scheme": "sinusoidal", "axes": "io"}, "axes: expected the axes of vectors for sinusoidal"),
        ({"shape": [50], "scheme": "mamba_dt_bias", "dt_min": 0.2}, "dt_min ≤ dt_max"),
    ],
    ids=str,
)
def test_an_error_says_what_is_expected(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(InitError, match=re.escape(message)):
        scheme(Result(request_))
