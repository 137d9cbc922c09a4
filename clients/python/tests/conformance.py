"""Conformance tests on the stage that `make test-clients` sets up. Both clients must have each feature."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from weight_init import Client, WeightInitError, Weights
from weight_init.dtypes import to_array

Connect = Callable[..., AbstractContextManager[Client]]
Stage = dict[str, Any]
Show = Callable[[str], None]

LARGEST_SEED = 2**64 - 1
LAYER: dict[str, Any] = {"shape": (64, 64), "activation": "relu", "seed": 7}
LARGE: dict[str, Any] = {"shape": (3000, 500), "activation": "relu", "seed": 7}  # 6 MB; the stage's network breaks after every MiB

_reports: dict[str, set[str]] = {}


@cache
def read_stage() -> Stage:
    """Read the URLs, the golden responses and the test files."""
    path = os.environ.get("WEIGHT_INIT_STAGE")
    if path is None:
        pytest.fail("These tests need the stage file that WEIGHT_INIT_STAGE names. Run `make test-clients`.", pytrace=False)
    stage: Stage = json.loads(Path(path).read_text("utf-8"))
    return stage


@pytest.fixture
def stage() -> Stage:
    return read_stage()


@pytest.fixture
def show(kind: str) -> Show:
    """Report that this client has a feature. The feature counts once both clients have it."""

    def show(feature: str) -> None:
        kinds = _reports.setdefault(feature, set())
        kinds.add(kind)
        if kinds == {"Client", "AsyncClient"}:
            with Path(os.environ["WEIGHT_INIT_REPORT"]).open("a", encoding="utf-8") as report:
                print(feature, file=report)

    return show


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fields_of(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row["request"].items() if name != "format"}


def test_golden(connect: Connect, stage: Stage, show: Show) -> None:
    with connect(stage["url"]) as client:
        for row in stage["golden"]:
            weights, expected = client.init(**fields_of(row)), row["answer"]
            assert digest(weights.tobytes()) == expected["sha256"], row
            assert (weights.dtype.name, list(weights.shape)) == (expected["dtype"], expected["shape"]), row
            assert weights.ravel()[: len(expected["first"])].astype(np.float64).tolist() == expected["first"], row
    show("golden")


def ieee_value(bits: int, exponent_bits: int, fraction_bits: int) -> float:
    """Return the value of a binary floating-point number by the definition of IEEE 754."""
    sign = -1.0 if bits >> (exponent_bits + fraction_bits) else 1.0
    exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1)
    fraction = bits & ((1 << fraction_bits) - 1)
    bias = (1 << (exponent_bits - 1)) - 1
    if exponent == (1 << exponent_bits) - 1:
        return math.nan if fraction else sign * math.inf
    if exponent == 0:
        return sign * math.ldexp(fraction, 1 - bias - fraction_bits)
    return sign * math.ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits)


SIXTEEN_BIT_FORMATS = {"float16": (5, 10), "bfloat16": (8, 7)}
EXTREMES = [0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0x7C00, 0xFC00, 0x7E00, 0x007F, 0x0080, 0x7F7F, 0x7F80, 0xFF80, 0x7FC0]


def assert_widened_exactly(values: Any, bits: Any, dtype: str) -> None:
    expected = [ieee_value(int(pattern), *SIXTEEN_BIT_FORMATS[dtype]) for pattern in bits.ravel()]
    np.testing.assert_array_equal(values.astype(np.float32).ravel(), np.array(expected, np.float32))


def test_wide(connect: Connect, stage: Stage, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(stage["url"]) as client:
        narrow = client.init(**LAYER)
        wide = client.init(**LAYER, dtype="float64")
        assert wide.dtype == np.float64
        np.testing.assert_allclose(wide, narrow, rtol=1e-5)
        check_sixteen_bit_dtypes(client, narrow)
        monkeypatch.setitem(sys.modules, "ml_dtypes", None)  # as if it were not installed
        check_sixteen_bit_dtypes(client, narrow)
    show("wide")


def check_sixteen_bit_dtypes(client: Client, narrow: Weights) -> None:
    for dtype, numpy_dtype in (("float16", np.float16), ("bfloat16", ml_dtypes.bfloat16)):
        values = client.init(**LAYER, dtype=dtype)
        assert values.metadata["dtype"] == dtype
        bits = values.view(np.uint16) if values.itemsize == 2 else (values.view(np.uint32) >> 16).astype(np.uint16)
        np.testing.assert_array_equal(bits, narrow.astype(numpy_dtype).view(np.uint16))
        assert_widened_exactly(values, bits, dtype)
        extremes = np.array(EXTREMES, "<u2")
        assert_widened_exactly(to_array(extremes.view(np.uint8), dtype), extremes, dtype)


def test_seed(connect: Connect, stage: Stage, show: Show) -> None:
    [row] = [row for row in stage["golden"] if str(row["request"]["seed"]) == str(LARGEST_SEED)]
    with connect(stage["url"]) as client:
        weights = client.init(**fields_of(row) | {"seed": LARGEST_SEED})
        chosen = client.init((64, 64), activation="relu")
        again = client.init((64, 64), activation="relu", seed=chosen.seed)
    assert digest(weights.tobytes()) == row["answer"]["sha256"]
    assert weights.seed == LARGEST_SEED
    np.testing.assert_array_equal(again, chosen, strict=True)
    show("seed")


def test_slice(connect: Connect, stage: Stage, show: Show) -> None:
    with connect(stage["url"]) as client:
        whole = client.init((64, 64), activation="tanh", seed=7)
        part = client.init((64, 64), activation="tanh", seed=7, slice="10:20, ::-3")
    np.testing.assert_array_equal(part, whole[10:20, ::-3], strict=True)
    show("slice")


def test_advice(connect: Connect, stage: Stage, show: Show) -> None:
    with connect(stage["url"]) as client:
        advice = client.recommend("relu", fan_in=784)
        assert advice["scheme"] == "he_normal"
        assert advice["stddev"] == pytest.approx(math.sqrt(2 / 784))
        assert "he_normal" in [row["name"] for row in client.schemes()]
        assert "relu" in [row["name"] for row in client.activations()]
    show("advice")


def test_download(connect: Connect, stage: Stage, show: Show, tmp_path: Path) -> None:
    extensions = {"npy": "npy", "npz": "npz", "safetensors": "safetensors", "json": "json", "raw": "bin"}
    rows = {row["request"]["format"]: row for row in stage["golden"]}  # one row for each format
    with connect(stage["url"]) as client:
        for format, row in rows.items():
            file = tmp_path / format / f"w.{extensions[format]}"
            file.parent.mkdir()
            metadata = client.download(file, **fields_of(row))
            assert digest(file.read_bytes()) == row["answer"]["file_sha256"], row
            assert metadata["shape"] == row["answer"]["shape"]
            assert list(file.parent.iterdir()) == [file]
        with pytest.raises(WeightInitError):
            client.download(tmp_path / "refused.npy", (2, 3), scheme="he_norml")
    assert {path.name for path in tmp_path.iterdir()} == set(rows)
    assert len(rows) > 1
    show("download")


def test_error(connect: Connect, stage: Stage, show: Show) -> None:
    with connect(stage["url"]) as client, pytest.raises(WeightInitError, match=r"Did you mean 'he_normal'") as caught:
        client.init([2, 3], scheme="he_norml")
    error = caught.value
    assert (error.status, error.title, error.detail) == (422, "Unprocessable Entity", str(error))
    assert error.errors[0].field == "scheme"
    show("error")


def test_key(connect: Connect, stage: Stage, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEIGHT_INIT_API_KEY", raising=False)
    with connect(stage["keyed_url"]) as client, pytest.raises(WeightInitError) as caught:
        client.schemes()
    assert caught.value.status == 401
    with connect(stage["keyed_url"], api_key=stage["key"]) as client:
        assert client.init((4, 3), scheme="zeros").shape == (4, 3)
    monkeypatch.setenv("WEIGHT_INIT_API_KEY", stage["key"])
    with connect(stage["keyed_url"]) as client:
        assert client.schemes()
    show("key")


def test_retry(connect: Connect, stage: Stage, show: Show) -> None:
    with connect(stage["limited_url"]) as client:
        for _ in range(3):
            assert client.init((4, 3), scheme="zeros").shape == (4, 3)
    with connect(stage["limited_url"], retries=0) as client, pytest.raises(WeightInitError) as caught:
        all(client.schemes() for _ in itertools.count())
    assert caught.value.status == 429
    show("retry")


def test_busy(connect: Connect, stage: Stage, show: Show) -> None:
    with connect(stage["busy_url"], retries=1) as client, pytest.raises(WeightInitError) as caught:
        client.init((100, 1000), scheme="normal", seed=7)
    assert caught.value.status == 503
    show("busy")


def test_resume(connect: Connect, stage: Stage, show: Show, tmp_path: Path) -> None:
    with connect(stage["url"]) as client:
        whole = client.init(**LARGE)
        client.download(tmp_path / "whole.npy", **LARGE)
    with connect(stage["cutting_url"], retries=1) as client:
        np.testing.assert_array_equal(client.init(**LARGE), whole, strict=True)
        client.download(tmp_path / "pieces.npy", **LARGE)
    assert (tmp_path / "pieces.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    with connect(stage["cutting_url"], retries=0) as client, pytest.raises(WeightInitError, match="broke") as caught:
        client.init(**LARGE)
    assert caught.value.status == 0
    show("resume")


def test_timeout(connect: Connect, stage: Stage, show: Show) -> None:
    start = time.monotonic()
    with connect(stage["hanging_url"], timeout_s=0.5) as client, pytest.raises(WeightInitError, match=r"for 0\.5 s") as caught:
        client.init((4, 3), scheme="zeros")
    assert time.monotonic() - start < 10
    assert caught.value.status == 0
    show("timeout")


def test_nobody(connect: Connect, stage: Stage, show: Show, tmp_path: Path) -> None:
    with connect(stage["closed_url"], retries=0) as client, pytest.raises(WeightInitError, match="No service responds") as caught:
        client.init((4, 3), scheme="zeros")
    assert caught.value.status == 0
    with connect(stage["foreign_url"]) as client:
        for call in (
            lambda: client.init((4, 3), scheme="zeros"),
            lambda: client.recommend("relu"),
            lambda: client.download(tmp_path / "w.npy", (4, 3), scheme="zeros"),
        ):
            with pytest.raises(WeightInitError, match="Check that the URL points to a weight-init service"):
                call()
    assert list(tmp_path.iterdir()) == []
    show("nobody")


@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing")  # of Python 2
def test_npy(connect: Connect, stage: Stage, show: Show, tmp_path: Path) -> None:
    """NumPy itself reads the files, and refuses the invalid ones."""
    for row in stage["npy"]:
        if row["refused"]:
            with pytest.raises((ValueError, EOFError)):
                np.load(row["file"], allow_pickle=False)
        else:
            values = np.load(row["file"], allow_pickle=False)
            assert (values.dtype.name, list(values.shape)) == (row["dtype"], row["shape"]), row
            assert values.ravel(order="C").tolist() == row["values"], row
    with connect(stage["url"]) as client:
        client.download(tmp_path / "w.npy", **LARGE)
        np.testing.assert_array_equal(np.load(tmp_path / "w.npy", allow_pickle=False), client.init(**LARGE), strict=True)
    show("npy")
