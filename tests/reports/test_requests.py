"""Reports of single fields of a request: names, numbers, bounds, gains, expressions."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from service.contract.errors import InvalidRequest
from service.contract.reading import read_json, read_text
from service.contract.request import InitRequest
from service.core.errors import InitError
from tests.reports.report import Report, Result, check, same_as, stddev


def forward_gain(result: Result) -> float:
    gain: float = result.metadata["recommended"]["gain"]["forward"]
    return gain


REPORTS = [
    Report(
        "bounds are those of the values in their dtype",
        {"shape": [4000], "scheme": "uniform", "low": -0.1, "high": 0.1, "dtype": "bfloat16"},
        lambda result: result.metadata["bounds"],
        [float(np.float32(bound).astype(ml_dtypes.bfloat16)) for bound in (-0.1, 0.1)],
        "0.1 is 0.10009766 in bfloat16", 1e-15,
    ),
    Report("4.0 is an integer", {"shape": [4.0, 5]}, same_as({"shape": [4, 5]}), True, "JSON Schema, R and PHP do not tell them apart"),
    Report("so is 1e5", {"shape": [2, 3], "seed": 1e5}, same_as({"shape": [2, 3], "seed": 100_000}), True, "JSON Schema"),
    Report(
        "trunc_normal cuts at two standard deviations",
        {"shape": [50, 50], "scheme": "trunc_normal", "stddev": 3},
        lambda result: result.metadata["bounds"], [-6.0, 6.0], "one name, one meaning",
    ),
    Report(
        "torch's trunc_normal_ cuts at the values -2 and 2",
        {"shape": [50, 50], "scheme": "torch.nn.init.trunc_normal_", "stddev": 3},
        lambda result: result.metadata["bounds"], [-2.0, 2.0], "torch.nn.init.trunc_normal_(a=-2., b=2.)",
    ),
    Report(
        "torch's gain of a convolution is 1",
        {"shape": [8, 4, 3], "scheme": "he_normal", "gain": "torch", "activation": "linear"},
        stddev, 1 / math.sqrt(12), "torch.nn.init.calculate_gain('conv1d')",
    ),
    Report(
        "the formula of an activation may use others as functions",
        {"shape": [8, 8], "activation": {"expression": "x*sigmoid(x)"}},
        forward_gain, forward_gain(Result({"shape": [8, 8], "activation": "silu"})), "silu(x) = x·sigmoid(x)", 1e-9,
    ),
    Report(
        "Keras's VarianceScaling knows untruncated_normal",
        {"shape": [8, 8], "scheme": {"name": "keras.initializers.VarianceScaling", "distribution": "untruncated_normal"}},
        lambda result: result.metadata["draw"], "normal", "keras.initializers.VarianceScaling",
    ),
    Report(
        "a slice for rank 3 of 4 of five rows may be empty",
        {"shape": [5, 2], "slice": "6:8"},
        lambda result: list(result.answer.tensor.shape), [0, 2], "numpy: np.zeros((5, 2))[6:8].shape",
    ),
    Report(
        "and that of rank 2 has the last row",
        {"shape": [5, 2], "slice": "4:6"},
        lambda result: result.values, Result({"shape": [5, 2]}).values[4:6], "numpy",
    ),
    Report("a tensor may have no elements", {"shape": [0, 5]}, lambda result: list(result.values.shape), [0, 5], "numpy"),
]  # fmt: skip


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.need)
def test_the_service_gives_the_right_answer(report: Report) -> None:
    check(report)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("4.5 is not an integer", {"shape": [4.5, 5]}, "each an integer"),
    ("stacked biases are no matrix", {"shape": [2, 4], "axes": "bo", "scheme": "orthogonal"}, "rank 2 to 16 for orthogonal; received [4]"),
    ("Keras has no scale of 0", {"shape": [4, 5], "scheme": {"name": "keras.VarianceScaling", "scale": 0}}, "a number above 0"),
    ("Keras has no fan_geo_avg", {"shape": [4, 5], "scheme": {"name": "keras.VarianceScaling", "mode": "fan_geo_avg"}}, "one of fan_in"),
]


@pytest.mark.parametrize(("need", "fields", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_the_service_refuses_what_is_wrong(need: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises((InitError, InvalidRequest), match=re.escape(message)):
        stddev(Result(fields))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("shape", "256"), ("shape", "784")], "Write shape=256,784"),
        ([("shape", "6144,8"), ("packed", "4096"), ("packed", "2048")], "Write packed=4096,2048"),
        ([("shape", "1_000")], "each an integer"),
        ([("shape", "\uff11\uff10")], "each an integer"),  # full-width digits
    ],
    ids=str,
)
def test_a_query_follows_the_rule_of_json(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises((InitError, InvalidRequest), match=re.escape(message)):
        read_text(InitRequest, pairs)


def test_packed_sizes_are_the_same_in_a_query_and_in_json() -> None:
    by_query = read_text(InitRequest, [("shape", "6144,8"), ("packed", "4096,1024,1024")])
    assert by_query == read_json(InitRequest, json.dumps({"shape": [6144, 8], "packed": [4096, 1024, 1024]}).encode())
