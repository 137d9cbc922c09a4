"""Fills a buffer in this process. The references are torch, oneMKL, NumPy and JAX."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import numpy as np
import torch

from benchmarks.onemkl import GENERATORS, Generator
from benchmarks.timing import Figure, alternate, median, ratio
from service.concurrency.ahead import computing_threads_limited_to
from service.core.layers.layouts import view_of
from service.core.stream import engines
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.philox import Stream
from service.core.tensors import wholes
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import TensorSpec, VirtualTensor

_SHAPE = (4096, 4096)
_SIZE = _SHAPE[0] * _SHAPE[1]
_BLOCK = 1 << 18
_RUNS = 11

_DRAWS = {
    "normal": Distribution(Draw.NORMAL, 0.0, 0.02),
    "uniform": Distribution(Draw.UNIFORM, 0.0, 0.02),
    "truncated normal": Distribution(Draw.TRUNCATED_NORMAL, 0.0, 0.02, (-2.0, 2.0)),
}
_LIMITS = {"normal": 0.35, "uniform": 0.35, "truncated normal": 0.05}
_TORCH: dict[str, Callable[[torch.Tensor], object]] = {
    "normal": lambda tensor: torch.nn.init.normal_(tensor, 0.0, 0.02),
    "uniform": lambda tensor: torch.nn.init.uniform_(tensor, -0.02, 0.02),
    "truncated normal": lambda tensor: torch.nn.init.trunc_normal_(tensor, 0.0, 0.02, -0.04, 0.04),
}


def measure() -> list[Figure]:
    """Compare with torch on one thread and on all threads, then with oneMKL, NumPy and JAX, then the dtypes and layouts."""
    engines.load_kernels()
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        return [
            *(_against_torch(draw, 1, _fill) for draw in _DRAWS),
            _against_torch("normal", cores, lambda tensor, out: _fill_in_parallel(pool, tensor, out)),
            *_against_onemkl(),
            *_against_numpy_and_jax(),
            *_layouts(),
            *_orthogonal(),
        ]


def _tensor(draw: str, *, dtype: str = "float32", layout: str = "torch") -> VirtualTensor:
    return VirtualTensor(TensorSpec(_DRAWS[draw], DTYPES[dtype], view_of(_SHAPE, layout), 7))


def _fill(tensor: VirtualTensor, out: np.ndarray) -> None:
    tensor.fill(out)


def _fill_in_parallel(pool: ThreadPoolExecutor, tensor: VirtualTensor, out: np.ndarray) -> None:
    list(pool.map(lambda start: tensor.fill(out[start : start + _BLOCK], start), range(0, _SIZE, _BLOCK)))


def _against_torch(draw: str, threads: int, fill: Callable[[VirtualTensor, np.ndarray], None]) -> Figure:
    torch.set_num_threads(threads)
    tensor, out, torch_tensor = _tensor(draw), np.zeros(_SIZE, np.float32), torch.zeros(_SHAPE)
    runs = 3 if draw == "truncated normal" else _RUNS
    times = alternate({"ours": lambda: fill(tensor, out), "torch": lambda: _TORCH[draw](torch_tensor)}, runs)
    return Figure(
        f"16 Mi float32, {draw}, {_threads(threads)}",
        _per_element(median(times, "ours")),
        f"torch.nn.init, {_threads(threads)}: {_per_element(median(times, 'torch'))}",
        ratio(times, "ours", "torch"),
        _LIMITS[draw] if threads == 1 else 0.44 / threads,
    )


def _against_onemkl() -> list[Figure]:
    """Compare with oneMKL's generators on one thread: another generator is its fastest, and Philox is ours."""
    if platform.machine() != "x86_64":
        return []
    out, theirs = np.zeros(_SIZE, np.float32), {name: Generator(name, 7) for name in GENERATORS}
    figures = []
    for draw, limit in (("normal", 0.85), ("uniform", None)):
        tensor = _tensor(draw)
        references: dict[str, Callable[[], object]] = {name: partial(getattr(each, draw), out, 0.02) for name, each in theirs.items()}
        times = alternate({"ours": partial(tensor.fill, out)} | references, _RUNS)
        fastest = min(references, key=lambda name: median(times, name))
        figures += [
            Figure(
                f"16 Mi float32, {draw}, 1 thread",
                _per_element(median(times, "ours")),
                f"oneMKL, {name}: {_per_element(median(times, name))}",
                ratio(times, "ours", name),
                limit if name == fastest else None,
            )
            for name in references
        ]
    return figures


