"""Schemes whose elements differ by position: patterns, copies, orthogonal matrices, sparsity."""

from __future__ import annotations

import math
import threading
import time
import tracemalloc
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hadamard

from service.core.errors import Busy, InvalidValue
from service.core.initializer import LayerSpecification, initialize
from service.core.layers.layer import Layer, LayerKind
from service.core.layers.layouts import view_of
from service.core.stream.philox import Stream
from service.core.stream.quantiles import log64
from service.core.stream.view import Shape, View
from service.core.tensors import wholes
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.rules import Whole
from service.core.tensors.tensor import TensorSpec, VirtualTensor
from service.core.tensors.wholes import SharedWholes, delta_orthogonal, orthogonal, sparse

# scheme, parameters, a valid shape
BUILT: list[tuple[str, dict[str, Any], Shape]] = [
    ("identity", {"gain": 0.5}, (4, 6)),
    ("dirac", {}, (6, 4, 3, 3)),
    ("zero_hadamard", {}, (6, 4)),
    ("bilinear", {}, (3, 3, 4, 4)),
    ("lstm_bias", {}, (12,)),
    ("gru_bias", {}, (12,)),
    ("chrono", {"t_max": 50.0}, (12,)),
    ("hippo_legs", {}, (6, 6)),
    ("sinusoidal", {}, (6, 4)),
    ("mamba_a_log", {}, (12,)),
    ("mamba2_a_log", {}, (12,)),
    ("mamba_dt_bias", {}, (12,)),
    ("icnr", {"upscale": 2}, (8, 2, 3, 3)),
    ("orthogonal", {"gain": 2.0}, (6, 4)),
    ("delta_orthogonal", {}, (6, 4, 3, 3)),
    ("sparse", {"sparsity": 0.3}, (10, 6)),
]


ANY_LAYER = Layer()


def tensor(
    scheme: str,
    shape: Shape,
    *,
    dtype: str = "float64",
    seed: int = 7,
    layer: Layer = ANY_LAYER,
    view: View | None = None,
    **parameters: Any,
) -> VirtualTensor:
    rule = initialize(LayerSpecification(shape, scheme=scheme, parameters=parameters, layer=layer)).rule
    return VirtualTensor(TensorSpec(rule, DTYPES[dtype], view or view_of(shape), seed))


def values(scheme: str, shape: Shape, **given: Any) -> npt.NDArray[Any]:
    result = tensor(scheme, shape, **given)
    return result.read().reshape(result.shape)


@pytest.mark.parametrize(("scheme", "parameters", "shape"), BUILT, ids=[name for name, *_ in BUILT])
@given(data=st.data())
def test_any_range_equals_that_part_of_the_whole_tensor(scheme: str, parameters: dict[str, Any], shape: Shape, data: st.DataObject) -> None:
    whole = tensor(scheme, shape, dtype=data.draw(st.sampled_from(list(DTYPES))), **parameters)
    start = data.draw(st.integers(0, whole.size))
    stop = data.draw(st.integers(start, whole.size))
    assert whole.read(start, stop).tobytes() == whole.read()[start:stop].tobytes()


@pytest.mark.parametrize(("scheme", "parameters", "shape"), [row for row in BUILT if len(row[2]) > 1], ids=lambda value: str(value)[:20])
def test_layouts_and_slices_have_the_values_of_the_whole_tensor(scheme: str, parameters: dict[str, Any], shape: Shape) -> None:
    whole = values(scheme, shape, **parameters)
    keras = (*shape[2:], shape[1], shape[0])
    assert np.array_equal(values(scheme, shape, view=view_of(keras, "keras"), **parameters), np.moveaxis(whole, (0, 1), (-1, -2)))
    assert np.array_equal(values(scheme, shape, view=view_of(shape).slice("1:3, ::2"), **parameters), whole[1:3, ::2])


