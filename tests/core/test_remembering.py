"""Results are remembered, and refusals too."""

from __future__ import annotations

import sys

import pytest

from service.core.errors import InitError, InvalidValue, TooLarge
from service.core.remembering import remembering


def test_remembers_the_most_recently_used_results() -> None:
    calls: list[int] = []

    @remembering(2)
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    assert [double(number) for number in (1, 2, 1, 3, 1)] == [2, 4, 2, 6, 2]
    assert calls == [1, 2, 3]
    assert (double.knows(1), double.knows(2), double.knows(3)) == (True, False, True)


@pytest.mark.parametrize("kind", [InvalidValue, TooLarge])
def test_remembers_refusals_and_raises_an_equal_error_each_time(kind: type[InitError]) -> None:
    calls: list[str] = []

    @remembering(8)
    def refuse(text: str) -> int:
        calls.append(text)
        raise kind("field", expected="something else", received=text, action="Send it.")

    errors = []
    for _ in range(3):
        with pytest.raises(kind, match=r"field: expected something else; received 'it'\. Send it\.") as raised:
            refuse("it")
        errors.append(raised.value)
    assert calls == ["it"]
    assert len({id(error) for error in errors}) == 3, "each caller has its own, with its own traceback"
    assert {tuple(vars(error).values()) for error in errors} == {("field", "something else", "'it'", "Send it.")}


def test_a_remembered_refusal_keeps_no_variables_in_memory() -> None:
    class Large:
        pass

    large = Large()
    before = sys.getrefcount(large)

    @remembering(8)
    def refuse(_: Large) -> int:
        mine = [large]
        raise InvalidValue("field", expected="another", received=len(mine), action="Change it.")

    with pytest.raises(InvalidValue):
        refuse("key")
    assert sys.getrefcount(large) <= before + 1  # the closure of the function


def test_other_errors_are_not_remembered() -> None:
    calls: list[int] = []

    @remembering(8)
    def fail(number: int) -> int:
        calls.append(number)
        raise MemoryError

    for _ in range(2):
        with pytest.raises(MemoryError):
            fail(1)
    assert calls == [1, 1]
