"""The rules of a manifest: globs on the names of tensors, each with the fields of the tensors that it covers."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from typing import Any

from service.contract.request import InitRequest

Fields = dict[str, Any]

MATCH = "match"  # the key of a rule that holds its glob
_DRAWING = ("scheme", "activation", "layer")  # any of these fields says how to draw a tensor
_FIELDS = frozenset(InitRequest.model_fields)


class Rules:
    """The rules in order. The first one whose glob matches a name covers that tensor."""

    def __init__(self, rules: Sequence[Mapping[str, Any]]) -> None:
        self.globs = [str(rule[MATCH]) for rule in rules]
        self.fields = [{name: value for name, value in rule.items() if name != MATCH} for rule in rules]
        # One expression for all, because it takes the first alternative that matches. Each is linear in the length of the name.
        self._pattern = re.compile("|".join(f"({fnmatch.translate(glob)})" for glob in self.globs)) if self.globs else None

    def covering(self, name: str) -> int | None:
        """Return the index of the rule that covers a tensor, or None."""
        match = self._pattern.match(name) if self._pattern else None
        return None if match is None or match.lastindex is None else match.lastindex - 1


def merged(*levels: Fields) -> Fields:
    """Return the fields of all levels. A later level replaces the fields of earlier ones.

    The parameters of a scheme belong to it. So a level that names a scheme drops those of the levels before it.

    >>> merged({"scheme": "normal", "stddev": 0.02, "seed": 1}, {"scheme": "zeros"})
    {'scheme': 'zeros', 'seed': 1}
    """
    fields: Fields = {}
    for level in levels:
        if "scheme" in level:
            fields = {name: value for name, value in fields.items() if name in _FIELDS}
        fields |= level
    return fields


def says_how_to_draw(fields: Fields) -> bool:
    """Return whether the fields say how to draw a tensor, by a scheme, an activation or the role of the weight."""
    return any(fields.get(name) is not None for name in _DRAWING)