@pytest.mark.parametrize(("scheme", "parameters", "shape"), BUILT, ids=[name for name, *_ in BUILT])
def test_half_precision_values_are_the_rounded_float32_values(scheme: str, parameters: dict[str, Any], shape: Shape) -> None:
    single = values(scheme, shape, dtype="float32", **parameters)
    assert np.array_equal(values(scheme, shape, dtype="float16", **parameters), single.astype(np.float16))
    assert np.array_equal(values(scheme, shape, dtype="bfloat16", **parameters), single.astype(ml_dtypes.bfloat16))
    assert np.allclose(single, values(scheme, shape, **parameters), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("scheme", "parameters", "shape"), BUILT, ids=[name for name, *_ in BUILT])
def test_values_stay_within_the_stated_bounds(scheme: str, parameters: dict[str, Any], shape: Shape) -> None:
    rule = initialize(LayerSpecification(shape, scheme=scheme, parameters=parameters)).rule
    drawn = values(scheme, shape, **parameters)
    assert np.all(np.abs(drawn) <= rule.largest)
    if rule.bounds is not None:
        assert np.all((drawn >= rule.bounds[0] - 1e-12) & (drawn <= rule.bounds[1] + 1e-12))


LARGE = pytest.param((2048, 2048), marks=pytest.mark.slow)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (3, 5), (5, 3), (300, 40), (40, 300), (16, 8, 3, 3), (8, 16, 3), LARGE])
@pytest.mark.parametrize("dtype", DTYPES)
def test_orthogonal_is_orthogonal_in_every_dtype(shape: Shape, dtype: str) -> None:
    matrix = values("orthogonal", shape, dtype=dtype, gain=1.5).reshape(shape[0], -1).astype(np.float64) / 1.5
    rows, columns = matrix.shape
    product = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    # rounding each of n entries of size 1/√n to epsilon changes a product of two rows by about 2·epsilon at most
    epsilon = {"float64": 1e-13, "float32": 2**-24, "float16": 2**-11, "bfloat16": 2**-8}[dtype]
    assert np.abs(product - np.eye(len(product))).max() < 3 * epsilon


def test_orthogonal_matrices_are_uniformly_distributed() -> None:
    """Without the signs of R's diagonal, the first entry of a 2×2 matrix would be negative for every seed."""
    first = [float(values("orthogonal", (2, 2), seed=seed)[0, 0]) for seed in range(400)]
    # the first entry is the cosine of a uniform angle, so its sign is symmetric; 400 signs have a standard error of 10
    assert abs(sum(value > 0 for value in first) - 200) < 50
    assert np.mean(np.square(first)) == pytest.approx(0.5, abs=5 * math.sqrt(1 / 8 / 400))


def test_delta_orthogonal_is_orthogonal_at_the_centre_and_zero_elsewhere() -> None:
    kernel = values("delta_orthogonal", (6, 4, 3, 4))
    centre = kernel[:, :, 1, 1].copy()
    kernel[:, :, 1, 1] = 0
    assert np.allclose(centre.T @ centre, np.eye(4), atol=1e-12)
    assert not kernel.any()


@pytest.mark.parametrize(("sparsity", "zeros"), [(0.0, 0), (0.1, 1), (0.25, 3), (1.0, 10)])
def test_sparse_has_the_exact_number_of_zeros_in_each_column(sparsity: float, zeros: int) -> None:
    matrix = values("sparse", (10, 200), sparsity=sparsity)
    assert np.all((matrix == 0).sum(axis=0) == zeros)
    if zeros < 10:
        nonzero = matrix[matrix != 0]
        assert nonzero.std() == pytest.approx(0.01, rel=5 / math.sqrt(2 * nonzero.size))


def test_zeros_of_sparse_are_spread_evenly_over_the_rows() -> None:
    zero = values("sparse", (10, 4000), sparsity=0.3) == 0
    # each element is 0 with probability 0.3, so a row has a standard error of √(4000·0.21) = 29
    assert np.all(np.abs(zero.sum(axis=1) - 1200) < 5 * 29)


