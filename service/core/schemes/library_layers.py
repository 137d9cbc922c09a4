"""What the layers of torch, Keras and Flax draw unasked, one row each: a scheme for each of their tensors.

The scheme `library_default` stands for all of them. It is replaced by the scheme of the tensor before anything else is decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from service.core import references
from service.core.errors import InvalidValue
from service.core.layers.layer import LayerKind
from service.core.layers.roles import Role
from service.core.names import name_key
from service.core.parameters import Kind, Parameter
from service.core.schemes.scheme import Alias, Scheme

_OF_VECTORS = ("zeros", "ones", "constant")  # the schemes of weights that are vectors themselves


class Part(NamedTuple):
    """A tensor of a layer, under its names in the library, and the scheme that the layer draws it by."""

    names: tuple[str, ...]
    scheme: str
    presets: Mapping[str, Any] = {}


@dataclass(frozen=True, eq=False)
class LibraryLayer:
    """Layers of a library that draw alike. The first part is the weight. `kind` says how to read its axes."""

    names: tuple[str, ...]
    parts: tuple[Part, ...]
    kind: LayerKind | None = None

    def part_for(self, name: str | None, role: Role | None, *, is_vector: bool) -> Part:
        """Return the part with this name; without a name, the one that the role or the rank of the tensor tells. Raises InvalidValue."""
        if name is not None or (role is not None and role.name == "bias"):
            return self._named(name or "bias")
        usual = None
        if role is not None and role.kind is LayerKind.RECURRENT:
            usual = self._find("recurrent_kernel")
        elif is_vector and self.parts[0].scheme not in _OF_VECTORS:
            usual = self._find("bias")
        return usual or self.parts[0]

    def _find(self, name: str) -> Part | None:
        return next((part for part in self.parts if name_key(name) in map(name_key, part.names)), None)

    def _named(self, name: str) -> Part:
        part = self._find(name)
        if part is None:
            names = ", ".join(name for part in self.parts for name in part.names)
            raise InvalidValue("part", expected=f"a tensor of {self.names[0]}: {names}", received=name, action="Name one of its tensors.")
        return part


def _part(names: str, scheme: str, **presets: Any) -> Part:
    return Part(tuple(names.split()), scheme, presets)


def _layers(library: str, names: str, *parts: Part, kind: LayerKind | None = None) -> LibraryLayer:
    return LibraryLayer(tuple(f"{library}.{name}" for name in names.split()), parts, kind)


_ZERO_BIAS = _part("bias", "zeros")

_TORCH = (
    _layers("torch.nn", "LSTM LSTMCell", _part("weight weight_ih weight_hh", "torch_rnn", gates=4),
            _part("bias bias_ih bias_hh", "torch_rnn", gates=4), _part("weight_hr", "torch_default")),  # U[-1/√hidden, 1/√hidden] as all
    _layers("torch.nn", "GRU GRUCell", _part("weight weight_ih weight_hh", "torch_rnn", gates=3),
            _part("bias bias_ih bias_hh", "torch_rnn", gates=3)),
    _layers("torch.nn", "RNN RNNCell", _part("weight weight_ih weight_hh", "torch_rnn", gates=1),
            _part("bias bias_ih bias_hh", "torch_rnn", gates=1)),
    _layers("torch.nn", "LayerNorm RMSNorm GroupNorm BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm InstanceNorm1d InstanceNorm2d"
            " InstanceNorm3d", _part("weight running_var", "ones"), _part("bias running_mean", "zeros")),
    _layers("torch.nn", "MultiheadAttention", _part("in_proj_weight weight q_proj_weight k_proj_weight v_proj_weight", "xavier_uniform"),
            _part("in_proj_bias bias out_proj.bias", "zeros"), _part("out_proj.weight", "torch_default"),
            _part("bias_k bias_v", "xavier_normal")),
    _layers("torch.nn", "Embedding EmbeddingBag", _part("weight", "normal"), kind=LayerKind.EMBEDDING),
    _layers("torch.nn", "PReLU", _part("weight", "constant", value=0.25)),
)  # fmt: skip

_GLOROT = _part("kernel weight", "xavier_uniform")
_KERAS = (
    _layers("keras.layers", "Dense Conv1D Conv2D Conv3D", _GLOROT, _ZERO_BIAS),
    _layers("keras.layers", "SeparableConv1D SeparableConv2D",
            _part("pointwise_kernel weight depthwise_kernel", "xavier_uniform"), _ZERO_BIAS),
    _layers("keras.layers", "Conv1DTranspose Conv2DTranspose Conv3DTranspose", _GLOROT, _ZERO_BIAS, kind=LayerKind.CONV_TRANSPOSE),
    _layers("keras.layers", "DepthwiseConv1D DepthwiseConv2D", _GLOROT, _ZERO_BIAS, kind=LayerKind.DEPTHWISE),
    # these count the fans of their einsum, so their axes have to be given
    _layers("keras.layers", "EinsumDense MultiHeadAttention GroupQueryAttention", _GLOROT, _ZERO_BIAS),
    _layers("keras.layers", "Embedding", _part("embeddings weight", "uniform", low=-0.05, high=0.05), kind=LayerKind.EMBEDDING),
    _layers("keras.layers", "LSTM LSTMCell ConvLSTM1D ConvLSTM2D ConvLSTM3D", _GLOROT,
            _part("recurrent_kernel", "orthogonal"), _part("bias", "lstm_bias", gate_order="keras")),
    _layers("keras.layers", "GRU GRUCell SimpleRNN SimpleRNNCell", _GLOROT, _part("recurrent_kernel", "orthogonal"), _ZERO_BIAS),
    _layers("keras.layers", "LayerNormalization BatchNormalization GroupNormalization RMSNormalization",
            _part("gamma weight scale moving_variance", "ones"), _part("beta bias moving_mean", "zeros")),
    _layers("keras.layers", "PReLU", _part("alpha weight", "zeros")),
)  # fmt: skip

_LECUN = _part("kernel weight", "lecun_normal", distribution="truncated_normal")
_FLAX = (
    _layers("flax.linen", "Dense DenseGeneral Einsum Conv ConvLocal MultiHeadAttention MultiHeadDotProductAttention SelfAttention",
            _LECUN, _ZERO_BIAS),
    _layers("flax.linen", "ConvTranspose", _LECUN, _ZERO_BIAS, kind=LayerKind.CONV_TRANSPOSE),
    _layers("flax.nnx", "Linear LinearGeneral", _LECUN, _ZERO_BIAS),
    # fan_in along an axis that is also out_axis: the number of features
    _layers("flax.linen", "Embed", _part("embedding weight", "variance_scaling", mode="fan_out"), kind=LayerKind.EMBEDDING),
    _layers("flax.linen", "LSTMCell OptimizedLSTMCell GRUCell SimpleCell", _LECUN, _part("recurrent_kernel", "orthogonal"), _ZERO_BIAS),
    _layers("flax.linen", "LayerNorm RMSNorm BatchNorm GroupNorm InstanceNorm WeightNorm",
            _part("scale weight var", "ones"), _part("bias mean", "zeros")),
    _layers("flax.linen", "PReLU", _part("negative_slope weight", "constant", value=0.01)),
)  # fmt: skip

LIBRARY_LAYERS: dict[str, LibraryLayer] = {name: row for row in (*_TORCH, *_KERAS, *_FLAX) for name in row.names}
_PART_NAMES = dict.fromkeys(name for row in LIBRARY_LAYERS.values() for part in row.parts for name in part.names)

LIBRARY_DEFAULT = Scheme(
    "library_default",
    "What a layer of torch, Keras or Flax draws unasked.",
    "as the scheme of the tensor",
    references.LIBRARIES,
    None,
    (
        Parameter("of", "the layer of the library", kind=Kind.CHOICE, required=True, choices=tuple(LIBRARY_LAYERS)),
        Parameter(
            "part",
            "the tensor of the layer, under its name in the library; by default the weight, and the bias for a vector or layer=bias",
            kind=Kind.CHOICE,
            choices=tuple(_PART_NAMES),
        ),
    ),
    tuple(Alias(name, {"of": name}) for name in LIBRARY_LAYERS),
)
