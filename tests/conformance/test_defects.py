"""Defects of the libraries, and proof that the service does not share them.

A test that shows a library's defect fails once the library fixes it. Then remove the test.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from service.core.layers.fans import Fans, Mode
from service.core.layers.layer import Layer, LayerKind
from service.core.stream.distributions import Draw
from tests.conformance.comparing import (
    IN_KERAS,
    IN_TORCH,
    Weight,
    assert_indistinguishable,
    named,
    p_value_of_same_distribution,
    resolve,
    sample,
    sample_of,
)
from tests.conformance.libraries import MISSING, timm_weight_init

TRUNCATED = 0.8796256610342398  # the standard deviation of a standard normal truncated at ±2
LARGE = Weight("large", (512, 512))


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason=f"torch is {MISSING}")


def test_lecun_normal_has_the_right_stddev_after_truncation(torch: Any) -> None:
    """transformers' lecun_normal_ widens the normal for a cut at 2 standard deviations, but then cuts at the absolute bounds ±2.

    Nothing is cut, and the values are 1.137 times as wide as they should be. torch's own trunc_normal_ stands in for transformers,
    which is not worth installing for one function.
    """
    target = math.sqrt(1 / 512)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = torch.nn.init.trunc_normal_(torch.empty(LARGE.shape), std=target / TRUNCATED).std().item()
    ours = sample(LARGE, "lecun_normal", {"distribution": "truncated_normal"})
    assert theirs / target == pytest.approx(1.137, rel=0.01)
    assert ours.std() == pytest.approx(target, rel=0.01)  # more than 5.5 standard errors, σ/√(2N)
    assert np.abs(ours).max() <= 2 * target / TRUNCATED * (1 + 1e-6)


KERAS_ON_TORCH = """
import keras, torch
values = keras.random.truncated_normal((1 << 22,), seed=0)
print(int((values.abs() > 2).sum()))
"""


def test_no_value_of_a_truncated_normal_lies_beyond_the_cut(torch: Any) -> None:
    """Keras's torch backend draws four normals per value and takes the first within the cut, or else the first of the four.

    So 0.0455⁴ = 4.3e-6 of the values lie beyond the cut: 18 of four million. A process has only one backend, so this one runs in another.
    """
    pytest.importorskip("keras", reason=f"keras is {MISSING}")
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    run = subprocess.run([sys.executable, "-c", KERAS_ON_TORCH], env=environment, capture_output=True, text=True, check=True)
    assert 1 <= int(run.stdout) <= 50
    ours = sample(Weight("large", (1 << 22,)), "keras.initializers.TruncatedNormal", {"stddev": 1.0})
    assert np.abs(ours).max() <= 2


def test_a_truncated_normal_in_bfloat16_has_the_right_stddev(torch: Any) -> None:
    """timm's trunc_normal_ computes in the tensor's own dtype, where the inverse error function near ±1 jumps to the bounds."""
    timm = timm_weight_init()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = timm.trunc_normal_(torch.empty(LARGE.shape, dtype=torch.bfloat16), std=0.02).double()
    ours = sample(LARGE, "torch.nn.init.trunc_normal_", {"stddev": 0.02}, dtype="bfloat16")
    assert theirs.std().item() == pytest.approx(0.092, rel=0.1)
    assert theirs.abs().max().item() == 2.0
    assert ours.std() == pytest.approx(0.02, rel=0.01)
    assert np.abs(ours).max() < 0.02 * 6.3


def test_the_seed_also_determines_the_zeros_of_a_sparse_matrix(torch: Any) -> None:
    """torch's sparse_ draws the values from the given generator, but the mask from the global one."""
    weight = Weight("sparse", (50, 40))

    def theirs(global_seed: int) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(global_seed)
            return torch.nn.init.sparse_(torch.empty(weight.shape), sparsity=0.5, generator=torch.Generator().manual_seed(7))

    first, second = theirs(0), theirs(1)
    nonzero = (first != 0) & (second != 0)
    assert torch.equal(first[nonzero], second[nonzero])
    assert not torch.equal(first == 0, second == 0)
    ours, again = (sample(weight, "torch.nn.init.sparse_", {"sparsity": 0.5}) for _ in range(2))
    np.testing.assert_array_equal(ours, again)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_orthogonal_works_in_half_precision(torch: Any, dtype: str) -> None:
    """torch's orthogonal_ raises, because its QR decomposition lacks these dtypes. The service rounds the float64 matrix."""
    with pytest.raises(RuntimeError, match="not implemented for"):
        torch.nn.init.orthogonal_(torch.empty(32, 32, dtype=getattr(torch, dtype)))
    weight = Weight("orthogonal", (32, 32))
    matrix = sample(weight, "torch.nn.init.orthogonal_", {}, dtype=dtype)[: 32 * 32].reshape(32, 32)
    rounding = {"bfloat16": 2.0**-9, "float16": 2.0**-12}[dtype]  # half of the last bit, relative, for each of the two factors
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(32), atol=2 * rounding * 1.01)


