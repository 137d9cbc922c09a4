"""Fans: from the shape alone, from the layer, and as torch and Keras count them."""

from __future__ import annotations

import numpy as np
import pytest

from service.core.advice.warnings import warnings_for
from service.core.errors import InvalidValue, UnknownName
from service.core.initializer import LayerSpecification, initialize
from service.core.layers.fans import FanConvention, Fans, Mode, find_fan_convention
from service.core.layers.layer import Layer, LayerKind
from service.core.layers.layouts import CANONICAL_LAYOUT, axes_of, view_of
from service.core.layers.roles import find_role
from service.core.layers.weight import Weight, weight_of
from service.core.stream.view import Shape
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import TensorSpec, VirtualTensor
from tests.core.activate import activate


def weight(shape: Shape, layer: Layer | None = None, layout: str = CANONICAL_LAYOUT, **given: int) -> Weight:
    layer = layer or Layer()
    return weight_of(shape, axes_of(layout, len(shape), layer.kind), layer, given=Fans(**given))


@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"),
    [((3, 5), 5, 3), ((64, 3, 7, 7), 147, 3136), ((8, 4, 3), 12, 24), ((2, 3, 2, 2, 2), 24, 16)],
)
def test_fans_include_the_kernel_size(shape: Shape, fan_in: int, fan_out: int) -> None:
    for convention in FanConvention:
        assert weight(shape).fans_by(convention) == Fans(fan_in, fan_out)


# layer, shape in torch's layout, true fans, torch's fans, Keras's fans (of the shape in Keras's layout)
CASES: list[tuple[Layer, Shape, Fans, Fans, Fans]] = [
    (Layer(LayerKind.DENSE), (3, 5), Fans(5, 3), Fans(5, 3), Fans(5, 3)),
    # 2 groups of 8 → 16: [16, 4, 3, 3]
    (Layer(LayerKind.CONV, groups=2), (16, 4, 3, 3), Fans(36, 72), Fans(36, 144), Fans(36, 144)),
    # 6 channels, multiplier 2: [12, 1, 3, 3]; Keras's [3, 3, 6, 2]
    (Layer(LayerKind.DEPTHWISE, groups=6), (12, 1, 3, 3), Fans(9, 18), Fans(9, 108), Fans(54, 18)),
    # 8 → 16 in 2 groups: [8, 8, 3, 3], with the inputs first
    (Layer(LayerKind.CONV_TRANSPOSE, groups=2), (8, 8, 3, 3), Fans(36, 72), Fans(72, 72), Fans(72, 72)),
    (Layer(LayerKind.CONV_TRANSPOSE), (8, 16, 3, 3), Fans(72, 144), Fans(144, 72), Fans(144, 72)),
    (Layer(packed=3), (2304, 768), Fans(768, 768), Fans(768, 2304), Fans(768, 2304)),
    (Layer(LayerKind.RECURRENT, packed=4), (400, 100), Fans(100, 100), Fans(100, 400), Fans(100, 400)),
    (Layer(LayerKind.EMBEDDING), (1000, 64), Fans(1, 64), Fans(64, 1000), Fans(1000, 64)),
]


@pytest.mark.parametrize(("layer", "shape", "true", "torch", "keras"), CASES)
def test_each_convention_counts_the_fans_of_a_layer(layer: Layer, shape: Shape, true: Fans, torch: Fans, keras: Fans) -> None:
    assert weight(shape, layer).fans == weight(shape, layer).true_fans == true
    assert weight(shape, layer).fans_by(FanConvention.TORCH) == torch
    assert weight(shape, layer).fans_by(FanConvention.KERAS) == keras


def test_a_vector_has_fans_only_in_keras() -> None:
    assert weight((7,)).fans == weight((7,)).fans_by(FanConvention.TORCH) == Fans(None, None)
    assert weight((7,)).fans_by(FanConvention.JAX) == Fans(None, None)
    assert weight((7,)).fans_by(FanConvention.KERAS) == Fans(7, 7)


def test_fan_out_of_a_depthwise_kernel_is_unknown_without_groups() -> None:
    assert weight((12, 1, 3, 3), Layer(LayerKind.DEPTHWISE)).fans == Fans(9, None)


def test_given_fans_take_precedence() -> None:
    assert weight((3, 5), fan_in=10).fans == Fans(10, 3)
    assert weight((3,), fan_in=10, fan_out=20).fans == Fans(10, 20)


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 4), ("fan_out", 9), ("fan_avg", 6.5), ("fan_geo_avg", 6)])
def test_mode_selects_the_fan(mode: str, fan: float) -> None:
    assert Fans(4, 9).by(Mode(mode), scheme="any") == fan


@pytest.mark.parametrize("shape", [(), (7,)])
def test_error_for_a_bias_without_fans_says_what_to_give(shape: Shape) -> None:
    with pytest.raises(InvalidValue, match=r"fan_in: expected the fan_in that he_normal divides by.*Give fan_in"):
        weight(shape).fans.by(Mode.FAN_IN, scheme="he_normal")


