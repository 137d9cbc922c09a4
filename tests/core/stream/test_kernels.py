"""The compiled kernels give the bytes of the NumPy engine for every draw, precision, dtype, offset, length, layout and slice."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.layers.layouts import view_of
from service.core.stream import engines, numpy_engine
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.philox import MAX_SEED, Stream
from service.core.stream.quantiles import TAIL_WORDS
from service.core.stream.view import View
from service.core.tensors.dtypes import BFLOAT16, DTYPES
from service.core.tensors.rules import Repeated, Rule
from service.core.tensors.tensor import TensorSpec, VirtualTensor

RANDOM_BITS = np.random.Generator(np.random.PCG64(7))

distributions = st.one_of(
    st.builds(Distribution, st.just(Draw.UNIFORM), st.floats(-2, 2), st.floats(1e-3, 2)),
    st.builds(Distribution, st.just(Draw.NORMAL), st.floats(-2, 2), st.floats(1e-3, 2)),
    st.builds(
        Distribution,
        st.just(Draw.TRUNCATED_NORMAL),
        st.floats(-2, 2),
        st.floats(1e-3, 2),
        st.tuples(st.floats(-5, -0.1), st.floats(-0.05, 5)),
    ),
)
streams = st.builds(Stream.of, st.integers(0, MAX_SEED), st.none() | st.text("abc.é", min_size=1, max_size=8))
kinds = st.sampled_from([np.dtype(np.float32), np.dtype(np.float64)])
dtypes = st.sampled_from([row.numpy for row in DTYPES.values()])
views = st.sampled_from(
    [
        View((1 << 61,), (1,), 3),
        View((1 << 60,), (-1,), 1 << 60),
        view_of((512, 4096), "keras"),
        view_of((513, 31), "keras"),
        view_of((1024, 1 << 40), "keras").slice("2:, 3:1000003"),
        view_of((3, 3, 64, 96), "keras"),
        view_of((16, 4096)).slice(":, 100:2500"),
        view_of((4096, 96)).slice("1::3, 5:90"),
        view_of((4096, 96)).slice("::-1, 5:20"),
        view_of((64, 64, 64)).slice("3:60, :, ::-2"),
    ]
)


@pytest.fixture(autouse=True, scope="module")
def _kernels() -> Iterator[None]:
    engines.load_kernels()
    yield
    engines.use_numpy()


def bytes_of_both_engines(kind: np.dtype[Any], size: int, fill: str, *arguments: Any) -> tuple[bytes, bytes]:
    arrays = [np.full(size, np.nan, kind) for _ in range(2)]
    for engine, out in zip((engines.current(), numpy_engine), arrays):
        getattr(engine, fill)(out, *arguments)
    return arrays[0].tobytes(), arrays[1].tobytes()


@given(distributions, dtypes, streams, views, st.data())
def test_fills_any_part_of_any_view(
    distribution: Distribution, dtype: np.dtype[Any], stream: Stream, view: View, data: st.DataObject
) -> None:
    size = data.draw(st.integers(0, 9000))
    start = data.draw(st.integers(0, max(0, view.size - size)) | st.just(max(0, view.size - size)))
    size = min(size, view.size - start)
    compiled, specified = bytes_of_both_engines(dtype, size, "fill", distribution, stream, view, start)
    assert compiled == specified


@given(distributions, kinds, streams, st.lists(st.integers(0, 2**62 - 1), max_size=40))
def test_fills_any_positions(distribution: Distribution, kind: np.dtype[Any], stream: Stream, positions: list[int]) -> None:
    compiled, specified = bytes_of_both_engines(kind, len(positions), "fill_at", distribution, stream, np.array(positions, np.uint64))
    assert compiled == specified


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("start", [(1 << 34) - 5000, (1 << 44) - 1], ids=["high half of the counter changes", "large index"])
def test_fills_a_million_consecutive_elements(kind: type[np.floating[Any]], start: int) -> None:
    normal = Distribution(Draw.NORMAL, 0.0, 1.0)
    compiled, specified = bytes_of_both_engines(np.dtype(kind), 1 << 20, "fill", normal, Stream(7), View((1 << 61,), (1,)), start)
    assert compiled == specified


# where the pieces of the normal meet, from either end, and both ends of the words
BOUNDARIES = [0, 0x5CAC, int(TAIL_WORDS), 0x00820B67, 0x7FFFFFFF]


def _words_around(boundaries: list[int], bits: int) -> npt.NDArray[np.uint64]:
    top = (1 << bits) - 1
    near = {max(0, boundary + step) for boundary in boundaries for step in range(-40, 40)}
    return np.array(sorted(near | {top - word for word in near}), np.uint64)


@pytest.mark.parametrize("draw", [Draw.UNIFORM, Draw.NORMAL])
def test_float32_draws_at_the_boundaries_of_the_pieces(draw: Draw) -> None:
    from service.core.stream.kernels import _draw, draws32

    words = np.concatenate([_words_around(BOUNDARIES, 32).astype(np.uint32), RANDOM_BITS.integers(0, 1 << 32, 1000, np.uint32)])
    out = np.empty(len(words), np.float32)
    parameters = draws32.parameters_of(*_draw(Distribution(draw, 0.0, 1.0), out.dtype))
    draws32.draw32(words.copy(), out, draws32.scratch_for((len(words) + 7) // 8 * 8), parameters)
    assert out.tobytes() == numpy_engine._draw32(words, Distribution(draw, 0.0, 1.0)).tobytes()


FAR = 0x0DF086DE  # below it the quantile is under 1.4e-11, and the formula of the far tail applies
BOUNDARIES_64 = [0, FAR, 0x0F451BD1, 0x16C8487F, 0x13333333333331FF, 0x1334C15EC5EF714C, 0x7FE0B1E495E69B58, (1 << 63) - 1]


@pytest.mark.parametrize("draw", [Draw.UNIFORM, Draw.NORMAL])
def test_float64_draws_at_the_boundaries_of_the_pieces(draw: Draw) -> None:
    from service.core.stream.kernels import _draw, draws32, draws64

    words = np.concatenate([_words_around(BOUNDARIES_64, 64), RANDOM_BITS.integers(0, 1 << 64, 1000, np.uint64, endpoint=False)])
    high, low = (words >> np.uint64(32)).astype(np.uint32), words.astype(np.uint32)
    size = len(words)
    out = np.empty(size)
    parameters = draws32.parameters_of(*_draw(Distribution(draw, 0.0, 1.0), out.dtype))
    draws64.draw64(high, low, out, draws64.scratch64_for(len(words)), parameters)
    assert out.tobytes() == numpy_engine._draw64(words, Distribution(draw, 0.0, 1.0)).tobytes()


@pytest.mark.parametrize("dtype", [np.dtype(np.float16), BFLOAT16], ids=str)
def test_rounds_to_16_bits(dtype: np.dtype[Any]) -> None:
    bits = np.concatenate([RANDOM_BITS.integers(0, 1 << 32, 1 << 16, np.uint32), np.arange(1 << 16, dtype=np.uint32) << np.uint32(15)])
    values = bits.view(np.float32)
    largest = 65520.0 if dtype == np.float16 else np.inf  # larger values are rejected before they are rounded
    values = values[np.abs(values) < largest]
    compiled, specified = np.empty(len(values), dtype), np.empty(len(values), dtype)
    engines.current().round_into(compiled, values)
    numpy_engine.round_into(specified, values)
    assert compiled.tobytes() == specified.tobytes()


def test_each_kernel_is_compiled_for_one_signature_only() -> None:
    from service.core.stream.kernels import compiling

    normal = Distribution(Draw.NORMAL, 0.0, 1.0)
    for dtype, view in ((dtype, view) for dtype in DTYPES for view in (view_of((64, 64)), view_of((64, 64), "keras").slice("1:, ::3"))):
        VirtualTensor(TensorSpec(normal, DTYPES[dtype], view, 7)).read(5)
        VirtualTensor(TensorSpec(Repeated(normal, 9, 4), DTYPES[dtype], view, 7)).read()
    assert {kernel.py_func.__name__: len(kernel.signatures) for kernel, _ in compiling._entries} == {
        kernel.py_func.__name__: 1 for kernel, _ in compiling._entries
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("repeated", [False, True], ids=["drawn", "repeated"])
def test_both_engines_give_the_same_tensor_of_each_dtype(dtype: str, repeated: bool) -> None:
    normal = Distribution(Draw.NORMAL, 0.1, 0.02)
    rule: Rule = Repeated(normal, 9, 4) if repeated else normal
    tensor = VirtualTensor(TensorSpec(rule, DTYPES[dtype], view_of((300, 500), "keras"), 7, "w"))
    compiled = tensor.read(1234).tobytes()
    try:
        engines.use_numpy()
        assert compiled == tensor.read(1234).tobytes()
    finally:
        engines.load_kernels()


# the levels of processors


def test_a_level_runs_where_all_its_instructions_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from service.core.stream.kernels import compiling

    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda: dict.fromkeys(compiling.LEVELS["x86-64-v2"][1], True))
    assert [level for level in (*compiling.LEVELS, "generic") if compiling.runs_here(level)] == ["x86-64-v2", "generic"]
    assert compiling.runs_here("haswell"), "whoever sets NUMBA_CPU_NAME to another name knows better"


_PROGRAM = """
import hashlib, numpy as np
from service.core.stream import kernels
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.kernels.compiling import LEVELS
from service.core.stream.philox import Stream
from service.core.stream.view import View
from numba.core.registry import cpu_target
assert cpu_target.target_context.codegen().magic_tuple()[1:] == ({level!r}, LEVELS.get({level!r}, ("",))[0])
digest = hashlib.sha256()
for kind in (np.float32, np.float64):
    out = np.empty(100_003, kind)
    kernels.fill(out, Distribution(Draw.NORMAL, 0.1, 0.02), Stream(7), View((1 << 60,), (1,)), 5)
    digest.update(out)