def test_he_normal_has_the_gain_of_relu() -> None:
    """MLX's he_normal has gain 1, which halves the signal at each rectifier. MLX runs on other machines and is not installed."""
    weight = named(IN_TORCH, "dense")
    for name in ("he_normal", "torch.nn.init.kaiming_normal_", "keras.initializers.HeNormal", "jax.nn.initializers.he_normal"):
        assert resolve(weight, name, {}).distribution.stddev == pytest.approx(math.sqrt(2 / 200), rel=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_glorot_uniform_is_uniform_in_every_dtype(dtype: str) -> None:
    """gorgonia's GlorotU draws normals for float32 tensors. gorgonia is a Go library and is not installed."""
    weight = named(IN_TORCH, "dense")
    limit = math.sqrt(6 / (200 + 256))
    values = sample(weight, "glorot_uniform", {}, dtype=dtype)
    assert resolve(weight, "glorot_uniform", {}).distribution.draw is Draw.UNIFORM
    assert 0.999 * limit < np.abs(values).max() <= limit
    random = np.random.default_rng(0)
    assert_indistinguishable(values, sample_of(weight, lambda _: random.uniform(-limit, limit, weight.shape)))
    assert p_value_of_same_distribution(values, sample_of(weight, lambda _: random.normal(0, limit / math.sqrt(3), weight.shape))) < 1e-9


# a weight in the library's layout, the library's fans, the true fans
FANS_OF_TORCH: list[tuple[Weight, Fans, Fans]] = [
    (Weight("grouped", (128, 48, 3, 3), Layer(LayerKind.CONV, groups=4)), Fans(432, 1152), Fans(432, 288)),
    (Weight("depthwise", (12, 1, 3, 3), Layer(LayerKind.DEPTHWISE, groups=6)), Fans(9, 108), Fans(9, 18)),
    (Weight("transposed", (8, 16, 3, 3), Layer(LayerKind.CONV_TRANSPOSE)), Fans(144, 72), Fans(72, 144)),
    (Weight("grouped and transposed", (8, 8, 3, 3), Layer(LayerKind.CONV_TRANSPOSE, groups=2)), Fans(72, 72), Fans(36, 72)),
    (Weight("packed", (2304, 768), Layer(packed=3)), Fans(768, 2304), Fans(768, 768)),
]
FANS_OF_KERAS: list[tuple[Weight, Fans, Fans]] = [
    (Weight("grouped", (3, 3, 48, 128), Layer(LayerKind.CONV, groups=4), "keras"), Fans(432, 1152), Fans(432, 288)),
    (Weight("depthwise", (3, 3, 6, 2), Layer(LayerKind.DEPTHWISE, groups=6), "keras"), Fans(54, 18), Fans(9, 18)),
    (Weight("transposed", (3, 3, 16, 8), Layer(LayerKind.CONV_TRANSPOSE), "keras"), Fans(144, 72), Fans(72, 144)),
    (Weight("packed", (768, 2304), Layer(packed=3), "keras"), Fans(768, 2304), Fans(768, 768)),
]


@pytest.mark.parametrize(("weight", "theirs", "true"), FANS_OF_TORCH, ids=lambda value: getattr(value, "name", ""))
def test_fans_are_the_true_ones_except_for_torch_names(torch: Any, weight: Weight, theirs: Fans, true: Fans) -> None:
    """torch counts the fans from the shape alone."""
    assert Fans(*torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(weight.shape))) == theirs
    assert resolve(weight, "torch.nn.init.xavier_normal_", {}).fans == theirs
    assert resolve(weight, "xavier_normal", {}).fans == true
    assert resolve(weight, "xavier_normal", {}).distribution.stddev == pytest.approx(
        1 / math.sqrt(true.by(Mode.FAN_AVG, scheme="xavier_normal"))
    )


@pytest.mark.parametrize(("weight", "theirs", "true"), FANS_OF_KERAS, ids=lambda value: getattr(value, "name", ""))
def test_fans_are_the_true_ones_except_for_keras_and_jax_names(weight: Weight, theirs: Fans, true: Fans) -> None:
    """Keras and JAX also count the fans from the shape alone, and agree."""
    random_initializers = pytest.importorskip("keras.src.initializers.random_initializers", reason=f"keras is {MISSING}")
    jax_initializers = pytest.importorskip("jax._src.nn.initializers", reason=f"jax is {MISSING}")
    assert Fans(*random_initializers.compute_fans(weight.shape)) == theirs
    assert Fans(*jax_initializers._compute_fans(weight.shape)) == theirs
    for name in ("keras.initializers.GlorotNormal", "jax.nn.initializers.glorot_normal"):
        assert resolve(weight, name, {}).fans == theirs
    assert resolve(weight, "xavier_normal", {}).fans == true


def test_a_grouped_convolution_keeps_the_gradient_only_with_the_true_fans() -> None:
    """With the fan_out of all groups together, He's backward rule shrinks the gradient: by √groups in the standard deviation."""
    weight = named(IN_KERAS, "grouped")
    stddevs = [resolve(weight, name, {"mode": "fan_out"}).distribution.stddev for name in ("he_normal", "torch.nn.init.kaiming_normal_")]
    assert stddevs[0] / stddevs[1] == pytest.approx(math.sqrt(4))
