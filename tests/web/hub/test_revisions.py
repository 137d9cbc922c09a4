"""Revisions carry the seed and the fields of a model, and a commit can be read back into them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.checkpoints.opening import Opened, open_checkpoint
from service.checkpoints.presets import Model
from service.checkpoints.request import request_from_pairs
from service.contract.answer import Limits
from service.core.errors import InvalidValue
from service.web.hub.revisions import commit_of, fields_of, fields_of_commit, is_commit, names_of

LENET = Model.of("lenet5", {})


def opened(**fields: str) -> Opened:
    return open_checkpoint(request_from_pairs(fields.items(), preset="lenet5"), Limits())


@pytest.mark.parametrize(
    ("revision", "fields"),
    [
        ("main", {}),
        ("seed=7", {"seed": "7"}),
        ("seed=7,dtype=bfloat16", {"seed": "7", "dtype": "bfloat16"}),
        ("seed=7;dtype=bfloat16", {"seed": "7", "dtype": "bfloat16"}),
        ("seed=7, num_classes=3", {"seed": "7", "num_classes": "3"}),
    ],
)
def test_a_revision_has_fields(revision: str, fields: dict[str, str]) -> None:
    assert fields_of(revision) == fields


@pytest.mark.parametrize("revision", ["", "master", "7", "seed", "=7", "seed=7,", "seed=7,seed=8"])
def test_a_revision_of_another_form_is_refused(revision: str) -> None:
    with pytest.raises(InvalidValue):
        fields_of(revision)


@given(
    seed=st.integers(0, 2**64 - 1),
    dtype=st.sampled_from(["float16", "bfloat16", "float32", "float64"]),
    field=st.sampled_from([("num_classes", "1"), ("num_classes", "100000"), ("variant", "x")]),
)
def test_a_commit_gives_back_its_fields(seed: int, dtype: str, field: tuple[str, str]) -> None:
    name, value = field
    commit = commit_of({name: value}, opened(seed=str(seed), dtype=dtype))
    assert is_commit(commit)
    assert fields_of_commit(commit, LENET) == {"seed": str(seed), "dtype": dtype, name: value}


def test_a_text_is_given_back() -> None:
    commit = commit_of({"variant": "recommended"}, opened())
    assert fields_of_commit(commit, LENET) == {"seed": "0", "dtype": "float32", "variant": "recommended"}


def test_commits_differ_as_soon_as_a_field_does() -> None:
    revisions: list[dict[str, str]] = [{}, {"seed": "1"}, {"dtype": "bfloat16"}, {"num_classes": "3"}, {"seed": "1", "num_classes": "3"}]
    commits = [commit_of(fields, opened(**fields)) for fields in revisions]
    assert len({commit[:8] for commit in commits}) == len(revisions), "people write the first digits alone"


def test_fields_that_do_not_fit_into_a_commit_are_refused() -> None:
    fields = {"num_classes": "100000", "variant": "recommended"}
    with pytest.raises(InvalidValue, match="fewer fields"):
        commit_of(fields, opened(seed=str(2**64 - 1)))


@given(st.binary(min_size=20, max_size=20))
def test_any_digits_are_fields_or_refused(digits: bytes) -> None:
    try:
        fields = fields_of_commit(digits.hex(), LENET)
    except InvalidValue:
        return
    assert set(fields) <= {"seed", "dtype", *names_of(LENET)}