print(digest.hexdigest())
"""


def _lower_levels() -> list[str]:
    """Return the levels below the highest that this processor supports, for which the other tests are."""
    from service.core.stream.kernels.compiling import levels_here, runs_here

    return [level for level in levels_here() if runs_here(level)][1:]


@pytest.mark.slow
@pytest.mark.parametrize("level", _lower_levels())
def test_every_level_of_processors_gives_the_same_bytes(level: str) -> None:
    expected = hashlib.sha256()
    for kind in (np.float32, np.float64):
        out = np.empty(100_003, kind)
        numpy_engine.fill(out, Distribution(Draw.NORMAL, 0.1, 0.02), Stream(7), View((1 << 60,), (1,)), 5)
        expected.update(out.tobytes())
    run = _python(_PROGRAM.format(level=level), NUMBA_CPU_NAME=level)
    assert run.stdout.strip() == expected.hexdigest(), run.stderr


def _python(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment, timeout=110)


def test_the_numpy_engine_stays_in_use_without_numba() -> None:
    run = _python(
        "import sys; sys.modules['numba'] = None\n"
        "from service.core.stream import engines\n"
        "try:\n    engines.load_kernels()\n"
        "except ImportError:\n    print(engines.current().name)"
    )
    assert run.stdout.strip() == "numpy", run.stderr
