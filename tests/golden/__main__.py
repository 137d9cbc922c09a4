"""`python -m tests.golden` appends the answers of new requests to golden.json. An answer that is there is never changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from service.contract.answer import Limits, answer
from service.contract.request import InitRequest
from service.files.formats import find_format
from service.files.virtual import VirtualFile

FILE = Path(__file__).with_name("golden.json")

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
]


def requests() -> list[Request]:
    """Every request with a golden answer; the seed is 7 and the format raw where nothing else is said."""
    every: list[Request] = [{"shape": [7, 5]} | scheme for scheme in _SCHEMES]
    every += [{"shape": [33, 31], "scheme": scheme, "dtype": dtype} for scheme in _DRAWS for dtype in _DTYPES]
    return [{"seed": 7, "format": "raw"} | request for request in [*every, *_OTHERS]]


def golden_answer(request: Request) -> Request:
    """dtype, shape, the first values, and the SHA-256 of the bytes of the file and of the values."""
    wanted = InitRequest.from_json(json.dumps(request).encode())
    made = answer(wanted, find_format(request["format"]), Limits())
    file = made.file.read() if isinstance(made.file, VirtualFile) else b"".join(made.file)
    values = made.tensor.read()
    return {
        "dtype": made.tensor.dtype.name,
        "shape": list(made.tensor.shape),
        "first": [float(value) for value in values[:4]],
        "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        "file_sha256": hashlib.sha256(file).hexdigest(),
    }


def main() -> None:
    """Append what is missing."""
    rows = json.loads(FILE.read_text("utf-8")) if FILE.exists() else []
    known = [row["request"] for row in rows]
    rows += [{"request": request, "answer": golden_answer(request)} for request in requests() if request not in known]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    FILE.write_text(f"[\n{lines}\n]\n", "utf-8")
    print(f"{len(rows) - len(known)} new of {len(rows)}")


if __name__ == "__main__":
    main()
