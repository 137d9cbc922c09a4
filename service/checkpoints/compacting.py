"""Turns fields that each tensor has into rules that many share."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from service.checkpoints.manifest import MAX_RULES
from service.checkpoints.rules import MATCH, Rules, merged, says_how_to_draw

Entry = dict[str, Any]

_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")  # a part of a name that is a number, as of a layer
_SPECIAL = re.compile(r"[*?\[]")


def compact(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return the entries and rules that say the same: a rule for the tensors whose names differ in their numbers alone.

    A tensor that its rule does not describe keeps its fields. So does a tensor of its own kind, if there would be too many rules.

    >>> compact([{"name": f"h.{n}.weight", "shape": [2], "scheme": "ones"} for n in range(2)])
    ([{'name': 'h.0.weight', 'shape': [2]}, {'name': 'h.1.weight', 'shape': [2]}], [{'match': 'h.*.weight', 'scheme': 'ones'}])
    """
    rules = _rules(entries)
    while True:
        covering, texts = Rules(rules), [_text(rule) for rule in rules]
        kept, removed = [], set(range(len(rules)))
        disturbing = set()
        for entry in entries:
            rule = covering.covering(entry["name"])
            if rule is None or not says_how_to_draw(entry):
                kept.append(entry)
            elif texts[rule] == _text(entry):
                removed.discard(rule)
                kept.append({name: entry[name] for name in ("name", "shape")})
            else:
                kept.append(entry)
                if merged(_drawing(rules[rule]), _drawing(entry)) != _drawing(entry):
                    disturbing.add(rule)
        removed |= disturbing
        if not removed:
            return kept, rules
        rules = [rule for index, rule in enumerate(rules) if index not in removed]


def _rules(entries: Sequence[Entry]) -> list[Entry]:
    """Return a rule for each kind of name, with the fields of its first tensor. The most tensors come first."""
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        if says_how_to_draw(entry):
            kinds.setdefault(glob_of(entry["name"]), []).append(entry)
    kept = list(kinds.items()) if len(kinds) <= MAX_RULES else sorted(kinds.items(), key=lambda kind: -len(kind[1]))[:MAX_RULES]
    ordered = sorted(kept, key=lambda kind: kind[0].count("*"))  # h.*.weight also matches h.0.mlp.0.weight, which has its own rule
    return [{MATCH: glob, **_drawing(drawn[0])} for glob, drawn in sorted(ordered, key=lambda kind: -kind[0].count("."))]


def glob_of(name: str) -> str:
    """Return the glob of the names that differ in their numbers alone. Characters with a meaning in globs stand for themselves."""
    escaped = _SPECIAL.sub(lambda found: f"[{found[0]}]", name)
    return _NUMBER.sub("*", escaped)


def _drawing(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name not in ("name", "shape", MATCH)}


def _text(entry: Entry) -> str:
    return json.dumps(_drawing(entry), sort_keys=True)
