"""Virtual tensors give the same numbers for any part, layout and dtype."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.errors import InvalidValue, Unsupported
from service.core.layers.layouts import view_of
from service.core.stream.distributions import Distribution, Draw, constant
from service.core.stream.philox import MAX_SEED
from service.core.stream.view import View
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import TensorSpec, VirtualTensor, check_name, check_seed, check_shape, fresh_seed

DISTRIBUTIONS = {
    "constant": constant(0.1),
    "uniform": Distribution(Draw.UNIFORM, 0.25, 0.5),
    "normal": Distribution(Draw.NORMAL, -0.5, 0.03),
    "truncated": Distribution(Draw.TRUNCATED_NORMAL, 0.0, 0.02, (-2.0, 1.0)),
}

distributions = st.sampled_from(list(DISTRIBUTIONS.values()))
dtypes = st.sampled_from(list(DTYPES))
shapes = st.lists(st.integers(1, 7), max_size=4).map(tuple)
weights = st.lists(st.integers(1, 7), min_size=2, max_size=4).map(tuple)
seeds = st.integers(0, MAX_SEED)
names = st.none() | st.text("abc.é", min_size=1, max_size=8)


def tensor(
    distribution: Distribution = DISTRIBUTIONS["normal"],
    dtype: str = "float32",
    view: View | None = None,
    seed: int = 7,
    name: str | None = None,
) -> VirtualTensor:
    return VirtualTensor(TensorSpec(distribution, DTYPES[dtype], view or view_of((3, 5)), seed, name))


def same_bytes(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> bool:
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


@given(distributions, dtypes, shapes, seeds, names, st.data())
def test_any_range_equals_that_part_of_the_tensor(
    distribution: Distribution, dtype: str, shape: tuple[int, ...], seed: int, name: str | None, data: st.DataObject
) -> None:
    values = tensor(distribution, dtype, view_of(shape), seed, name)
    start = data.draw(st.integers(0, values.size))
    stop = data.draw(st.integers(start, values.size))
    assert same_bytes(values.read(start, stop), values.read()[start:stop])


@given(distributions, dtypes, weights, seeds)
def test_the_keras_layout_is_the_transpose(distribution: Distribution, dtype: str, shape: tuple[int, ...], seed: int) -> None:
    keras = (*shape[2:], shape[1], shape[0])
    torch_values = tensor(distribution, dtype, view_of(shape), seed).read().reshape(shape)
    keras_values = tensor(distribution, dtype, view_of(keras, "keras"), seed).read().reshape(keras)
    expected = np.moveaxis(torch_values, (0, 1), (-1, -2))
    assert same_bytes(keras_values, np.ascontiguousarray(expected))


@given(distributions, st.sampled_from(["torch", "keras"]), shapes, st.data())
def test_a_slice_equals_that_slice_of_the_tensor(
    distribution: Distribution, layout: str, shape: tuple[int, ...], data: st.DataObject
) -> None:
    view = view_of(shape, layout)
    items = [_index(data, length) for length in shape[: data.draw(st.integers(0, len(shape)))]]
    text, index = ", ".join(text for text, _ in items), tuple(index for _, index in items)
    expected = tensor(distribution, view=view).read().reshape(shape)[index]
    part = view.slice(text) if items else view
    assert part.shape == expected.shape
    assert same_bytes(tensor(distribution, view=part).read().reshape(part.shape), np.ascontiguousarray(expected))


def _index(data: st.DataObject, length: int) -> tuple[str, int | slice]:
    if data.draw(st.booleans()):
        negative = data.draw(st.integers(-length, -1))
        return (str(negative), negative)
    bounds = st.none() | st.integers(-2 * length, 2 * length)  # NumPy cuts a slice at the ends of its axis
    start, stop = data.draw(bounds), data.draw(bounds)
    step = data.draw(st.sampled_from([None, 1, 2, 3, -1, -2]))
    return (":".join("" if number is None else str(number) for number in (start, stop, step)), slice(start, stop, step))


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("1, ..., 2", np.s_[1, ..., 2]),
        ("...", np.s_[...]),
        ("...,1", np.s_[..., 1]),
        ("[1:]", np.s_[1:]),
        (":, ::2, -1", np.s_[:, ::2, -1]),
        ("3:1:-1, 0", np.s_[3:1:-1, 0]),
        ("3:9", np.s_[3:9]),
        ("4:8, -9:2", np.s_[4:8, -9:2]),
        ("2:2, 1", np.s_[2:2, 1]),
        ("9:0:-3, 1:99999999999999999999", np.s_[9:0:-3, 1:99999999999999999999]),
    ],
)
def test_slices_mean_the_same_as_in_numpy(text: str, index: Any) -> None:
    shape = (4, 5, 6)
    whole = tensor(view=view_of(shape)).read().reshape(shape)
    part = view_of(shape).slice(text)
    assert np.array_equal(tensor(view=part).read().reshape(part.shape), whole[index])


@pytest.mark.parametrize("text", ["4", "-5", "0:5, 6", "::0", "2:2:0", "a", "", "1,2,3", "1;2", "1.0", "...,...", "1:2:3:4", "0,", "٣"])
def test_rejects_a_bad_slice_and_names_the_shape(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"for the shape \[4, 6\]"):
        view_of((4, 6)).slice(text)


@given(distributions, seeds, names)
def test_16_bit_dtypes_are_the_rounded_float32_values(distribution: Distribution, seed: int, name: str | None) -> None:
    single = tensor(distribution, "float32", seed=seed, name=name).read()
    assert same_bytes(tensor(distribution, "float16", seed=seed, name=name).read(), single.astype(np.float16))
    assert same_bytes(tensor(distribution, "bfloat16", seed=seed, name=name).read(), single.astype(ml_dtypes.bfloat16))


def test_bfloat16_is_rounded_to_nearest_even() -> None:
    bits = tensor(dtype="float32", view=view_of((1000,))).read().view(np.uint32)
    nearest_even = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    assert np.array_equal(tensor(dtype="bfloat16", view=view_of((1000,))).read().view(np.uint16), nearest_even)


@given(distributions, seeds, names)
def test_float64_values_are_the_float32_values_with_more_digits(distribution: Distribution, seed: int, name: str | None) -> None:
    single, double = tensor(distribution, seed=seed, name=name).read(), tensor(distribution, "float64", seed=seed, name=name).read()
    assert np.allclose(single, double, rtol=1e-5, atol=1e-5 * max(distribution.stddev, abs(distribution.mean)))


def test_a_value_is_loc_plus_scale_times_draw_each_rounded_once() -> None:
    standard = tensor(Distribution(Draw.NORMAL, 0.0, 1.0)).read()
    moved = tensor(Distribution(Draw.NORMAL, 0.1, 0.3)).read()
    assert same_bytes(moved, np.float32(0.1) + np.float32(0.3) * standard)


def test_tensors_of_different_names_are_unrelated() -> None:
    n = 1 << 16
    one, other = (tensor(Distribution(Draw.NORMAL, 0.0, 1.0), view=view_of((n,)), name=name).read() for name in ("a", "b"))
    # a correlation of independent samples has standard deviation 1/√n; one sample in 1.7e6 exceeds five of them
    assert abs(float(np.corrcoef(one, other)[0, 1])) < 5 / math.sqrt(n)


def test_elements_do_not_depend_on_the_size_of_the_tensor() -> None:
    short, long = (tensor(view=view_of((n,))).read() for n in (15, 16))
    assert same_bytes(short, long[:15])


def test_reads_the_end_of_a_huge_tensor_without_computing_the_rest() -> None:
    huge = tensor(view=view_of((2**31, 2**31)))
    assert huge.nbytes == 2**64
    assert huge.read(huge.size - 3, huge.size).shape == (3,)
    corner = tensor(view=view_of((2**31, 2**31)).slice("-2:, -2:"))
    assert same_bytes(corner.read()[2:], huge.read(huge.size - 2, huge.size))


def test_rejects_reading_outside_the_tensor() -> None:
    with pytest.raises(IndexError, match="received 0, 16"):
        tensor().read(0, 16)


@pytest.mark.parametrize("shape", [[-1], [3, -1], [0, 2**40, 2**40], [2] * 17, [2**40, 2**40], [10**30]])
def test_rejects_an_invalid_shape(shape: list[int]) -> None:
    with pytest.raises(InvalidValue, match="shape"):
        check_shape(shape)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_rejects_an_invalid_seed(seed: int) -> None:
    with pytest.raises(InvalidValue, match=r"from 0 to 2\^64 - 1"):
        check_seed(seed)


@pytest.mark.parametrize("name", ["", "a" * 257, "a\nb", "a\x00"])
def test_rejects_an_invalid_name(name: str) -> None:
    with pytest.raises(InvalidValue, match="printable"):
        check_name(name)


def test_fresh_seeds_differ_and_are_exact_in_json() -> None:
    fresh = {fresh_seed() for _ in range(100)}
    assert len(fresh) == 100
    assert max(fresh) < 2**53


@pytest.mark.parametrize(
    ("distribution", "dtype"),
    [
        (constant(70000.0), "float16"),
        (Distribution(Draw.NORMAL, 0.0, 1e38), "float32"),
        (Distribution(Draw.NORMAL, 0.0, 1e38), "bfloat16"),
        (Distribution(Draw.NORMAL, 0.0, 1e-8), "float16"),
        (Distribution(Draw.UNIFORM, 0.0, 1e-40), "float32"),
    ],
)
def test_rejects_values_outside_the_range_of_the_dtype(distribution: Distribution, dtype: str) -> None:
    with pytest.raises(Unsupported, match="Ask for float32 or float64"):
        tensor(distribution, dtype)
