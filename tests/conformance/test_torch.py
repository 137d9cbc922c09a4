"""torch.nn.init, and the default initialization of torch's layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from service.core.layers.layer import Layer, LayerKind
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.view import Shape
from tests.conformance.comparing import (
    IN_TORCH,
    Weight,
    assert_indistinguishable,
    assert_same_parameters,
    described,
    every_weight_in_torch,
    named,
    resolve,
    sample,
    sample_of,
)
from tests.conformance.libraries import MISSING
from tests.core.activate import activate

torch = pytest.importorskip("torch", reason=f"torch is {MISSING}")
TorchDispatchMode: Any = pytest.importorskip("torch.utils._python_dispatch", reason=f"torch is {MISSING}").TorchDispatchMode

Parameters = dict[str, Any]

# name, the service's parameters, torch's parameters
DRAWN: list[tuple[str, Parameters, Parameters]] = [
    ("uniform_", {}, {}),
    ("uniform_", {"low": -0.1, "high": 0.3}, {"a": -0.1, "b": 0.3}),
    ("normal_", {}, {}),
    ("normal_", {"mean": 0.5, "stddev": 0.02}, {"mean": 0.5, "std": 0.02}),
    ("trunc_normal_", {}, {}),
    ("trunc_normal_", {"stddev": 0.02}, {"std": 0.02}),  # absolute bounds ±2: nothing is cut
    ("trunc_normal_", {"stddev": 4.0}, {"std": 4.0}),  # nearly uniform
    ("trunc_normal_", {"mean": 1.0, "stddev": 0.5, "low": 0.5, "high": 2.0}, {"mean": 1.0, "std": 0.5, "a": 0.5, "b": 2.0}),
    ("xavier_uniform_", {}, {}),
    ("xavier_uniform_", {"gain": 5 / 3}, {"gain": 5 / 3}),
    ("xavier_normal_", {}, {}),
    ("xavier_normal_", {"gain": 5 / 3}, {"gain": 5 / 3}),
    ("kaiming_uniform_", {}, {}),
    ("kaiming_uniform_", {"mode": "fan_out"}, {"mode": "fan_out"}),
    ("kaiming_uniform_", {"negative_slope": math.sqrt(5)}, {"a": math.sqrt(5)}),
    ("kaiming_normal_", {}, {}),
    ("kaiming_normal_", {"mode": "fan_out"}, {"mode": "fan_out"}),
    ("kaiming_normal_", {"negative_slope": 0.2}, {"a": 0.2}),
    ("kaiming_normal_", {"mode": "fan_out", "negative_slope": 0.2}, {"mode": "fan_out", "a": 0.2}),
]
every_scheme = pytest.mark.parametrize(("name", "parameters", "theirs"), DRAWN, ids=described)

CONSTANT: list[tuple[str, Parameters, Parameters]] = [
    ("zeros_", {}, {}),
    ("ones_", {}, {}),
    ("constant_", {"value": -0.25}, {"val": -0.25}),
]

# the service's name, a layer with default initialization, its weight
DEFAULTS: list[tuple[str, Callable[[], Any], Weight]] = [
    ("torch.nn.Linear", lambda: torch.nn.Linear(200, 256), named(IN_TORCH, "dense")),
    ("torch.nn.Linear", lambda: torch.nn.Linear(120, 10), named(IN_TORCH, "small")),
    ("torch.nn.Conv1d", lambda: torch.nn.Conv1d(80, 128, 5), named(IN_TORCH, "conv 1-D")),
    ("torch.nn.Conv2d", lambda: torch.nn.Conv2d(64, 96, 3), named(IN_TORCH, "conv 2-D")),
    ("torch.nn.Conv3d", lambda: torch.nn.Conv3d(40, 48, 3), named(IN_TORCH, "conv 3-D")),
    ("torch.nn.Conv2d", lambda: torch.nn.Conv2d(192, 128, 3, groups=4), named(IN_TORCH, "grouped")),
    ("torch.nn.Conv2d", lambda: torch.nn.Conv2d(3072, 6144, 3, groups=3072), named(IN_TORCH, "depthwise")),
    ("torch.default", lambda: torch.nn.ConvTranspose2d(56, 64, 4), named(IN_TORCH, "transposed")),
    ("torch.default", lambda: torch.nn.ConvTranspose2d(256, 64, 4, groups=4), named(IN_TORCH, "grouped and transposed")),
]
every_default = pytest.mark.parametrize(("scheme", "layer", "weight"), DEFAULTS, ids=lambda value: getattr(value, "name", None))


class RecordedDraws(TorchDispatchMode):  # type: ignore[misc]  # torch may be missing, and is Any to mypy
    """Records the distributions that torch draws from, with the exact numbers that reach its kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.distributions: list[Distribution] = []
        self._bounds: dict[str, float] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        match function.__name__, args[1:]:
            case "normal_.default", given:
                mean, stddev = (*given, 0.0, 1.0)[:2] if len(given) != 1 else (given[0], 1.0)
                self.distributions.append(Distribution(Draw.NORMAL, mean, stddev))
            case "uniform_.default", given:
                low, high = given or (0.0, 1.0)
                self.distributions.append(Distribution(Draw.UNIFORM, (low + high) / 2, (high - low) / 2))
            case ("lt.Scalar" | "gt.Scalar") as side, (bound,):
                self._bounds[side] = bound  # values beyond this bound are drawn again
        return function(*args, **(kwargs or {}))

    @property
    def first(self) -> Distribution:
        """The distribution of the first tensor, truncated at the bounds beyond which values are drawn again."""
        drawn = self.distributions[0]
        if not self._bounds:
            return drawn
        low, high = ((self._bounds[side] - drawn.loc) / drawn.scale for side in ("lt.Scalar", "gt.Scalar"))
        return Distribution(Draw.TRUNCATED_NORMAL, drawn.loc, drawn.scale, (low, high))


