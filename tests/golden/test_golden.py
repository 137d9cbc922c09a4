"""Golden answers: the same request gives the same bytes in every version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.core.schemes import SCHEMES, find_scheme
from service.core.stream import engines
from service.core.tensors.wholes import SharedWholes
from tools.golden.answers import FILE, golden_answer, requests

ROWS: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))


@pytest.fixture(params=["numpy", "numba"], scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "numba":
        engines.load_kernels()
    else:
        engines.use_numpy()
    with pytest.MonkeyPatch.context() as patch:  # otherwise the matrices of one engine are remembered, and answer for the other
        patch.setattr("service.core.tensors.tensor.WHOLES", SharedWholes(1 << 24, 1 << 24))
        yield request.param
    engines.use_numpy()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: json.dumps(row["request"])[:80])
def test_a_request_gives_its_golden_answer(row: dict[str, Any], engine: str) -> None:
    assert engines.current().name == engine
    assert golden_answer(row["request"]) == row["answer"]


@pytest.mark.parametrize("row", ROWS[::5], ids=lambda row: json.dumps(row["request"])[:80])
def test_a_request_gives_its_golden_answer_over_http(row: dict[str, Any], http: httpx.Client) -> None:
    body = http.post("/init", json=row["request"]).raise_for_status().content
    assert hashlib.sha256(body).hexdigest() == row["answer"]["file_sha256"]


def test_every_scheme_and_every_request_has_a_golden_answer() -> None:
    golden = [row["request"] for row in ROWS]
    assert all(request in golden for request in requests()), "run `python -m tools.golden`"
    assert {find_scheme(request.get("scheme", "auto"))[0].name for request in golden} == set(SCHEMES)


def test_the_layouts_of_one_tensor_hold_the_same_numbers() -> None:
    torch, keras = (next(row for row in ROWS if row["request"]["shape"] == shape) for shape in ([16, 8, 3, 3], [3, 3, 8, 16]))
    assert torch["answer"]["first"][0] == keras["answer"]["first"][0]
    assert torch["answer"]["sha256"] != keras["answer"]["sha256"]
