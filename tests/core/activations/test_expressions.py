"""Formulas: gains equal to those of the built-in activations, the grammar and its limits, exact slopes, error messages."""

from __future__ import annotations

import math
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.activations import ACTIVATIONS, expressed
from service.core.activations.expressions import FUNCTIONS, parse, value_and_slope
from service.core.errors import InvalidValue

BUILT_IN = {
    "linear": "x",
    "relu": "relu(x)",
    "relu6": "min(max(0, x), 6)",
    "relu2": "max(0, x)^2",
    "leaky_relu": "max(x, 0.01*x)",
    "elu": "relu(x) + exp(min(x, 0)) - 1",
    "gelu": "x/2*(1 + erf(x/sqrt(2)))",
    "gelu_tanh": "0.5*x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))",
    "quick_gelu": "x*sigmoid(1.702*x)",
    "silu": "x/(1 + exp(-x))",
    "hardswish": "x*min(relu(x + 3), 6)/6",
    "mish": "x*tanh(log(1 + e^x))",
    "tanh": "tanh(x)",
    "scaled_tanh": "1.7159*tanh(2*x/3)",
    "hardtanh": "max(-1, min(1, x))",
    "softsign": "x/(1 + abs(x))",
    "tanhshrink": "x - tanh(x)",
    "softshrink": "relu(x - 0.5) - relu(-x - 0.5)",
    "sigmoid": "sigmoid(x)",
    "softplus": "softplus(x)",
    "sin": "sin(x)",
    "snake": "x + (1 - cos(2*x))/2",
    "gaussian": "exp(-x^2)",
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_formula_has_the_same_gains_as_the_built_in_activation(name: str) -> None:
    formula, built_in = expressed(BUILT_IN[name]).gains, ACTIVATIONS[name]().gains
    assert formula is not None
    assert built_in is not None
    assert (formula.forward, formula.backward, formula.variance) == pytest.approx(
        (built_in.forward, built_in.backward, built_in.variance), abs=2e-9
    )


def _second_moment_of_shifted_relu(shift: float) -> float:
    """Return E[max(0, z - shift)²], z ~ N(0, 1)."""
    tail, density = math.erfc(shift / math.sqrt(2)) / 2, math.exp(-shift * shift / 2) / math.sqrt(2 * math.pi)
    return (1 + shift * shift) * tail - shift * density


@pytest.mark.parametrize("shift", [0.0003, 0.1234567, 1e-9, -0.9999, 2.00001])
def test_finds_a_kink_at_any_position(shift: float) -> None:
    gains = expressed(f"relu(x - {shift:.10f})".replace("- -", "+ ")).gains
    assert gains is not None
    assert gains.forward == pytest.approx(1 / math.sqrt(_second_moment_of_shifted_relu(shift)), rel=1e-9)
    assert gains.backward == pytest.approx(1 / math.sqrt(math.erfc(shift / math.sqrt(2)) / 2), rel=1e-9)


def test_finds_nested_kinks() -> None:
    gains = expressed("abs(abs(x - 0.507) - 0.001)").gains
    assert gains is not None
    assert gains.backward == pytest.approx(1, rel=1e-9)
    # (|a| - c)² = a² - 2c|a| + c², a = z - m
    m, c = 0.507, 0.001
    absolute = math.sqrt(2 / math.pi) * math.exp(-m * m / 2) + m * math.erf(m / math.sqrt(2))
    assert gains.forward == pytest.approx(1 / math.sqrt(1 + m * m - 2 * c * absolute + c * c), rel=1e-9)


def test_gains_of_steep_rough_and_oscillating_formulas_are_exact() -> None:
    steep, power, wave = (expressed(text).gains for text in ("sigmoid(1000000*x)", "abs(x)^0.75", "abs(sin(100*x))"))
    assert steep is not None
    assert power is not None
    assert wave is not None
    assert steep.backward == pytest.approx(1 / math.sqrt(1e6 / 6 / math.sqrt(2 * math.pi)), rel=1e-9)
    assert power.forward == pytest.approx(1 / math.sqrt(2**0.75 * math.gamma(1.25) / math.sqrt(math.pi)), rel=1e-9)
    assert wave.backward == pytest.approx(math.sqrt(2) / 100, rel=1e-9)


VALUES = [
    ("2 + 3*4", 14),
    ("(2 + 3)*4", 20),
    ("2 - 3 - 4", -5),
    ("24/4/2", 3),
    ("-x^2", -4),
    ("-2^2", -4),
    ("2^-1", 0.5),
    ("2^3^2", 512),
    ("2**3**2", 512),
    ("2*-x", -4),
    ("--x", 2),
    ("+x", 2),
    ("1.5e1 + .5 + 2.", 17.5),
    ("pi", math.pi),
    ("e^x", math.e**2),
    ("MAX(x, 3)", 3),
    ("min(x, 3)", 2),
    (" relu ( x ) ", 2),
    ("2e", None),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_operator_precedence_is_that_of_python(text: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(InvalidValue):
            parse(text)
        return
    assert value_and_slope(parse(text), np.array([2.0]))[0] == pytest.approx([value])


INVALID = [
    ("", "at position 1; received 'the end'"),
    ("x +", "at position 4; received 'the end'"),
    ("x + )", r"at position 5; received '\)'"),
    ("x x", "an operator or the end at position 3; received 'x'"),
    ("2x", "an operator or the end at position 2"),
    ("(x", r"'\)' at position 3"),
    ("x @ 2", "a symbol of the grammar at position 3; received '@'"),
    ("x\u00b2", "a symbol of the grammar at position 2"),
    ("rleu(x)", "Did you mean 'relu'"),
    ("__import__(x)", "a function at position 1; received '__import__'"),
    ("x.real", "a symbol of the grammar at position 2"),
    ("y", "x, pi, e or a function at position 1; received 'y'"),
    ("exp", r"'\(' at position 4"),
    ("max(x)", "2 arguments for max at position 1; received 1"),
    ("1 + relu(x, x)", "1 argument for relu at position 5; received 2"),
    ("1e999*x", "a number below 1e308 at position 1"),
    ("x" * 201, "at most 200 characters; received '201 characters'"),
    ("(" * 20 + "x" + ")" * 20, "at most 20 levels of nesting; received 'more at position 21'"),
    ("-" * 20 + "x", "at most 20 levels"),
    ("x" + "+x" * 50, "at most 100 numbers, names and operations"),
    ("log(x)", "not a finite number at x = -"),
    ("x^0.5", "not a finite number at x = -"),
    ("1e200*x", "the square of either is not a finite number"),
    ("0", "is 0 everywhere"),
    ("1", "is the same everywhere"),
    ("sign(1+x*x)", "is the same everywhere"),
    ("1e-200*x", "is 0 everywhere, or nearly 0"),
    ("1/x", "is infinite"),
    ("exp(x*x/4)", "is infinite"),
    ("sin(1000000*x)", "changes too fast"),
    ("abs(sin(999*x))", "at most 2000 kinks"),
    ("relu6(99*sin(99*x))", "at most 2000 kinks"),
]


@pytest.mark.parametrize(("text", "message"), INVALID, ids=lambda value: value[:40])
def test_rejects_an_invalid_formula_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message) as raised:
        expressed(text)
    assert raised.value.field == "activation.expression"
    assert raised.value.action


@pytest.mark.parametrize(
    ("text", "second_moment"),
    [
        ("sqrt(abs(x))", math.sqrt(2 / math.pi)),  # E|x|
        ("abs(x)^0.5", math.sqrt(2 / math.pi)),
        ("abs(x)^0.25", 0.8221789586624),  # E√|x| = 2^¼·Γ(¾)/√π
        ("sign(x)", 1.0),
        ("x/abs(x)", 1.0),
        ("max(sign(x), 0)", 0.5),
    ],
)
def test_a_forward_gain_needs_no_backward_one(text: str, second_moment: float) -> None:
    gains = expressed(text).gains
    assert gains is not None
    assert gains.backward is None
    assert gains.forward == pytest.approx(1 / math.sqrt(second_moment), rel=1e-8)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) & set(ACTIVATIONS)))