def initialized(weight: Weight, name: str, parameters: Parameters, *, dtype: str = "float32", seed: int = 0) -> Any:
    tensor = torch.empty(weight.shape, dtype=getattr(torch, dtype))
    return getattr(torch.nn.init, name)(tensor, **parameters, generator=torch.Generator().manual_seed(seed))


def build(layer: Callable[[], Any], seed: int) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return layer()


@every_weight_in_torch
def test_counts_the_same_fans_as_torch(weight: Weight) -> None:
    fans = resolve(weight, "torch.nn.init.xavier_uniform_", {}).fans
    assert (fans.fan_in, fans.fan_out) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(weight.shape))


@every_weight_in_torch
@every_scheme
def test_draws_with_the_same_parameters_as_torch(weight: Weight, name: str, parameters: Parameters, theirs: Parameters) -> None:
    with RecordedDraws() as draws:
        initialized(weight, name, theirs, dtype="float64")
    assert_same_parameters(resolve(weight, f"torch.nn.init.{name}", parameters).distribution, draws.first)


@every_weight_in_torch
@every_scheme
def test_values_have_the_same_distribution_as_in_torch(weight: Weight, name: str, parameters: Parameters, theirs: Parameters) -> None:
    assert_indistinguishable(
        sample(weight, f"torch.nn.init.{name}", parameters),
        sample_of(weight, lambda seed: initialized(weight, name, theirs, seed=seed)),
    )


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@every_scheme
def test_values_have_the_same_distribution_in_every_dtype(dtype: str, name: str, parameters: Parameters, theirs: Parameters) -> None:
    weight = named(IN_TORCH, "conv 2-D")
    assert_indistinguishable(
        sample(weight, f"torch.nn.init.{name}", parameters, dtype=dtype),
        sample_of(weight, lambda seed: initialized(weight, name, theirs, dtype=dtype, seed=seed).double()),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize(("name", "parameters", "theirs"), CONSTANT, ids=described)
def test_constants_equal_those_of_torch(dtype: str, name: str, parameters: Parameters, theirs: Parameters) -> None:
    weight = named(IN_TORCH, "dense")
    tensor = getattr(torch.nn.init, name)(torch.empty(weight.shape, dtype=getattr(torch, dtype)), **theirs)
    np.testing.assert_array_equal(
        sample(weight, f"torch.nn.init.{name}", parameters, dtype=dtype), sample_of(weight, lambda _: tensor.double())
    )


@every_default
def test_default_weight_and_bias_draw_with_the_same_parameters_as_torch(scheme: str, layer: Callable[[], Any], weight: Weight) -> None:
    with RecordedDraws() as draws:
        assert layer().weight.shape == weight.shape
    initializer = resolve(weight, scheme, {})
    bias = Weight("bias", (weight.shape[0],))
    fan_in = initializer.fans.fan_in
    assert fan_in is not None
    ours = (initializer, resolve(bias, scheme, {}, fan_in=fan_in))
    assert len(draws.distributions) == len(ours)
    for initializer, theirs in zip(ours, draws.distributions):
        assert_same_parameters(initializer.distribution, theirs)


@every_default
def test_default_weight_has_the_same_distribution_as_in_torch(scheme: str, layer: Callable[[], Any], weight: Weight) -> None:
    theirs = sample_of(weight, lambda seed: build(layer, seed).weight.detach())
    assert_indistinguishable(sample(weight, scheme, {}), theirs)


def test_default_embedding_is_standard_normal() -> None:
    weight = named(IN_TORCH, "embedding")
    with RecordedDraws() as draws:
        torch.nn.Embedding(*weight.shape)
    assert_same_parameters(resolve(weight, "torch.nn.init.normal_", {}).distribution, draws.first)
    theirs = sample_of(weight, lambda seed: build(lambda: torch.nn.Embedding(*weight.shape), seed).weight.detach())
    assert_indistinguishable(sample(weight, "torch.nn.init.normal_", {}), theirs)


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_recurrent_layer_uses_its_hidden_size_as_the_fan_in_of_all_weights(cell: str) -> None:
    with RecordedDraws() as draws:
        module = getattr(torch.nn, cell)(48, 32)
    assert len(draws.distributions) == 4
    for parameter, theirs in zip(module.parameters(), draws.distributions):
        gates = parameter.shape[0] // 32
        weight = Weight("recurrent", tuple(parameter.shape), Layer(LayerKind.RECURRENT, packed=gates))
        assert_same_parameters(resolve(weight, "torch.default", {}, fan_in=32).distribution, theirs)


def test_attention_draws_its_packed_matrix_with_the_fans_of_torch() -> None:
    """in_proj_weight is [3d, d]. torch counts 3d outputs, although each of the three matrices has d."""
    with RecordedDraws() as draws:
        torch.nn.MultiheadAttention(136, 4, bias=False)
    weight = named(IN_TORCH, "packed")
    theirs = draws.distributions[-1]  # out_proj is a Linear, which draws earlier, in its constructor
    assert_same_parameters(resolve(weight, "torch.nn.init.xavier_uniform_", {}).distribution, theirs)
    assert resolve(weight, "xavier_uniform", {}).distribution.stddev == pytest.approx(math.sqrt(2 / (136 + 136)))


@pytest.mark.parametrize(("stddev", "actual"), [(0.02, 0.02), (1.0, 0.8796256610), (4.0, 1.135)])
def test_truncated_normal_with_absolute_bounds_has_the_stddev_of_torch(stddev: float, actual: float) -> None:
    weight = Weight("large", (512, 512))
    # within 5.5 standard errors of a standard deviation, each at most σ/√(2N); the value 1.135 has only four digits
    near = pytest.approx(actual, rel=max(5.5 / math.sqrt(2 * 512**2), 5e-4))
    assert initialized(weight, "trunc_normal_", {"std": stddev}).std().item() == near
    assert resolve(weight, "torch.nn.init.trunc_normal_", {"stddev": stddev}).distribution.stddev == near


# torch's nonlinearity and param, the service's activation and its parameters
GAINS: list[tuple[str, float | None, str, Parameters]] = [
    *((name, None, "linear", {}) for name in ("linear", "conv1d", "conv2d", "conv3d")),
    *((name, None, "linear", {}) for name in ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")),
    *((name, None, name, {}) for name in ("sigmoid", "tanh", "relu", "selu", "leaky_relu")),
    *(("leaky_relu", slope, "leaky_relu", {"negative_slope": slope}) for slope in (0.01, 0.2, math.sqrt(5))),
]


@pytest.mark.parametrize(("nonlinearity", "param", "activation", "parameters"), GAINS, ids=described)
def test_torch_gain_equals_calculate_gain_to_the_last_bit(
    nonlinearity: str, param: float | None, activation: str, parameters: Parameters
) -> None:
    activated = activate(activation, **parameters)
    assert activated is not None
    assert activated.gain("torch") == torch.nn.init.calculate_gain(nonlinearity, param)


# name, torch's parameters, layer, shape
PATTERNS: list[tuple[str, Parameters, Layer, Shape]] = [
    ("eye_", {}, Layer(), (5, 5)),
    ("eye_", {}, Layer(), (5, 7)),
    ("eye_", {}, Layer(), (7, 5)),
    ("dirac_", {}, Layer(), (4, 6, 3)),
    ("dirac_", {}, Layer(), (6, 4, 3, 4)),
    ("dirac_", {}, Layer(), (4, 4, 3, 3, 2)),
    ("dirac_", {"groups": 2}, Layer(LayerKind.CONV, groups=2), (6, 4, 3, 3)),
]


@pytest.mark.parametrize(("name", "theirs", "layer", "shape"), PATTERNS, ids=described)
def test_patterns_equal_those_of_torch(name: str, theirs: Parameters, layer: Layer, shape: Shape) -> None:
    weight = Weight("pattern", shape, layer)
    expected = getattr(torch.nn.init, name)(torch.empty(shape), **theirs)
    np.testing.assert_array_equal(sample(weight, f"torch.nn.init.{name}", {}), sample_of(weight, lambda _: expected))


@pytest.mark.parametrize("shape", [(24, 24), (40, 24), (24, 40), (16, 3, 3, 3)])
def test_orthogonal_values_have_the_same_distribution_as_in_torch(shape: Shape) -> None:
    weight = Weight("orthogonal", shape)
    ours = sample(weight, "torch.nn.init.orthogonal_", {"gain": 2.0})
    theirs = sample_of(weight, lambda seed: initialized(weight, "orthogonal_", {"gain": 2.0}, seed=seed))
    for values in (ours, theirs):  # the first matrix of the sample, as [out, rest]
        matrix = values[: math.prod(shape)].reshape(shape[0], -1)
        product = matrix @ matrix.T if shape[0] <= matrix.shape[1] else matrix.T @ matrix
        np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)
    assert_indistinguishable(ours, theirs)


@pytest.mark.parametrize("sparsity", [0.1, 0.25, 0.9])
def test_sparse_matrix_has_as_many_zeros_per_column_as_in_torch(sparsity: float) -> None:
    weight = Weight("sparse", (50, 40))
    ours = sample(weight, "torch.nn.init.sparse_", {"sparsity": sparsity})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the mask ignores the generator; see test_defects.py
        theirs = sample_of(weight, lambda seed: initialized(weight, "sparse_", {"sparsity": sparsity}, seed=seed))
    for values in (ours, theirs):
        assert set(np.count_nonzero(values.reshape(-1, 50, 40) == 0, axis=1).flat) == {math.ceil(sparsity * 50)}
    assert_indistinguishable(ours, theirs)
