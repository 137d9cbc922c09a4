"""The requests with golden answers, and how to compute the answers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from service.contract.answer import Limits, answer
from service.contract.reading import read_json
from service.contract.request import InitRequest
from service.files.formats import find_format
from service.files.virtual import VirtualFile

FILE = Path(__file__).parents[2] / "tests" / "golden" / "golden.json"

Request = dict[str, Any]

_SCHEMES: list[Request] = [
    {"scheme": "zeros"},
    {"scheme": "ones", "gain": 0.5},
    {"scheme": "constant", "value": 0.1},
    {"scheme": "uniform", "low": -0.05, "high": 0.1},
    {"scheme": "normal", "mean": 0.1, "stddev": 0.02},
    {"scheme": "truncated_normal", "stddev": 0.02},
    {"scheme": "truncated_normal", "stddev": 0.02, "corrected": True},
    {"scheme": "truncated_normal", "low_stddevs": -0.5, "high_stddevs": 3.0},
    {"scheme": "truncated_normal", "stddev": 0.5, "low": -1.0, "high": 1.0, "corrected": True},
    {"scheme": "xavier_uniform"},
    {"scheme": "xavier_normal", "gain": 2.0},
    {"scheme": "he_uniform", "mode": "fan_out"},
    {"scheme": "he_normal", "negative_slope": 0.2},
    {"scheme": "lecun_uniform"},
    {"scheme": "lecun_normal", "distribution": "truncated_normal"},
    {"scheme": "variance_scaling", "scale": 3.0, "mode": "fan_geo_avg", "distribution": "uniform"},
    {"scheme": "torch_default"},
    {"scheme": "alexnet"},
    {"scheme": "auto", "activation": "gelu"},
    {"scheme": "keras.GlorotNormal"},
]
_DEPTH_SCHEMES: list[Request] = [
    {"scheme": "gpt2_residual", "num_layers": 12},
    {"scheme": "olmo_core.llama_depth", "layer_id": 3},
    {"scheme": "wang", "num_layers": 12, "d_model": 768},
    {"scheme": "small_init", "d_model": 768},
    {"scheme": "t5", "role": "q", "d_model": 512, "d_kv": 64},
    {"scheme": "deepnorm", "architecture": "encoder_with_decoder", "encoder_layers": 6, "decoder_layers": 6, "role": "value"},
    {"scheme": "sub_ln", "architecture": "encoder_with_decoder", "encoder_layers": 6, "decoder_layers": 6, "role": "ffn"},
    {"scheme": "fixup", "position": "inner", "num_branches": 10, "layers_per_branch": 3},
    {"scheme": "t_fixup", "stack": "encoder", "num_layers": 6, "role": "output"},
    {"scheme": "rezero"},
    {"scheme": "skip_init"},
    {"scheme": "mup", "role": "hidden", "width": 1000, "base_width": 256, "stddev": 0.02},
    {"scheme": "spectral"},
    {"scheme": "ntk"},
    {"scheme": "random_walk", "units": "relu"},
    {"scheme": "uniform_unit_scaling", "factor": 1.43},
    {"scheme": "caffe_xavier", "mode": "fan_avg"},
    {"scheme": "siren_first"},
    {"scheme": "siren"},
]
_DTYPES = ("float32", "float64", "float16", "bfloat16")
_DRAWS = ("uniform", "normal", "truncated_normal")
_OTHERS: list[Request] = [
    {"shape": [1], "scheme": "normal"},
    {"shape": [], "scheme": "normal"},
    {"shape": [1000, 300], "activation": "relu"},
    {"shape": [3, 3, 8, 16], "layout": "keras", "activation": "relu", "name": "conv1/kernel"},
    {"shape": [16, 8, 3, 3], "activation": "relu", "name": "conv1/kernel"},
    {"shape": [64, 64], "activation": "tanh", "slice": "10:20, ::-3"},
    {"shape": [2147483648, 1048576], "activation": "relu", "slice": "-1, -9:"},
    {"shape": [7, 5], "scheme": "normal", "seed": 0},
    {"shape": [7, 5], "scheme": "normal", "seed": "18446744073709551615"},
    {"shape": [7, 5], "scheme": "normal", "name": "encoder.layer.0.weight"},
    {"shape": [7, 5], "scheme": "normal", "name": "層.é"},
    {"shape": [7], "scheme": "torch.nn.Linear", "fan_in": 5},
    {"shape": [7, 5], "activation": "relu", "format": "npy"},
    {"shape": [7, 5], "activation": "relu", "format": "npz"},
    {"shape": [7, 5], "activation": "relu", "format": "safetensors", "name": "fc.weight"},
    {"shape": [7, 5], "scheme": "he_normal", "gain": "forward", "activation": "gelu"},
    {"shape": [7, 5], "activation": {"expression": "x*tanh(softplus(x))"}},
    {"shape": [7, 5], "activation": {"name": "sin", "omega": 30.0}},
    {"shape": [16, 4, 3, 3], "layer": "conv", "groups": 2, "scheme": "xavier_normal"},
    {"shape": [3, 3, 6, 2], "layer": "depthwise", "groups": 6, "layout": "keras", "scheme": "keras.HeNormal"},
    {"shape": [24, 8], "packed": 3, "scheme": "xavier_uniform"},
    {"shape": [24, 8], "packed": 3, "scheme": "xavier_uniform", "fan_convention": "torch"},
    {"shape": [10, 4], "layer": "embedding", "scheme": "lecun_normal"},
    {"shape": [3, 8, 5], "axes": "bio", "activation": "relu"},
    {"shape": [12, 2, 8], "axes": "ioo", "scheme": "xavier_uniform", "dtype": "bfloat16"},
    {"shape": [12, 8], "packed": [6, 4, 2], "scheme": "xavier_normal"},
    {"shape": [8, 12], "packed": [6, 4, 2], "scheme": "xavier_normal", "layout": "keras"},
    {"shape": [5, 4], "scheme": "normal", "slice": "4:6"},
    {"shape": [33, 31], "scheme": "truncated_normal", "low_stddevs": 5.0, "high_stddevs": 8.0},
    {"shape": [33, 31], "scheme": "truncated_normal", "low_stddevs": -9.0, "high_stddevs": -8.5, "dtype": "float64"},
    {"shape": [33, 31], "scheme": "truncated_normal", "low_stddevs": 0.5, "high_stddevs": 0.50001, "mean": -0.5, "dtype": "bfloat16"},
    {"shape": [5, 0], "scheme": "normal", "format": "npy"},
]
_STRUCTURED: list[Request] = [
    {"shape": [7, 5], "scheme": "identity", "gain": 0.5},
    {"shape": [6, 4, 3, 3], "scheme": "dirac", "groups": 2},
    {"shape": [7, 5], "scheme": "zero_hadamard"},
    {"shape": [3, 3, 4, 5], "scheme": "bilinear"},
    {"shape": [12], "scheme": "lstm_bias"},
    {"shape": [12], "scheme": "gru_bias", "gate_order": "keras"},
    {"shape": [12], "scheme": "chrono", "t_max": 100.0},
    {"shape": [12], "scheme": "chrono", "t_max": 100.0, "dtype": "float64"},
    {"shape": [5, 5], "scheme": "hippo_legs"},
    {"shape": [8, 2, 3, 3], "scheme": "icnr", "upscale": 2},
    {"shape": [10, 6], "scheme": "sparse", "sparsity": 0.3},
    {"shape": [10, 6], "scheme": "sparse", "sparsity": 0.3, "dtype": "float64"},
    {"shape": [7, 5], "scheme": "orthogonal", "gain": 2.0},
    {"shape": [7, 5, 3], "scheme": "delta_orthogonal", "slice": "..., 1"},
    {"shape": [2, 8], "scheme": "chrono", "t_max": 100.0, "gate_order": "onnx", "biases": 1},
    {"shape": [2, 12], "scheme": "gru_bias", "gate_order": "keras"},
    {"shape": [9, 8], "scheme": "sinusoidal", "dtype": "float64"},
    {"shape": [9, 8], "scheme": "sinusoidal", "order": "halves", "reach_base": True, "slice": "1::2"},
    {"shape": [3, 8], "scheme": "mamba_a_log"},
    {"shape": [12], "scheme": "mamba2_a_log"},
    {"shape": [12], "scheme": "mamba_dt_bias", "dtype": "float64"},
    {"shape": [16, 5], "scheme": "torch.nn.LSTM"},
    {"shape": [16, 5], "scheme": "torch_rnn", "gates": 4},
    {"shape": [4, 9], "scheme": "lora_a", "distribution": "normal"},
    {"shape": [4, 9], "scheme": "lora_b"},
    {"shape": [9, 4], "scheme": "torch.nn.Embedding", "padding_idx": -2, "dtype": "bfloat16"},
    {"shape": [3, 3, 2, 8], "scheme": "icnr", "upscale": 2, "layout": "keras"},
    {"shape": [3, 8, 3, 3], "scheme": "icnr", "upscale": 2, "layer": "conv_transpose"},
    {"shape": [20, 6], "scheme": "sparse", "sparsity": 0.3, "packed": 2},
    {"shape": [16, 4], "scheme": "orthogonal", "layer": "recurrent", "packed": 4},
    {"shape": [4, 2, 4, 4], "scheme": "bilinear", "layer": "conv_transpose", "groups": 2},
    {"shape": [3, 200], "scheme": "orthogonal"},
    {"shape": [130, 101], "scheme": "orthogonal", "slice": "::-3, 17:90:5"},
    {"shape": [101, 130], "scheme": "orthogonal", "slice": "60:64", "dtype": "float64"},
    {"shape": [5, 9, 7], "axes": "boi", "scheme": "orthogonal", "slice": "3", "dtype": "float64"},
    {"shape": [3, 3, 4, 6], "layout": "keras", "scheme": "delta_orthogonal", "dtype": "float64"},
    {"shape": [8, 2, 3, 3], "scheme": "icnr", "upscale": 2, "base": "orthogonal"},
    {"shape": [60, 40], "scheme": "sparse", "sparsity": 0.9, "slice": ":, 5:20:4"},
]


def requests() -> list[Request]:
    """Return every request with a golden answer. Unless it says otherwise, its seed is 7, its format raw, and its shape [7, 5]."""
    named: list[Request] = [{"shape": [7, 5]} | scheme for scheme in (*_SCHEMES, *_DEPTH_SCHEMES)]
    named += [{"shape": [33, 31], "scheme": scheme, "dtype": dtype} for scheme in _DRAWS for dtype in _DTYPES]
    named += [{"shape": [33, 31], "scheme": "orthogonal", "gain": 2**0.5, "dtype": dtype} for dtype in _DTYPES]
    return [{"seed": 7, "format": "raw"} | request for request in [*named, *_OTHERS, *_STRUCTURED]]


def golden_answer(request: Request) -> Request:
    """Return the dtype, the shape, the first values, and the SHA-256 of the values and of the file."""
    reply = answer(read_json(InitRequest, json.dumps(request).encode()), find_format(request["format"]), Limits())
    file = reply.file.read() if isinstance(reply.file, VirtualFile) else b"".join(reply.file)
    values = reply.tensor.read()
    return {
        "dtype": reply.tensor.dtype.name,
        "shape": list(reply.tensor.shape),
        "first": [float(value) for value in values[:4]],
        "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        "file_sha256": hashlib.sha256(file).hexdigest(),
    }


def append_new() -> tuple[int, int]:
    """Append the answers of requests that have none yet. Return the number of added answers, and of all answers."""
    rows = json.loads(FILE.read_text("utf-8")) if FILE.exists() else []
    known = [row["request"] for row in rows]
    rows += [{"request": request, "answer": golden_answer(request)} for request in requests() if request not in known]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    FILE.write_text(f"[\n{lines}\n]\n", "utf-8")
    return len(rows) - len(known), len(rows)
