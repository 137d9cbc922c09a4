"""Fills a buffer in this process. The references are torch, NumPy and JAX."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import torch

from benchmarks.timing import Figure, alternate, median, ratio
from service.core.layers.layouts import view_of
from service.core.stream import engines
from service.core.stream.distributions import Distribution, Draw
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
_LIMITS = {"normal": 0.40, "uniform": 0.35, "truncated normal": 0.05}
_TORCH: dict[str, Callable[[torch.Tensor], object]] = {
    "normal": lambda tensor: torch.nn.init.normal_(tensor, 0.0, 0.02),
    "uniform": lambda tensor: torch.nn.init.uniform_(tensor, -0.02, 0.02),
    "truncated normal": lambda tensor: torch.nn.init.trunc_normal_(tensor, 0.0, 0.02, -0.04, 0.04),
}


def measure() -> list[Figure]:
    """Compare with torch on one thread and on all threads, then with NumPy and JAX, then the dtypes and layouts."""
    engines.load_kernels()
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        return [
            *(_against_torch(draw, 1, _fill) for draw in _DRAWS),
            _against_torch("normal", cores, lambda tensor, out: _fill_in_parallel(pool, tensor, out)),
            *_against_numpy_and_jax(),
            *_layouts(),
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
    times = alternate(candidates, 5)
    return [
        Figure(
            f"16 Mi {name}, normal, 1 thread",
            _per_element(median(times, name)),
            f"float32: {_per_element(median(times, 'float32'))}",
            ratio(times, name, "float32"),
            None,
        )
        for name in tensors
        if name != "float32"
    ]


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _per_element(seconds: float) -> str:
    return f"{seconds / _SIZE * 1e9:.2f} ns per element"
