"""Tensors of several units: any part, layout and order of the axes has the values of the whole, whatever the rule."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.initializer import LayerSpecification, initialize
from service.core.layers.fans import Fans
from service.core.layers.layer import Layer, LayerKind
from service.core.layers.weight import Matrix
from service.core.parameters import Values
from service.core.schemes import SCHEMES
from service.core.schemes.applying import apply_scheme
from service.core.stream.view import Shape, View
from service.core.tensors import patterns
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.rules import Parts, Pattern
from service.core.tensors.tensor import TensorSpec, VirtualTensor

# scheme, parameters, shape, layer, axes
CASES: list[tuple[str, dict[str, Any], Shape, Layer, str]] = [
    ("xavier_normal", {}, (12, 6), Layer(packed=(6, 4, 2)), "oi"),
    ("xavier_uniform", {}, (2, 12, 6), Layer(packed=(6, 4, 2)), "boi"),
    ("orthogonal", {}, (12, 6), Layer(packed=3), "oi"),
    ("orthogonal", {}, (12, 6), Layer(packed=(6, 4, 2)), "oi"),
    ("orthogonal", {}, (2, 12, 3, 2), Layer(LayerKind.CONV, groups=2, packed=3), "boik"),
    ("orthogonal", {}, (6, 4, 2), Layer(LayerKind.CONV_TRANSPOSE, groups=2), "iok"),
    ("delta_orthogonal", {}, (2, 4, 3), Layer(LayerKind.CONV_TRANSPOSE, packed=2), "iok"),
    ("sparse", {"sparsity": 0.5}, (12, 6), Layer(packed=3), "oi"),
    ("identity", {}, (12, 6), Layer(packed=(6, 4, 2)), "oi"),
    ("identity", {}, (2, 3, 4, 6), Layer(packed=2), "bboi"),
    ("dirac", {}, (6, 3, 3), Layer(LayerKind.CONV, groups=2), "oik"),
    ("bilinear", {}, (4, 4, 4), Layer(LayerKind.CONV_TRANSPOSE, groups=2, packed=2), "iok"),
    ("zero_hadamard", {}, (3, 8, 3), Layer(LayerKind.CONV_TRANSPOSE), "iok"),
    ("icnr", {"upscale": 2}, (3, 8, 3), Layer(LayerKind.CONV_TRANSPOSE), "iok"),
    ("icnr", {"upscale": 2, "base": "orthogonal"}, (2, 8, 3, 3), Layer(LayerKind.CONV, groups=2), "boik"),
    ("lstm_bias", {}, (2, 2, 12), Layer(), "bbo"),
    ("chrono", {"t_max": 9.0, "gate_order": "onnx"}, (2, 16), Layer(), "bo"),
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[2]} {case[4]}")


def tensor(
    case: tuple[str, dict[str, Any], Shape, Layer, str], order: tuple[int, ...] | None = None, dtype: str = "float64"
) -> VirtualTensor:
    scheme, parameters, shape, layer, axes = case
    order = order or tuple(range(len(shape)))
    shape, axes = tuple(shape[axis] for axis in order), "".join(axes[axis] for axis in order)
    given_order = {"order": "pixel_shuffle"} if scheme == "icnr" else {}  # else that of the layout
    made = initialize(LayerSpecification(shape, scheme=scheme, parameters=parameters | given_order, layer=layer, axes=axes))
    return VirtualTensor(TensorSpec(made.rule, DTYPES[dtype], made.view, 7))


def values(case: Any, order: tuple[int, ...] | None = None, dtype: str = "float64") -> npt.NDArray[Any]:
    made = tensor(case, order, dtype)
    return made.read().reshape(made.shape)


@cases
@settings(max_examples=30)  # of each of 17 cases
@given(data=st.data())
def test_any_range_equals_that_part_of_the_whole_tensor(case: Any, data: st.DataObject) -> None:
    whole = tensor(case, dtype=data.draw(st.sampled_from(list(DTYPES))))
    start = data.draw(st.integers(0, whole.size))
    stop = data.draw(st.integers(start, whole.size))
    assert whole.read(start, stop).tobytes() == whole.read()[start:stop].tobytes()


@cases
@settings(max_examples=30)  # of each of 17 cases
@given(data=st.data())
def test_the_order_of_the_axes_changes_the_order_of_the_values_and_no_value(case: Any, data: st.DataObject) -> None:
    axes = case[4]
    order = data.draw(st.permutations(range(len(axes))))
    # axes of one kind keep their order, because the first varies most slowly
    order = [axis for axis in order if axes.count(axes[axis]) == 1] + [axis for axis in range(len(axes)) if axes.count(axes[axis]) > 1]
    assert np.array_equal(values(case, tuple(order)), values(case).transpose(order))


@cases
def test_half_precision_values_are_the_rounded_float32_values(case: Any) -> None:
    single = values(case, dtype="float32")
    assert np.array_equal(values(case, dtype="bfloat16"), single.astype(ml_dtypes.bfloat16))
    assert np.allclose(single, values(case), rtol=1e-5, atol=1e-6)


@cases
def test_the_stated_bounds_and_size_hold(case: Any) -> None:
    rule, drawn = tensor(case).spec.rule, values(case)
    assert np.abs(drawn).max() <= rule.largest
    if rule.bounds is not None:
        assert rule.bounds[0] - 1e-12 <= drawn.min()
        assert drawn.max() <= rule.bounds[1] + 1e-12


def specified(shape: Shape, scheme: str, *, layer: Layer | None = None, axes: str | None = None, **parameters: Any) -> LayerSpecification:
    return LayerSpecification(shape, scheme, parameters, layer=layer or Layer(), axes=axes)


# two specifications of one shape that differ in nothing but the order or the number of the units
DIFFERENT: list[tuple[str, LayerSpecification, LayerSpecification]] = [
    ("packed", specified((12, 6), "orthogonal"), specified((12, 6), "orthogonal", layer=Layer(packed=2))),
    ("sizes", specified((6, 3), "identity", layer=Layer(packed=(4, 2))), specified((6, 3), "identity")),
    ("groups", specified((6, 3, 3), "dirac", layer=Layer(groups=3)), specified((6, 3, 3), "dirac")),
    ("stacked", specified((4, 4, 3), "orthogonal"), specified((4, 4, 3), "orthogonal", axes="boi")),
    (
        "order",
        specified((4, 4, 3), "orthogonal", layer=Layer(LayerKind.CONV)),
        specified((4, 4, 3), "orthogonal", layer=Layer(LayerKind.CONV_TRANSPOSE)),
    ),
    (
        "copies",
        specified((8, 2, 3), "icnr", upscale=2, order="pixel_shuffle"),
        specified((8, 2, 3), "icnr", upscale=2, order="depth_to_space"),
    ),
    ("gates", specified((16,), "chrono", t_max=9.0), specified((16,), "chrono", t_max=9.0, gate_order="onnx", biases=1)),
    ("biases", specified((16,), "lstm_bias"), specified((16,), "lstm_bias", biases=2)),
    ("pairs", specified((2, 16), "chrono", t_max=9.0), specified((2, 16), "chrono", t_max=9.0, gate_order="keras")),
]


@pytest.mark.parametrize(("one", "other"), [row[1:] for row in DIFFERENT], ids=[row[0] for row in DIFFERENT])
def test_the_facts_differ_where_the_values_do(one: LayerSpecification, other: LayerSpecification) -> None:
    rules = [initialize(specification).rule for specification in (one, other)]
    drawn = [VirtualTensor(TensorSpec(rule, DTYPES["float64"], View((math.prod(one.shape),), (1,)), 7)).read() for rule in rules]
    assert not np.array_equal(drawn[0], drawn[1])
    assert rules[0].facts != rules[1].facts


def test_a_scheme_sees_the_fans_of_each_part() -> None:
    seen = []

    def build(_: Values, matrix: Matrix) -> Pattern:
        seen.append((matrix.shape, matrix.fans))
        return patterns.identity(matrix.shape, 1.0)

    scheme = replace(SCHEMES["identity"], build=build)
    weight = initialize(specified((600, 100), "identity", layer=Layer(packed=(400, 100, 100)))).weight
    apply_scheme(scheme, {}, {"gain": 1.0}, weight)
    assert seen == [((400, 100), Fans(100, 400)), ((100, 100), Fans(100, 100)), ((100, 100), Fans(100, 100))]


def test_the_mean_and_standard_deviation_of_parts_are_those_of_all_elements() -> None:
    packed = LayerSpecification((30_000, 10), scheme="xavier_normal", layer=Layer(packed=(29_900, 100)))
    rule = initialize(packed).rule
    assert isinstance(rule, Parts)
    drawn = VirtualTensor(TensorSpec(rule, DTYPES["float64"], initialize(packed).view, 7)).read()
    assert rule.stddev == pytest.approx(drawn.std(), rel=5 / np.sqrt(2 * 1000))  # most of it comes from the 1000 elements of the small part
    assert rule.mean == 0


def test_a_huge_number_of_units_is_described_without_computing_any() -> None:
    for scheme in ("orthogonal", "identity"):
        rule = initialize(LayerSpecification((2**61, 2), scheme=scheme, layer=Layer(packed=2**60))).rule
        assert rule.facts["units"]["packed"] == 2**60
