"""Compacting: rules for the tensors whose names differ in their numbers alone, which say the same as before."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.checkpoints.checkpoint import checkpoint_of
from service.checkpoints.compacting import compact
from service.contract.answer import Limits

NORMAL = {"scheme": "normal", "stddev": 0.02}
PADDED = {**NORMAL, "layer": "embedding", "padding_idx": 0}


def entry(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "shape": [4, 4], **fields}


def test_layers_share_a_rule() -> None:
    tensors, rules = compact([entry(f"h.{layer}.fc.weight", **NORMAL) for layer in range(12)])
    assert rules == [{"match": "h.*.fc.weight", **NORMAL}]
    assert tensors == [entry(f"h.{layer}.fc.weight") for layer in range(12)]


def test_a_layer_that_differs_keeps_its_fields() -> None:
    tensors, rules = compact([*(entry(f"h.{layer}", **NORMAL) for layer in range(3)), entry("h.3", scheme="zeros")])
    assert rules == [{"match": "h.*", **NORMAL}]
    assert tensors[3] == entry("h.3", scheme="zeros")


def test_a_rule_that_would_disturb_another_tensor_is_left_out() -> None:
    """A tensor's own scheme replaces that of a rule, but not the rule's padding_idx."""
    entries = [entry("h.0", **PADDED), entry("h.1", **PADDED), entry("h.2", scheme="zeros")]
    assert compact(entries) == (entries, [])


def test_stored_tensors_and_those_without_a_scheme_are_left_alone() -> None:
    entries = [{"name": "a.0", "shape": [], "dtype": "int64", "values": [0]}, entry("a.1"), entry("a.2", dtype="bfloat16")]
    assert compact(entries) == (entries, [])


def test_signs_of_globs_in_names_stand_for_themselves() -> None:
    entries = [entry("a[0].0", **NORMAL), entry("a*.0", scheme="zeros"), entry("a?.1", scheme="ones")]
    assert_same(entries)


PARTS = st.sampled_from(["h", "0", "1", "23", "weight", "h.0", "*", "[a]"])
FIELDS = st.sampled_from([NORMAL, PADDED, {"scheme": "zeros"}, {"activation": "relu"}, {"layer": "embedding", "scheme": "normal"}])


@given(st.dictionaries(st.lists(PARTS, min_size=1, max_size=4).map(".".join), FIELDS, min_size=1, max_size=12))
def test_compacting_changes_no_tensor(fields: dict[str, dict[str, Any]]) -> None:
    assert_same([entry(name, **drawing) for name, drawing in fields.items()])


def assert_same(entries: list[dict[str, Any]]) -> None:
    tensors, rules = compact(entries)
    before, after = checkpoint_of({"tensors": entries}, Limits()), checkpoint_of({"tensors": tensors, "rules": rules}, Limits())
    assert before.digest == after.digest
    assert after.warnings == ()
