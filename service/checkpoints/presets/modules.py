"""The tensors of the usual modules of torch, in the order in which a state_dict lists them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.checkpoints.presets.architecture import Weight

BIAS = {"layer": "bias"}
SCALE = {"layer": "normalization_scale"}
POSITIONS = {"layer": "embedding", "axes": "bio"}  # a table of positions or a token of [1, entries, features]


def linear(name: str, outputs: int, inputs: int, *, bias: bool = True, **advice: Any) -> Iterator[Weight]:
    """Yield the tensors of a Linear."""
    yield Weight(f"{name}.weight", (outputs, inputs), advice)
    if bias:
        yield Weight(f"{name}.bias", (outputs,), BIAS)


def conv1d_of_gpt2(name: str, inputs: int, outputs: int, **advice: Any) -> Iterator[Weight]:
    """Yield the tensors of the Conv1D of transformers, a Linear with a weight of [in, out]."""
    yield Weight(f"{name}.weight", (inputs, outputs), {**advice, "axes": "io"})
    yield Weight(f"{name}.bias", (outputs,), BIAS)


def conv(name: str, outputs: int, inputs: int, *kernel: int, bias: bool = True, **advice: Any) -> Iterator[Weight]:
    """Yield the tensors of a convolution."""
    yield Weight(f"{name}.weight", (outputs, inputs, *kernel), {"layer": "conv", **advice})
    if bias:
        yield Weight(f"{name}.bias", (outputs,), BIAS)


def embedding(name: str, entries: int, features: int, padding_idx: int | None = None) -> Iterator[Weight]:
    """Yield the table of an Embedding, one entry of which may be zero."""
    advice: dict[str, Any] = {"layer": "embedding"}
    yield Weight(f"{name}.weight", (entries, features), advice if padding_idx is None else advice | {"padding_idx": padding_idx})


def norm(name: str, features: int, *, bias: bool = True) -> Iterator[Weight]:
    """Yield the tensors of a LayerNorm, or without a bias those of an RMSNorm."""
    yield Weight(f"{name}.weight", (features,), SCALE)
    if bias:
        yield Weight(f"{name}.bias", (features,), BIAS)


def batch_norm(name: str, features: int) -> Iterator[Weight]:
    """Yield the tensors of a BatchNorm, with its buffers."""
    yield from norm(name, features)
    yield Weight(f"{name}.running_mean", (features,), {"scheme": "zeros"}, is_parameter=False)
    yield Weight(f"{name}.running_var", (features,), {"scheme": "ones"}, is_parameter=False)
    yield Weight(f"{name}.num_batches_tracked", (), {}, is_parameter=False, values=(0,), dtype="int64")
