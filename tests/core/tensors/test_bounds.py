"""The bounds that the metadata reports are those of the values in their dtype."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.initializer import LayerSpecification, initialize
from service.core.layers.layouts import view_of
from service.core.stream.distributions import Distribution, Draw, constant
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.rules import Rule, bounds_in
from service.core.tensors.tensor import TensorSpec, VirtualTensor

numbers = st.floats(-8, 8).filter(lambda x: x == 0 or abs(x) > 1e-3)
scales = st.floats(1e-3, 8)
rules = st.one_of(
    st.builds(constant, numbers),
    st.builds(Distribution, st.just(Draw.UNIFORM), numbers, scales),
    st.builds(Distribution, st.just(Draw.TRUNCATED_NORMAL), numbers, scales, st.tuples(st.floats(-3, -0.1), st.floats(0.1, 3))),
)


@given(rules, st.sampled_from(list(DTYPES)), st.integers(0, 1000))
def test_no_value_is_outside_the_bounds(rule: Rule, dtype: str, seed: int) -> None:
    values = VirtualTensor(TensorSpec(rule, DTYPES[dtype], view_of((2000,)), seed)).read().astype(float)
    bounds = bounds_in(rule, DTYPES[dtype])
    assert bounds is not None
    assert bounds[0] <= values.min() <= values.max() <= bounds[1]


@pytest.mark.parametrize(
    ("dtype", "bounds"),
    [
        ("float64", (-0.1, 0.1)),
        ("float32", (-0.10000000149011612, 0.10000000149011612)),
        ("float16", (-0.0999755859375, 0.0999755859375)),
        ("bfloat16", (-0.10009765625, 0.10009765625)),
    ],
)
def test_the_bounds_are_numbers_of_the_dtype(dtype: str, bounds: tuple[float, float]) -> None:
    rule = Distribution(Draw.UNIFORM, 0.0, 0.1)
    assert bounds_in(rule, DTYPES[dtype]) == bounds
    assert VirtualTensor(TensorSpec(rule, DTYPES[dtype], view_of((100_000,)), 7)).read().max() <= bounds[1]


@pytest.mark.parametrize("scheme", ["identity", "orthogonal", "zero_hadamard"])
def test_the_bounds_of_other_rules_are_rounded_too(scheme: str) -> None:
    rule = initialize(LayerSpecification((8, 8), scheme=scheme, parameters={"gain": 0.1})).rule
    assert bounds_in(rule, DTYPES["bfloat16"]) in ((-0.10009765625, 0.10009765625), (0.0, 0.10009765625))


def test_a_normal_has_no_bounds() -> None:
    assert bounds_in(Distribution(Draw.NORMAL, 0.0, 1.0), DTYPES["float16"]) is None
