"""0.0 and -0.0 are equal in Python, but not in bytes: an answer never depends on which of them was requested before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from service.contract import metadata, specification
from service.contract.answer import Limits, answer
from service.contract.reading import read_text
from service.contract.request import InitRequest
from service.core.activations import ACTIVATIONS
from service.core.errors import InitError
from service.core.parameters import Kind
from service.core.schemes import SCHEMES
from service.core.stream import engines, kernels, quantiles
from service.core.tensors.wholes import SharedWholes
from service.files.formats import FORMATS

SHAPES = ("4,4", "8", "8,4,3,3")
DTYPES = ("float32",)
OTHERS = {"sparsity": "0.5", "upscale": "2", "t_max": "9", "stddev": "0", "low": "0", "high": "0"}
NUMBERS = (Kind.NUMBER, Kind.NUMBER_OR_CHOICE)


class Seen(NamedTuple):
    """What a client sees of an answer."""

    content: bytes
    metadata: str
    etag: str


@pytest.fixture(params=["numpy", "numba"])
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    engines.load_kernels() if request.param == "numba" else engines.use_numpy()
    yield
    engines.use_numpy()


def _requests() -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield each scheme and activation, with each number that it takes."""
    for scheme in SCHEMES.values():
        for row in scheme.parameters:
            if row.kind in NUMBERS:
                others = {other.name: OTHERS[other.name] for other in scheme.parameters if other.name in OTHERS and other is not row}
                yield scheme.name, {"scheme": scheme.name, "activation": "relu"} | others, row.name
    for activation in ACTIVATIONS.values():
        for row in activation.parameters:
            if row.kind in NUMBERS:
                yield activation.name, {"activation": activation.name}, row.name


REQUESTS = list(_requests())


def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty every cache that an answer goes through, as in a new process."""
    specification.initializer_of.cache_clear()
    metadata.initializer_text.cache_clear()
    kernels._draw.cache_clear()
    quantiles._quantile_range.cache_clear()
    monkeypatch.setattr("service.core.tensors.tensor.WHOLES", SharedWholes(1 << 24, 1 << 24))


def _seen(fields: dict[str, str], dtype: str, shape: str) -> Seen | str:
    pairs = [("shape", shape), ("seed", "7"), ("dtype", dtype), *fields.items()]
    try:
        given = answer(read_text(InitRequest, pairs), FORMATS["raw"], Limits())
    except InitError as error:
        return str(error)
    return Seen(given.tensor.read().tobytes(), given.metadata_text, given.etag)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("name", "fields", "parameter"), REQUESTS, ids=[f"{name}-{parameter}" for name, _, parameter in REQUESTS])
def test_an_answer_does_not_depend_on_an_earlier_zero(
    name: str, fields: dict[str, str], parameter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shape in SHAPES:
        for dtype in DTYPES:
            alone: dict[str, Seen | str] = {}
            for zero in ("0.0", "-0.0"):
                _forget(monkeypatch)
                alone[zero] = _seen(fields | {parameter: zero}, dtype, shape)
            for first, second in (("0.0", "-0.0"), ("-0.0", "0.0")):
                _forget(monkeypatch)
                _seen(fields | {parameter: first}, dtype, shape)
                assert _seen(fields | {parameter: second}, dtype, shape) == alone[second], f"{name}, {shape}, {dtype}"


@pytest.mark.usefixtures("engine")
def test_the_two_zeros_have_different_bytes_and_etags() -> None:
    zero, negative = (_seen({"scheme": "normal", "stddev": "0", "mean": mean}, "float32", "4,4") for mean in ("0.0", "-0.0"))
    assert isinstance(zero, Seen)
    assert isinstance(negative, Seen)
    assert zero.content != negative.content
    assert zero.etag != negative.etag
