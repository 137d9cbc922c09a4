"""The service's side of a comparison with a library, and the assertions that both sides agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from service.core.initializer import Initializer, LayerSpecification, initialize
from service.core.layers.layer import Layer, LayerKind
from service.core.layers.layouts import axes_of, find_layout, view_of
from service.core.layers.weight import weight_of
from service.core.stream.distributions import Distribution
from service.core.stream.view import Shape
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import TensorSpec, VirtualTensor

Sample = npt.NDArray[np.float64]

SAMPLE_SIZE = 50_000
# Two samples of one distribution fail once in 10,000 comparisons. The seeds are fixed, so a comparison always passes or always fails.
FALSE_ALARM = 1e-4


PLAIN = Layer()  # dense or a convolution, depending on the rank


@dataclass(frozen=True)
class Weight:
    """The weight of a layer: its shape in the layout of the library, and the layer as the service sees it."""

    name: str
    shape: Shape
    layer: Layer = PLAIN
    layout: str = "torch"

    @property
    def canonical(self) -> Shape:
        """The shape in the canonical layout."""
        axes = axes_of(find_layout(self.layout), len(self.shape), self.layer.kind)
        return weight_of(self.shape, axes, self.layer).shape

    @property
    def draws(self) -> range:
        """The seeds of the tensors that make up a sample."""
        return range(math.ceil(SAMPLE_SIZE / math.prod(self.shape)))


def _in_torch() -> Iterator[Weight]:
    yield Weight("small", (10, 120))
    yield Weight("dense", (256, 200))  # [out, in]
    yield Weight("conv 1-D", (128, 80, 5))  # [out, in/groups, *kernel]
    yield Weight("conv 2-D", (96, 64, 3, 3))
    yield Weight("conv 3-D", (48, 40, 3, 3, 3))
    yield Weight("grouped", (128, 48, 3, 3), Layer(LayerKind.CONV, groups=4))
    yield Weight("depthwise", (6144, 1, 3, 3), Layer(LayerKind.DEPTHWISE, groups=3072))  # multiplier 2
    yield Weight("transposed", (56, 64, 4, 4), Layer(LayerKind.CONV_TRANSPOSE))  # [in, out/groups, *kernel]
    yield Weight("grouped and transposed", (256, 16, 4, 4), Layer(LayerKind.CONV_TRANSPOSE, groups=4))
    yield Weight("packed", (408, 136), Layer(packed=3))  # queries, keys and values
    yield Weight("recurrent", (512, 100), Layer(LayerKind.RECURRENT, packed=4))  # the gates of an LSTM
    yield Weight("embedding", (800, 64), Layer(LayerKind.EMBEDDING))


def _in_keras() -> Iterator[Weight]:
    yield Weight("small", (120, 10), layout="keras")
    yield Weight("dense", (200, 256), layout="keras")  # [in, out]
    yield Weight("conv 1-D", (5, 80, 128), layout="keras")  # [*kernel, in/groups, out]
    yield Weight("conv 2-D", (3, 3, 64, 96), layout="keras")
    yield Weight("conv 3-D", (3, 3, 3, 40, 48), layout="keras")
    yield Weight("grouped", (3, 3, 48, 128), Layer(LayerKind.CONV, groups=4), "keras")
    yield Weight("depthwise", (3, 3, 3072, 2), Layer(LayerKind.DEPTHWISE, groups=3072), "keras")  # [*kernel, channels, multiplier]
    yield Weight("transposed", (4, 4, 64, 56), Layer(LayerKind.CONV_TRANSPOSE), "keras")  # [*kernel, out, in]
    yield Weight("packed", (136, 408), Layer(packed=3), "keras")
    yield Weight("recurrent", (100, 512), Layer(LayerKind.RECURRENT, packed=4), "keras")
    yield Weight("embedding", (800, 64), Layer(LayerKind.EMBEDDING), "keras")  # [entries, features], as in torch


IN_TORCH = tuple(_in_torch())
IN_KERAS = tuple(_in_keras())
every_weight_in_torch = pytest.mark.parametrize("weight", IN_TORCH, ids=lambda weight: weight.name)
every_weight_in_keras = pytest.mark.parametrize("weight", IN_KERAS, ids=lambda weight: weight.name)

# JAX compiles each shape anew, which takes seconds. The parameters are compared for all shapes.
some_weights_in_keras = pytest.mark.parametrize(
    "weight",
    [weight for weight in IN_KERAS if weight.name in ("small", "conv 2-D", "depthwise", "transposed")],
    ids=lambda weight: weight.name,
)


def named(weights: tuple[Weight, ...], name: str) -> Weight:
    """Return the weight with this name."""
    return next(weight for weight in weights if weight.name == name)


def described(value: object) -> str:
    """Return the test id for one part of a row. Empty parameters become `default`."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={parameter}" for name, parameter in value.items()) or "default"
    return str(value)


def resolve(weight: Weight, scheme: str, parameters: dict[str, Any], **fans: Any) -> Initializer:
    """Return the service's initializer for a scheme and a weight. `fans` are the fans of a bias, or the fan convention."""
    return initialize(LayerSpecification(weight.canonical, scheme=scheme, parameters=parameters, layer=weight.layer, **fans))


def sample(weight: Weight, scheme: str, parameters: dict[str, Any], *, dtype: str = "float32", **fans: Any) -> Sample:
    """Return the service's values in the layout of the library, from several seeds if the tensor is small."""
    values, view = resolve(weight, scheme, parameters, **fans).rule, view_of(weight.shape, find_layout(weight.layout), weight.layer.kind)
    specs = (TensorSpec(values, DTYPES[dtype], view, seed=seed) for seed in weight.draws)
    return np.concatenate([VirtualTensor(spec).read().astype(np.float64) for spec in specs])


def sample_of(weight: Weight, draw: Callable[[int], npt.ArrayLike]) -> Sample:
    """Return the library's values from the same number of draws, each with its own seed."""
    return np.concatenate([np.asarray(draw(seed), np.float64).ravel() for seed in weight.draws])


def assert_same_parameters(ours: Distribution, theirs: Distribution) -> None:
    """Check that the kind, loc, scale and cut are the same.

    The last bits may differ, because a formula can be evaluated in several orders. For a truncated normal, digits after the tenth
    may differ, because the service rounds its standard deviation there to be the same on every machine.
    """
    digits = 1e-14 if ours.cut is None else 1e-10
    assert ours.draw is theirs.draw
    assert ours.loc == pytest.approx(theirs.loc, rel=digits, abs=digits * abs(theirs.scale))
    assert ours.scale == pytest.approx(theirs.scale, rel=digits)
    assert ours.cut == (None if theirs.cut is None else pytest.approx(theirs.cut, rel=digits))


def assert_indistinguishable(ours: Sample, theirs: Sample) -> None:
    """Check that the two-sample Kolmogorov-Smirnov test does not tell the samples apart."""
    assert min(ours.size, theirs.size) >= SAMPLE_SIZE
    assert p_value_of_same_distribution(ours, theirs) > FALSE_ALARM


def p_value_of_same_distribution(ours: Sample, theirs: Sample) -> float:
    """Return the p-value: how often two samples of one distribution would differ by more."""
    return float(stats.ks_2samp(ours, theirs, method="asymp").pvalue)