def test_identity_dirac_and_zero_hadamard_have_their_patterns() -> None:
    assert np.array_equal(values("identity", (2, 3), gain=2.0), [[2, 0, 0], [0, 2, 0]])
    signal = values("dirac", (4, 2, 3), layer=Layer(groups=2))
    assert np.array_equal(signal[:, :, 1], [[1, 0], [0, 1], [1, 0], [0, 1]])
    assert not signal[:, :, [0, 2]].any()
    assert np.array_equal(values("zero_hadamard", (3, 5)), np.eye(3, 5))
    assert np.allclose(values("zero_hadamard", (5, 3)) * math.sqrt(8), hadamard(8)[:5, :3])


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_bilinear_is_the_interpolation_filter_of_fully_convolutional_networks(k: int) -> None:
    factor = (k + 1) // 2
    centre = factor - 1 if k % 2 else factor - 0.5
    line = 1 - np.abs(np.arange(k) - centre) / factor
    kernel = values("bilinear", (2, 2, k, k))
    assert np.allclose(kernel[0, 0], np.outer(line, line))
    assert not kernel[0, 1].any()
    assert np.allclose(values("bilinear", (2, 1, k, k))[1, 0], np.outer(line, line))


def test_gate_biases_follow_the_gate_order_of_torch_or_keras() -> None:
    assert values("lstm_bias", (8,)).tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert values("gru_bias", (6,)).tolist() == [0, 0, 1, 1, 0, 0]
    assert values("gru_bias", (6,), gate_order="keras", update=2.0).tolist() == [2, 2, 0, 0, 0, 0]


def test_chrono_is_the_logarithm_of_a_uniform() -> None:
    n, t_max = 50_000, 200.0
    bias = values("chrono", (4 * n,), t_max=t_max).reshape(4, n)
    assert np.array_equal(bias[0], -bias[1])
    assert not bias[2:].any()
    lengths = np.exp(bias[1])
    assert 1 <= lengths.min() < 1.1
    assert t_max - 1.1 < lengths.max() <= t_max - 1 + 1e-9
    assert lengths.mean() == pytest.approx(t_max / 2, abs=5 * (t_max - 2) / math.sqrt(12 * n))


def test_log64_matches_numpy() -> None:
    x = np.concatenate([np.linspace(0.5, 2, 1001), np.geomspace(1e-300, 1e300, 1001)])
    assert np.all(np.abs(log64(x) - np.log(x)) <= 2e-15 * np.maximum(1, np.abs(np.log(x))))


def test_hippo_legs_is_the_matrix_of_the_paper() -> None:
    expected = -np.array([[1, 0, 0], [math.sqrt(3), 2, 0], [math.sqrt(5), math.sqrt(15), 3]])
    assert np.allclose(values("hippo_legs", (3, 3)), expected)


def test_icnr_repeats_each_sub_kernel() -> None:
    kernel = values("icnr", (32, 8, 3, 3), upscale=2, base="xavier_uniform")
    groups = kernel.reshape(8, 4, 8, 3, 3)
    assert np.all(groups == groups[:, :1])
    assert np.array_equal(groups[:, 0], values("xavier_uniform", (8, 8, 3, 3)))


def test_icnr_repeats_an_orthogonal_sub_kernel() -> None:
    kernel = values("icnr", (32, 2, 3, 3), upscale=2, base="orthogonal").reshape(8, 4, 18)
    assert np.all(kernel == kernel[:, :1])
    assert np.allclose(kernel[:, 0] @ kernel[:, 0].T, np.eye(8), atol=1e-12)


@pytest.mark.parametrize(
    ("scheme", "parameters", "shape", "message"),
    [
        ("identity", {}, (3, 3, 3), "rank 2 for identity"),
        ("dirac", {}, (3, 3), "rank 3 to 5 for dirac"),
        ("orthogonal", {}, (3,), "rank 2 to 16 for orthogonal"),
        ("delta_orthogonal", {}, (3, 4, 3), "no more inputs than outputs"),
        ("hippo_legs", {}, (3, 4), "a square matrix"),
        ("lstm_bias", {}, (7,), "a multiple of 4, for 4 gates"),
        ("lstm_bias", {"gate_order": "onnx"}, (12,), "a multiple of 8, for 2 biases of 4 gates"),
        ("gru_bias", {}, (3, 4), "a multiple of 3, for 3 gates"),
        ("chrono", {}, (8,), "t_max.*cannot do without it"),
        ("chrono", {"t_max": 2.0}, (8,), "at least 3"),
        ("icnr", {"upscale": 2}, (6, 3, 3, 3), "upscale to the power of the kernel's rank"),
        ("icnr", {"upscale": 1.5}, (8, 3, 3), "an integer, at least 1"),
        ("icnr", {"upscale": 2, "base": "icnr"}, (8, 3, 3), "base: expected one of"),
        ("sparse", {"sparsity": 1.5}, (8, 3), "a fraction from 0 to 1"),
        ("sparse", {}, (8, 3), "sparsity.*cannot do without it"),
    ],
)
def test_error_for_a_wrong_shape_or_parameter_says_what_is_expected(
    scheme: str, parameters: dict[str, Any], shape: Shape, message: str
) -> None:
    with pytest.raises(InvalidValue, match=message):
        initialize(LayerSpecification(shape, scheme=scheme, parameters=parameters))