def test_a_function_with_the_name_of_an_activation_has_its_gains(name: str) -> None:
    formula, built_in = expressed(f"{name}(x)").gains, ACTIVATIONS[name]().gains
    assert formula is not None
    assert built_in is not None
    assert formula.forward == pytest.approx(built_in.forward, rel=1e-8)
    assert formula.backward == pytest.approx(built_in.backward, rel=1e-8)


def test_functions_can_be_combined() -> None:
    gains = expressed("0.5*gelu(x) + 0.5*silu(2*x)*atan(x)").gains
    assert gains is not None
    assert gains.backward is not None


@pytest.mark.parametrize("text", ["(" * 19 + "x" + ")" * 19, "-" * 19 + "x", "x" + "+x" * 49])
def test_accepts_formulas_exactly_at_the_limits(text: str) -> None:
    assert expressed(text).gains is not None


SLOPES = [
    *BUILT_IN.values(),
    *(f"{name}(1.3*x + 4.5)" for name in FUNCTIONS if name not in ("max", "min")),
    "2^x",
    "(x*x + 1)^x",
    "x^3/(2 + cos(x))",
]


@pytest.mark.parametrize("text", SLOPES)
def test_slopes_match_finite_differences(text: str) -> None:
    tree = parse(text)
    x, h = np.array([-3.1, -1.3, -0.2, 0.4, 1.7, 4.2]), 1e-6
    slope = (value_and_slope(tree, x + h)[0] - value_and_slope(tree, x - h)[0]) / (2 * h)
    assert np.allclose(value_and_slope(tree, x)[1], slope, rtol=1e-7, atol=1e-7)


def test_a_constant_part_has_slope_0_even_if_the_outer_slope_is_infinite() -> None:
    values, slopes = value_and_slope(parse("relu(x)^0.75"), np.array([-1.0, 1.0]))
    assert values.tolist() == [0, 1]
    assert slopes.tolist() == [0, 0.75]


TOKENS = ["x", "x", "2", "0.5", "1e9", "pi", "+", "-", "*", "/", "^", "(", ")", ",", " ", *(f"{name}(" for name in FUNCTIONS)]


@settings(deadline=None)  # an oscillating formula takes a while to reject
@given(st.text(max_size=30) | st.lists(st.sampled_from(TOKENS), max_size=12).map("".join))
def test_any_text_has_gains_or_raises_invalid_value(text: str) -> None:
    with warnings.catch_warnings(), suppress(InvalidValue):
        warnings.simplefilter("error")
        gains = expressed(text).gains
        assert gains is not None
        assert math.isfinite(gains.forward)
        assert gains.forward > 0


FORMULAS = st.recursive(
    st.sampled_from(["x", "x", "2", "0.3"]),
    lambda inner: (
        st.builds("{}({})".format, st.sampled_from([name for name in FUNCTIONS if name not in ("max", "min")]), inner)
        | st.builds("({}{}{})".format, inner, st.sampled_from("+-*/^"), inner)
        | st.builds("{}({},{})".format, st.sampled_from(["max", "min"]), inner, inner)
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(FORMULAS)
def test_any_well_formed_formula_has_gains_or_raises_invalid_value(text: str) -> None:
    with warnings.catch_warnings(), suppress(InvalidValue):
        warnings.simplefilter("error")
        gains = expressed(text).gains
        assert gains is not None
        assert math.isfinite(gains.forward)
