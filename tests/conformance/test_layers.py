"""What layers of torch, Keras and Flax draw unasked, compared with the scheme that their names stand for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import ks_2samp

from service.contract.answer import Limits, answer
from service.contract.reading import read_json
from service.contract.request import InitRequest
from service.core.schemes.library_layers import LIBRARY_LAYERS
from service.files.formats import FORMATS
from tests.conformance.comparing import FALSE_ALARM
from tests.conformance.libraries import MISSING

torch = pytest.importorskip("torch", reason=f"torch is {MISSING}")
keras = pytest.importorskip("keras", reason=f"Keras is {MISSING}")
linen = pytest.importorskip("flax.linen", reason=f"Flax is {MISSING}")
nnx = pytest.importorskip("flax.nnx", reason=f"Flax is {MISSING}")
import jax  # noqa: E402  # Flax needs it

Tensors = dict[str, npt.NDArray[Any]]


def _torch(build: Callable[[], Any]) -> Tensors:
    torch.manual_seed(20261127)
    module = build()
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: tensor.detach().numpy() for name, tensor in named if tensor.ndim}


def _keras(layer: Any, *shapes: tuple[int | None, ...]) -> Tensors:
    keras.utils.set_random_seed(20261127)
    layer.build(*shapes)
    return {weight.path.rpartition("/")[2]: np.asarray(weight) for weight in layer.weights}


def _linen(module: Any, *inputs: tuple[int, ...], dtype: str = "float32") -> Tensors:
    arrays = [np.ones(shape, dtype) for shape in inputs]
    variables = module.init(jax.random.key(20261127), *arrays)
    leaves = [leaf for tree in variables.values() for leaf in jax.tree_util.tree_leaves_with_path(tree)]
    return {path[-1].key: np.asarray(value) for path, value in leaves}


def _cell(module: Any, width: int) -> Tensors:
    variables = module.init(jax.random.key(7), module.initialize_carry(jax.random.key(7), (1, width)), np.ones((1, width), np.float32))
    gates = variables["params"]
    recurrent = gates["hi"] if "hi" in gates else gates["hn"] if "hn" in gates else gates["h"]
    first = gates["ii"] if "ii" in gates else gates["in"] if "in" in gates else gates["i"]
    biases = [value for gate in gates.values() for name, value in gate.items() if name == "bias"]
    return {"kernel": np.asarray(first["kernel"]), "recurrent_kernel": np.asarray(recurrent["kernel"]), "bias": np.asarray(biases[0])}


def _keras_query() -> Tensors:
    keras.utils.set_random_seed(7)
    layer = keras.layers.MultiHeadAttention(4, 24)
    layer.build((None, 5, 96), (None, 5, 96))
    return {weight.path.rpartition("/")[2]: np.asarray(weight) for weight in layer.weights if "/query/" in weight.path}


def _flax_query() -> Tensors:
    inputs = np.ones((1, 5, 96), np.float32)
    variables = linen.MultiHeadDotProductAttention(4).init(jax.random.key(7), inputs, inputs)
    return {name: np.asarray(value) for name, value in variables["params"]["query"].items()}


# library's name of the layer -> its tensors, the layout or the axes of its weights
Case = tuple[str, Callable[[], Tensors], dict[str, dict[str, Any]]]
CONV = {"layout": "keras"}
FLAX = {"layout": "flax"}

CASES: list[Case] = [
    *((f"torch.nn.{name}", lambda name=name: _torch(lambda: getattr(torch.nn, name)(96, 64)), {}) for name in ("LSTM", "GRU", "RNN")),
    *((f"torch.nn.{name}", lambda name=name: _torch(lambda: getattr(torch.nn, name)(96, 64)), {})
      for name in ("LSTMCell", "GRUCell", "RNNCell")),
    *((f"torch.nn.{name}", lambda name=name: _torch(lambda: getattr(torch.nn, name)(64)), {})
      for name in ("LayerNorm", "RMSNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")),
    *((f"torch.nn.{name}", lambda name=name: _torch(lambda: getattr(torch.nn, name)(64, affine=True)), {})
      for name in ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d")),
    ("torch.nn.LSTM", lambda: _torch(lambda: torch.nn.LSTM(96, 64, proj_size=32)), {}),
    ("torch.nn.GroupNorm", lambda: _torch(lambda: torch.nn.GroupNorm(2, 64)), {}),
    ("torch.nn.MultiheadAttention", lambda: _torch(lambda: torch.nn.MultiheadAttention(96, 4, add_bias_kv=True)), {}),
    ("torch.nn.MultiheadAttention", lambda: _torch(lambda: torch.nn.MultiheadAttention(96, 4, kdim=64, vdim=32)), {}),
    ("torch.nn.Embedding", lambda: _torch(lambda: torch.nn.Embedding(500, 64, padding_idx=3)), {"weight": {"padding_idx": 3}}),
    ("torch.nn.EmbeddingBag", lambda: _torch(lambda: torch.nn.EmbeddingBag(500, 64)), {}),
    ("torch.nn.PReLU", lambda: _torch(lambda: torch.nn.PReLU(8)), {}),
    ("keras.layers.Dense", lambda: _keras(keras.layers.Dense(96), (None, 64)), {"kernel": CONV}),
    ("keras.layers.Conv1D", lambda: _keras(keras.layers.Conv1D(64, 5), (None, 8, 48)), {"kernel": CONV}),
    ("keras.layers.Conv2D", lambda: _keras(keras.layers.Conv2D(64, 3), (None, 8, 8, 48)), {"kernel": CONV}),
    ("keras.layers.Conv3D", lambda: _keras(keras.layers.Conv3D(32, 3), (None, 8, 8, 8, 16)), {"kernel": CONV}),
    ("keras.layers.SeparableConv2D", lambda: _keras(keras.layers.SeparableConv2D(64, 3), (None, 8, 8, 96)),
     {"pointwise_kernel": CONV, "depthwise_kernel": {"layout": "keras", "layer": "depthwise"}}),
    ("keras.layers.Conv1DTranspose", lambda: _keras(keras.layers.Conv1DTranspose(64, 5), (None, 8, 48)), {"kernel": CONV}),
    ("keras.layers.Conv2DTranspose", lambda: _keras(keras.layers.Conv2DTranspose(64, 3), (None, 8, 8, 48)), {"kernel": CONV}),
    ("keras.layers.DepthwiseConv2D", lambda: _keras(keras.layers.DepthwiseConv2D(3, depth_multiplier=2), (None, 8, 8, 300)),
     {"kernel": CONV}),
    ("keras.layers.EinsumDense",
     lambda: _keras(keras.layers.EinsumDense("abc,cde->abde", (None, 8, 16), bias_axes="de"), (None, 5, 64)), {"kernel": {"axes": "ioo"}}),
    ("keras.layers.MultiHeadAttention", _keras_query, {"kernel": {"axes": "ioo"}}),
    ("keras.layers.Embedding", lambda: _keras(keras.layers.Embedding(500, 64), (None,)), {}),
    ("keras.layers.LSTM", lambda: _keras(keras.layers.LSTM(64), (None, 5, 48)), {"kernel": CONV, "recurrent_kernel": CONV}),
    ("keras.layers.GRU", lambda: _keras(keras.layers.GRU(64), (None, 5, 48)), {"kernel": CONV, "recurrent_kernel": CONV}),
    ("keras.layers.SimpleRNN", lambda: _keras(keras.layers.SimpleRNN(64), (None, 5, 48)), {"kernel": CONV, "recurrent_kernel": CONV}),
    ("keras.layers.ConvLSTM2D", lambda: _keras(keras.layers.ConvLSTM2D(16, 3), (None, 5, 8, 8, 8)),
     {"kernel": CONV, "recurrent_kernel": CONV}),
    *((f"keras.layers.{name}", lambda name=name: _keras(getattr(keras.layers, name)(), (None, 32)), {})
      for name in ("LayerNormalization", "BatchNormalization", "RMSNormalization", "PReLU")),
    ("keras.layers.GroupNormalization", lambda: _keras(keras.layers.GroupNormalization(4), (None, 32)), {}),
    ("flax.linen.Dense", lambda: _linen(linen.Dense(96), (1, 64)), {"kernel": FLAX}),
    ("flax.linen.DenseGeneral", lambda: _linen(linen.DenseGeneral((8, 16)), (1, 64)), {"kernel": {"axes": "ioo"}}),
    ("flax.linen.Einsum", lambda: _linen(linen.Einsum((64, 96), "ab,bc->ac"), (1, 64)), {"kernel": FLAX}),
    ("flax.linen.Conv", lambda: _linen(linen.Conv(64, (3, 3)), (1, 8, 8, 48)), {"kernel": FLAX}),
    ("flax.linen.ConvTranspose", lambda: _linen(linen.ConvTranspose(64, (3, 3)), (1, 8, 8, 48)), {"kernel": FLAX}),
    ("flax.linen.Embed", lambda: _linen(linen.Embed(500, 64), (1,), dtype="int32"), {}),
    *((f"flax.linen.{name}", lambda name=name: _linen(getattr(linen, name)(*((False,) if name == "BatchNorm" else ())), (2, 64)), {})
      for name in ("LayerNorm", "RMSNorm", "GroupNorm", "BatchNorm")),
    ("flax.linen.InstanceNorm", lambda: _linen(linen.InstanceNorm(), (2, 8, 64)), {}),
    ("flax.linen.PReLU", lambda: _linen(linen.PReLU(), (2, 64)), {}),
    *((f"flax.linen.{name}", lambda name=name: _cell(getattr(linen, name)(64), 96), {"kernel": FLAX, "recurrent_kernel": FLAX})
      for name in ("LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell")),
    ("flax.linen.MultiHeadDotProductAttention", _flax_query, {"kernel": {"axes": "ioo"}}),
    ("flax.nnx.Linear", lambda: {"kernel": np.asarray(nnx.Linear(64, 96, rngs=nnx.Rngs(7)).kernel[...])}, {"kernel": FLAX}),
]  # fmt: skip


def _ours(layer: str, part: str, shape: tuple[int, ...], fields: dict[str, Any]) -> tuple[npt.NDArray[np.float64], bool]:
    """Return the service's values of a tensor, and whether they are drawn."""
    body = {"shape": shape, "scheme": layer, "part": part, "seed": 7, "format": "raw"} | fields
    reply = answer(read_json(InitRequest, json.dumps(body).encode()), FORMATS["raw"], Limits())
    values = reply.tensor.read().reshape(shape)
    return values, reply.metadata["scheme"] not in ("zeros", "ones", "constant", "lstm_bias")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_layers_name_draws_as_the_layer(case: Case) -> None:
    name, build, fields = case
    tensors = build()
    assert tensors
    for tensor, theirs in tensors.items():
        part = tensor.removesuffix("_l0")
        ours, is_drawn = _ours(name, part, theirs.shape, fields.get(part, {}))
        if not is_drawn:
            assert np.array_equal(ours, theirs), part
            continue
        assert np.array_equal(ours == 0, theirs == 0), f"{part}: the zeros of padding"
        if _scheme(name, part) == "orthogonal":
            matrix = theirs.reshape(-1, theirs.shape[-1])
            assert _is_orthogonal(matrix), part
            assert _is_orthogonal(ours.reshape(-1, ours.shape[-1])), part
        else:
            assert ks_2samp(ours[ours != 0], theirs[theirs != 0]).pvalue > FALSE_ALARM, part


def _scheme(layer: str, part: str) -> str:
    return LIBRARY_LAYERS[layer].part_for(part, None, is_vector=False).scheme


def _is_orthogonal(matrix: npt.NDArray[Any]) -> bool:
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    return bool(np.abs(short @ short.T - np.eye(len(short))).max() < 1e-5)


def test_every_layer_with_tensors_of_its_own_is_compared() -> None:
    compared = {LIBRARY_LAYERS[name] for name, *_ in CASES}
    assert compared == set(LIBRARY_LAYERS.values())