def _slow(shape: Shape, calls: list[int], gate: threading.Event) -> Whole:
    def whole(_: Stream, kind: np.dtype[Any], __: int) -> npt.NDArray[Any]:
        calls.append(1)
        assert gate.wait(30)
        return np.zeros(shape, kind)

    return Whole("slow", shape, None, 1.0, 1.0, whole)


def test_concurrent_requests_for_one_matrix_compute_it_once() -> None:
    wholes, calls, gate = SharedWholes(1 << 20, 1 << 20), list[int](), threading.Event()
    whole, stream = _slow((4, 4), calls, gate), Stream.of(7)
    matrices: list[npt.NDArray[Any]] = []
    threads = [threading.Thread(target=lambda: matrices.append(wholes.get(whole, stream, np.dtype("f4")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert all(matrix is matrices[0] for matrix in matrices)


def test_cache_is_bounded_and_drops_the_least_recently_used() -> None:
    calls, gate = list[int](), threading.Event()
    gate.set()
    wholes = SharedWholes(2 * 4 * 16, 1 << 20)
    whole = _slow((4, 4), calls, gate)
    for seed in (1, 2, 1, 3, 1, 2):  # 3 evicts 2, which is then computed again
        wholes.get(whole, Stream.of(seed), np.dtype("f4"))
    assert len(calls) == 4


def test_a_matrix_larger_than_the_cache_stays_until_the_next_one() -> None:
    calls, gate = list[int](), threading.Event()
    gate.set()
    wholes = SharedWholes(1, 1 << 20)
    for seed in (1, 1, 1, 2, 2):
        wholes.get(_slow((4, 4), calls, gate), Stream.of(seed), np.dtype("f4"))
    assert len(calls) == 2


def test_a_reader_holds_its_matrix_until_it_has_ended() -> None:
    calls, gate = list[int](), threading.Event()
    gate.set()
    wholes, whole = SharedWholes(1, 1 << 20), _slow((4, 4), calls, gate)
    held = [wholes.get(whole, Stream.of(seed), np.dtype("f4")) for seed in (1, 2, 3)]
    for seed in (1, 2, 3, 3, 2, 1):
        assert wholes.get(whole, Stream.of(seed), np.dtype("f4")) is held[seed - 1]
    assert len(calls) == 3
    del held
    wholes.get(whole, Stream.of(2), np.dtype("f4"))
    assert len(calls) == 4


def test_a_tensor_holds_its_matrix_between_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, gate = list[int](), threading.Event()
    gate.set()
    monkeypatch.setattr("service.core.tensors.tensor.WHOLES", SharedWholes(1, 1 << 20))
    readers = [VirtualTensor(TensorSpec(_slow((4, 4), calls, gate), DTYPES["float32"], view_of((4, 4)), seed)) for seed in (1, 2, 3)]
    for element in range(16):
        for reader in readers:
            reader.read(element, element + 1)
    assert len(calls) == 3


def test_matrices_of_all_readers_have_a_limit_together() -> None:
    calls, gate = list[int](), threading.Event()
    gate.set()
    wholes, whole = SharedWholes(1 << 20, 2 * 64), _slow((4, 4), calls, gate)
    held = [wholes.get(whole, Stream.of(seed), np.dtype("f4")) for seed in (1, 2)]
    with pytest.raises(Busy, match=r"at most 128 bytes .* received a request for 64, beside 128 in use"):
        wholes.get(whole, Stream.of(3), np.dtype("f4"))
    assert len(calls) == 2
    held.pop()
    wholes.get(whole, Stream.of(3), np.dtype("f4"))


def test_matrices_that_are_being_computed_count_too() -> None:
    calls, gate = list[int](), threading.Event()
    wholes, whole = SharedWholes(1 << 20, 2 * 64 - 1), _slow((4, 4), calls, gate)
    first = threading.Thread(target=lambda: wholes.get(whole, Stream.of(1), np.dtype("f4")))
    first.start()
    while not calls:
        time.sleep(0.001)
    with pytest.raises(Busy, match="beside 64 in use"):
        wholes.get(whole, Stream.of(2), np.dtype("f4"))
    gate.set()
    first.join()
    wholes.get(whole, Stream.of(2), np.dtype("f4"))  # drops the first from the cache
    assert len(calls) == 2


def test_a_matrix_alone_may_take_more_than_the_limit() -> None:
    assert SharedWholes(1, 1).get(orthogonal((4, 4), 1.0), Stream.of(1), np.dtype("f4")).shape == (16,)


def composed_whole(scheme: str, shape: Shape, axes: str, layer: Layer = ANY_LAYER) -> Whole:
    rule = initialize(LayerSpecification(shape, scheme=scheme, layer=layer, axes=axes)).rule
    assert isinstance(rule, Whole)
    return rule


def part_of_whole(scheme: str, shape: Shape, text: str) -> Whole:
    given: dict[str, Any] = {"sparsity": 0.5} if scheme == "sparse" else {}
    part = tensor(scheme, shape, view=view_of(shape).slice(text), **given).needs
    assert part is not None
    return part


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    "whole",
    [
        orthogonal((700, 700), 1.5),
        orthogonal((1500, 300), 1.0),
        orthogonal((300, 1500), 1.0),
        orthogonal((4000, 100), 1.0),
        delta_orthogonal((400, 400, 3, 3), 1.0),
        composed_whole("orthogonal", (12, 200, 200), "boi"),
        composed_whole("orthogonal", (600, 200, 3), "iok", Layer(LayerKind.CONV_TRANSPOSE)),
        part_of_whole("orthogonal", (700, 700), "350:360"),
        part_of_whole("orthogonal", (3000, 300), ":, ::7"),
        part_of_whole("sparse", (5000, 400), ":, 3:50"),
        sparse((1000, 1000), 0.9, 0.01),
        sparse((20, 20000), 0.5, 0.01),
        sparse((20000, 20), 0.5, 0.01),
    ],
    ids=lambda whole: f"{whole.name}-{whole.shape}",
)
def test_the_memory_of_a_matrix_is_estimated(whole: Whole, dtype: str) -> None:
    estimate = whole.peak_bytes(np.dtype(dtype).itemsize)
    tracemalloc.start()
    try:
        whole.compute(Stream.of(1), np.dtype(dtype), 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= estimate <= 3 * peak + (16 << 20)


def test_cache_does_not_keep_a_failed_computation() -> None:
    def broken(_: Stream, __: np.dtype[Any], ___: int) -> npt.NDArray[Any]:
        raise MemoryError

    wholes = SharedWholes(1 << 20, 1 << 20)
    whole = Whole("broken", (4, 4), None, 1.0, 1.0, broken)
    for _ in range(2):
        with pytest.raises(MemoryError):
            wholes.get(whole, Stream.of(7), np.dtype("f4"))
    assert np.allclose(wholes.get(orthogonal((1, 1), 1.0), Stream.of(7), np.dtype("f8")) ** 2, 1, rtol=1e-14)


def test_slices_across_the_lines_of_a_matrix_share_one_computation() -> None:
    before = wholes.WHOLES.lookups()
    for text in (":, :4", ":, 4:", ":, 0"):
        values("orthogonal", (8, 8), seed=20260101, view=view_of((8, 8)).slice(text))
    hits, misses = (now - earlier for now, earlier in zip(wholes.WHOLES.lookups(), before))
    assert (hits, misses) == (2, 1)