@pytest.mark.parametrize("fan", [0, -1, 2**63])
def test_rejects_a_fan_out_of_range(fan: int) -> None:
    with pytest.raises(InvalidValue, match="fan_out"):
        weight((3, 5), fan_out=fan)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Layer(LayerKind.CONV), (3, 5), "a rank of at least 3 for conv weights"),
        (Layer(LayerKind.DENSE), (3, 5, 3), "rank 2 for dense weights"),
        (Layer(LayerKind.DEPTHWISE), (12, 2, 3, 3), "channels·multiplier, 1"),
        (Layer(groups=5), (16, 4, 3), r"divisible by groups \(5\) times packed \(1\)"),
        (Layer(packed=3), (16, 4), r"divisible by groups \(1\) times packed \(3\)"),
        (Layer(groups=0), (16, 4), "groups: expected an integer of at least 1"),
        (Layer(packed=-1), (16, 4), "packed: expected an integer of at least 1"),
    ],
)
def test_rejects_a_layer_that_does_not_fit_the_shape(layer: Layer, shape: Shape, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        weight(shape, layer)


def test_errors_for_unknown_layers_and_conventions_suggest_a_name() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'dense'"):
        find_role("dens")
    with pytest.raises(UnknownName, match="Did you mean 'true'"):
        find_fan_convention("tru")
    assert find_fan_convention("flax") is FanConvention.JAX


def test_a_library_name_uses_that_librarys_fans() -> None:
    packed = Layer(packed=3)
    ours, torch = (
        initialize(LayerSpecification((2304, 768), scheme=name, layer=packed)) for name in ("xavier_uniform", "torch.xavier_uniform_")
    )
    assert ours.distribution.stddev == pytest.approx((2 / 1536) ** 0.5)
    assert torch.distribution.stddev == pytest.approx((2 / 3072) ** 0.5)
    corrected = initialize(LayerSpecification((2304, 768), scheme="torch.xavier_uniform_", layer=packed, fan_convention=FanConvention.TRUE))
    assert corrected.distribution == ours.distribution


def test_warns_if_the_fans_of_a_library_differ_from_the_true_fans() -> None:
    shape, layer = (12, 1, 3, 3), Layer(LayerKind.DEPTHWISE, groups=6)
    keras = initialize(LayerSpecification(shape, scheme="keras.HeNormal", layer=layer, activation=activate("relu")))
    warnings = warnings_for(keras)
    assert any("keras reads fan_in 54 and fan_out 18 off the shape alone; what feeds a unit" in warning for warning in warnings)
    assert any("too small for relu" in warning for warning in warnings)
    assert warnings_for(initialize(LayerSpecification(shape, scheme="he_normal", layer=layer, activation=activate("relu")))) == []


def test_does_not_warn_about_the_size_if_a_fan_is_unknown() -> None:
    shape, layer = (12, 1, 3, 3), Layer(LayerKind.DEPTHWISE)
    assert warnings_for(initialize(LayerSpecification(shape, layer=layer, activation=activate("relu")))) == []
    zeros = initialize(LayerSpecification(shape, scheme="zeros", layer=layer, activation=activate("tanh")))
    assert "symmetry" in warnings_for(zeros)[0]


def _values(shape: Shape, layout: str, layer: LayerKind) -> np.ndarray:
    distribution = initialize(LayerSpecification((), scheme="normal")).distribution
    view = view_of(shape, layout, layer)
    return VirtualTensor(TensorSpec(distribution, DTYPES["float32"], view, seed=7)).read().reshape(shape)


def test_depthwise_kernels_have_the_same_values_in_torch_and_keras() -> None:
    keras = _values((3, 5, 6, 2), "keras", LayerKind.DEPTHWISE)
    torch = _values((12, 1, 3, 5), "torch", LayerKind.DEPTHWISE)
    assert weight((3, 5, 6, 2), Layer(LayerKind.DEPTHWISE), "keras").shape == (12, 1, 3, 5)
    for channel in range(6):
        for index in range(2):
            assert np.array_equal(keras[:, :, channel, index], torch[2 * channel + index, 0])


def test_transposed_kernels_have_the_same_values_in_torch_and_keras() -> None:
    keras = _values((3, 3, 16, 8), "keras", LayerKind.CONV_TRANSPOSE)
    torch = _values((8, 16, 3, 3), "torch", LayerKind.CONV_TRANSPOSE)
    assert np.array_equal(keras, np.moveaxis(torch, (0, 1), (-1, -2)))


def test_flax_puts_the_inputs_of_a_transposed_kernel_before_the_outputs() -> None:
    flax = _values((3, 3, 8, 16), "jax", LayerKind.CONV_TRANSPOSE)
    torch = _values((8, 16, 3, 3), "torch", LayerKind.CONV_TRANSPOSE)
    assert weight((3, 3, 8, 16), Layer(LayerKind.CONV_TRANSPOSE), "jax").shape == (8, 16, 3, 3)
    assert np.array_equal(flax, np.moveaxis(torch, (0, 1), (-2, -1)))


def test_an_embedding_has_the_same_layout_in_torch_and_keras() -> None:
    assert np.array_equal(_values((10, 4), "keras", LayerKind.EMBEDDING), _values((10, 4), "torch", LayerKind.EMBEDDING))
