"""Compares the stream with an implementation that follows STREAM.md."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.initializer import LayerSpecification, initialize
from service.core.layers.layer import Layer
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.philox import MAX_SEED
from service.core.stream.quantiles import quantile_range
from service.core.stream.view import View
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import TensorSpec, VirtualTensor
from tests import stream_by_the_page as page

DRAWS = {"uniform": Draw.UNIFORM, "normal": Draw.NORMAL, "truncated_normal": Draw.TRUNCATED_NORMAL}
CUT = (-2.0, 2.0)


@given(
    draw=st.sampled_from(list(DRAWS)),
    dtype=st.sampled_from(list(DTYPES)),
    seed=st.integers(0, MAX_SEED),
    name=st.none() | st.text(min_size=1, max_size=12).filter(str.isprintable),
    index=st.integers(0, 2**61),
    loc=st.floats(-10, 10),
    scale=st.floats(1e-3, 10),
)
def test_any_element_follows_the_specification(
    draw: str, dtype: str, seed: int, name: str | None, index: int, loc: float, scale: float
) -> None:
    distribution = Distribution(DRAWS[draw], loc, scale, CUT if draw == "truncated_normal" else None)
    spec = TensorSpec(distribution, DTYPES[dtype], View((1,), (1,), index), seed, name)
    drawn = page.draw(draw, dtype, page.words(seed, name, index), CUT)
    assert VirtualTensor(spec).read().tobytes() == page.value(dtype, drawn, loc, scale)


RARE_CUTS = [(5.0, 8.0), (-8.0, -5.0), (8.5, 9.0), (4.6, 10.0), (-9.0, -8.9), (0.5, 0.50001), (-1e-5, 2e-5), (-1.00001, -0.99999)]


@given(
    cut=st.sampled_from(RARE_CUTS),
    dtype=st.sampled_from(list(DTYPES)),
    seed=st.integers(0, MAX_SEED),
    index=st.integers(0, 2**61),
)
def test_any_element_of_a_rare_cut_follows_the_specification(cut: tuple[float, float], dtype: str, seed: int, index: int) -> None:
    spec = TensorSpec(Distribution(Draw.TRUNCATED_NORMAL, 0.0, 100.0, cut), DTYPES[dtype], View((1,), (1,), index), seed)
    drawn = page.draw("truncated_normal", dtype, page.words(seed, None, index), cut)
    assert VirtualTensor(spec).read().tobytes() == page.value(dtype, drawn, 0.0, 100.0)


@pytest.mark.parametrize("cut", [(-2.0, 2.0), (0.0, 1.5), (-0.3, 4.0), (-50.0, 50.0)])
def test_the_quantile_range_follows_the_specification(cut: tuple[float, float]) -> None:
    computed = quantile_range(*cut)
    assert page.quantile_range(*cut) == (computed.first, computed.count)


def test_the_coefficients_are_read_from_the_page() -> None:
    assert len(page.coefficients()) == 9
    assert np.float32(page.coefficients()["P"][0]) == np.float32(7.50178528)


@given(
    m=st.integers(1, 14),
    n=st.integers(1, 14),
    dtype=st.sampled_from(list(DTYPES)),
    seed=st.integers(0, MAX_SEED),
    gain=st.floats(1e-3, 10),
    packed=st.booleans(),
)
def test_an_orthogonal_matrix_follows_the_specification(m: int, n: int, dtype: str, seed: int, gain: float, packed: bool) -> None:
    m, n = max(m, n), min(m, n)
    layer = LayerSpecification((2 * n if packed else n, m), "orthogonal", {"gain": gain}, layer=Layer(packed=1 + packed))
    spec = TensorSpec(initialize(layer).rule, DTYPES[dtype], View((n * m,), (1,), n * m * packed), seed)
    columns = (page.column(seed, None, n * m * packed, m, j) for j in range(n))
    assert VirtualTensor(spec).read().tobytes() == b"".join(page.rounded(dtype, gain * value) for column in columns for value in column)