def _against_numpy_and_jax() -> list[Figure]:
    tensor, out = _tensor("normal"), np.zeros(_SIZE, np.float32)
    generator, key = np.random.default_rng(7), jax.random.key(7)
    references: dict[str, Callable[[], object]] = {
        "NumPy's Generator.standard_normal": lambda: generator.standard_normal(out=out, dtype=np.float32),
        "jax.random.normal, all threads": lambda: jax.random.normal(key, _SHAPE).block_until_ready(),
    }
    times = alternate({"ours": lambda: tensor.fill(out)} | references, 5)
    ours = _per_element(median(times, "ours"))
    return [
        Figure("16 Mi float32, normal, 1 thread", ours, f"{name}: {_per_element(median(times, name))}", ratio(times, "ours", name), None)
        for name in references
    ]


def _layouts() -> list[Figure]:
    """Compare the other dtypes and layouts with float32 in the canonical layout."""
    out = {dtype: np.zeros(_SIZE, DTYPES[dtype].numpy) for dtype in DTYPES}
    tensors = {dtype: _tensor("normal", dtype=dtype) for dtype in DTYPES} | {"float32, Keras layout": _tensor("normal", layout="keras")}
    candidates = {name: lambda name=name, tensor=tensor: tensor.fill(out[name.split(",")[0]]) for name, tensor in tensors.items()}
    limits = {"float64": 3.0, "float16": 1.1, "bfloat16": 1.1}
    times = alternate(candidates, 5)
    return [
        Figure(
            f"16 Mi {name}, normal, 1 thread",
            _per_element(median(times, name)),
            f"float32: {_per_element(median(times, 'float32'))}",
            ratio(times, name, "float32"),
            limits.get(name),
        )
        for name in tensors
        if name != "float32"
    ]


def _orthogonal() -> list[Figure]:
    """Compare an orthogonal matrix with torch's QR decomposition, both on one thread, and a slice of its rows with all of it."""
    shape, out = (2048, 2048), torch.empty(2048, 2048)
    torch.set_num_threads(1)
    view, rule = view_of(shape), wholes.orthogonal(shape, 1.0)
    parts = {text: VirtualTensor(TensorSpec(rule, DTYPES["float32"], view.slice(text), 7)).needs for text in (":", "992:1056")}
    candidates: dict[str, Callable[[], object]] = {
        text: partial(part.compute, Stream.of(7), np.dtype(np.float32), 0) for text, part in parts.items() if part is not None
    }
    with computing_threads_limited_to(1):
        times = alternate(candidates | {"torch": partial(torch.nn.init.orthogonal_, out)}, 5)
    return [
        Figure(
            "2048×2048 float32, orthogonal, 1 thread",
            f"{median(times, ':'):.2f} s",
            f"torch.nn.init.orthogonal_, 1 thread: {median(times, 'torch'):.2f} s",
            ratio(times, ":", "torch"),
            None,
        ),
        Figure(
            "64 rows of it",
            f"{median(times, '992:1056') * 1e3:.0f} ms",
            f"all 2048: {median(times, ':') * 1e3:.0f} ms",
            ratio(times, "992:1056", ":"),
            None,
        ),
    ]


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _per_element(seconds: float) -> str:
    return f"{seconds / _SIZE * 1e9:.2f} ns per element"
