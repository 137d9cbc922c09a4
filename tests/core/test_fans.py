"""Fans of shapes."""

from __future__ import annotations

import pytest

from service.core.errors import InvalidValue
from service.core.fans import Fans, Mode, fans_of


@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"),
    [((3, 5), 5, 3), ((64, 3, 7, 7), 147, 3136), ((8, 4, 3), 12, 24), ((2, 3, 2, 2, 2), 24, 16)],
)
def test_fans_count_the_kernel(shape: tuple[int, ...], fan_in: int, fan_out: int) -> None:
    assert fans_of(shape) == Fans(fan_in, fan_out)


def test_given_fans_win() -> None:
    assert fans_of((3, 5), fan_in=10) == Fans(10, 3)
    assert fans_of((3,), fan_in=10, fan_out=20) == Fans(10, 20)


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 4), ("fan_out", 9), ("fan_avg", 6.5), ("fan_geo_avg", 6)])
def test_modes(mode: str, fan: float) -> None:
    assert Fans(4, 9).by(Mode(mode), scheme="any") == fan


@pytest.mark.parametrize("shape", [(), (7,)])
def test_a_bias_has_no_fans_and_the_error_says_what_to_do(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValue, match=r"fan_in: expected the fan_in that he_normal divides by.*Give fan_in"):
        fans_of(shape).by(Mode.FAN_IN, scheme="he_normal")


@pytest.mark.parametrize("fan", [0, -1, 2**63])
def test_a_fan_is_a_positive_integer(fan: int) -> None:
    with pytest.raises(InvalidValue, match="fan_out"):
        fans_of((3, 5), fan_out=fan)
