"""A slice of a whole computes the lines that it needs, and has the bytes that they have in the whole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.initializer import LayerSpecification, initialize
from service.core.layers.layer import Layer, LayerKind
from service.core.stream.view import Shape, View
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import TensorSpec, VirtualTensor

SPARSITY = {"sparsity": 0.4}

# scheme, parameters, shape, layer, axes
CASES: list[tuple[str, dict[str, Any], Shape, Layer, str]] = [
    ("orthogonal", {}, (6, 9), Layer(), "oi"),
    ("orthogonal", {}, (9, 6), Layer(), "oi"),
    ("orthogonal", {}, (6, 6), Layer(), "io"),
    ("orthogonal", {}, (4, 3, 2, 2), Layer(LayerKind.CONV), "oikk"),
    ("orthogonal", {}, (2, 2, 3, 8), Layer(LayerKind.CONV), "kkio"),
    ("orthogonal", {}, (3, 4, 6), Layer(), "boi"),
    ("orthogonal", {}, (2, 3, 6, 4), Layer(), "bboi"),
    ("orthogonal", {}, (5, 2, 4), Layer(), "ioo"),
    ("orthogonal", {}, (12, 5), Layer(packed=3), "oi"),
    ("orthogonal", {}, (12, 2), Layer(packed=3), "oi"),
    ("orthogonal", {}, (8, 2, 3), Layer(LayerKind.CONV, groups=2), "oik"),
    ("orthogonal", {}, (4, 6, 3), Layer(LayerKind.CONV_TRANSPOSE), "iok"),
    ("orthogonal", {}, (1, 7), Layer(), "oi"),
    ("orthogonal", {}, (7, 1), Layer(), "oi"),
    ("delta_orthogonal", {}, (5, 4, 3), Layer(), "oik"),
    ("sparse", SPARSITY, (7, 9), Layer(), "oi"),
    ("sparse", SPARSITY, (3, 7, 4), Layer(), "boi"),
    ("sparse", SPARSITY, (9, 12), Layer(), "io"),
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[2]} {case[4]}")


def tensor(case: tuple[str, dict[str, Any], Shape, Layer, str], part: str = "...", *, dtype: str = "float32") -> VirtualTensor:
    scheme, parameters, shape, layer, axes = case
    made = initialize(LayerSpecification(shape, scheme, parameters, layer=layer, axes=axes))
    return VirtualTensor(TensorSpec(made.rule, DTYPES[dtype], made.view.slice(part), 7))


def values(of: VirtualTensor) -> npt.NDArray[Any]:
    return of.read().reshape(of.shape)


@st.composite
def slices(draw: st.DrawFn, shape: Shape) -> tuple[slice | int, ...]:
    indices: list[slice | int] = []
    for length in shape:
        if draw(st.booleans()):
            indices.append(draw(st.integers(0, length - 1)))
        else:
            indices.append(draw(st.slices(length)))
    return tuple(indices)


def text_of(index: slice | int) -> str:
    if isinstance(index, int):
        return str(index)
    return ":".join("" if bound is None else str(bound) for bound in (index.start, index.stop, index.step))


@cases
@settings(max_examples=30)  # of each of 18 cases
@given(data=st.data())
def test_a_slice_has_the_bytes_of_that_part_of_the_whole(case: Any, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(list(DTYPES)))
    index = data.draw(slices(case[2]))
    part = tensor(case, ", ".join(map(text_of, index)), dtype=dtype)
    assert values(part).tobytes() == values(tensor(case, dtype=dtype))[index].tobytes()


@cases
@settings(max_examples=30)  # of each of 18 cases
@given(data=st.data())
def test_any_view_has_the_bytes_of_these_elements(case: Any, data: st.DataObject) -> None:
    """Even a view that no slice gives, whose axes lead from one line into the next."""
    whole = tensor(case)
    stride, other = data.draw(st.integers(-5, 20)), data.draw(st.integers(-3, 3))
    indices = st.integers(0, whole.size - 1)
    offset = data.draw(indices)
    length, width = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    view = View((length, width), (stride, other), offset)
    positions = offset + stride * np.arange(length)[:, np.newaxis] + other * np.arange(width)
    if positions.min() < 0 or positions.max() >= whole.size:
        return
    in_order = VirtualTensor(TensorSpec(whole.spec.rule, whole.dtype, View((whole.size,), (1,)), 7)).read()
    assert VirtualTensor(TensorSpec(whole.spec.rule, whole.dtype, view, 7)).read().tobytes() == in_order[positions].tobytes()


# the case, a slice, and the number of elements that are computed for it
SHARES: list[tuple[int, str, int]] = [
    (0, "2:4", 2 * 9),
    (0, "::-2", 3 * 9),
    (0, ":, 0", 6 * 9),
    (1, ":, 2:4", 9 * 2),
    (1, "3", 9 * 6),
    (2, ":, 5", 6),
    (3, "1, 2, 0", 12),
    (4, "..., 0", 12),
    (5, "1", 4 * 6),
    (5, ":, 3", 3 * 6),
    (5, "1:, 0:2, 5", 2 * 2 * 6),
    (6, "1, 0, :, 1", 6),
    (8, "4:8", 4 * 5),
    (8, "5:6", 5),
    (8, "3:5", 2 * 20),  # rows of two matrices
    (11, "0", 4 * 6 * 3),  # a transposed convolution is computed whole
    (14, "2", 5 * 4 * 3),
    (15, ":, 1:7:2", 7 * 3),
    (16, "2, :, 3", 7),
]


@pytest.mark.parametrize(("number", "part", "elements"), SHARES)
def test_only_the_needed_lines_are_computed(number: int, part: str, elements: int) -> None:
    computed = tensor(CASES[number], part).needs
    assert computed is not None
    assert math.prod(computed.shape) == elements


def test_an_empty_slice_computes_nothing() -> None:
    assert tensor(CASES[0], "3:3").read().size == 0


def test_equal_lines_are_shared_and_others_are_not() -> None:
    needs = [tensor(CASES[0], part).needs for part in ("2:4", "2:4, 3:", "3:5", "...")]
    assert needs[0] == needs[1]
    assert len(set(needs)) == 3
