"""Documents about checkpoints: what one holds, and which models have a name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from service.checkpoints.checkpoint import Checkpoint, Drawn, Stored
from service.checkpoints.compacting import glob_of
from service.checkpoints.presets import ARCHITECTURES, PRESETS, Architecture, Model
from service.checkpoints.rules import MATCH, Fields
from service.contract.documents import ArchitectureDescription, CheckpointCatalogue, CheckpointRule, CheckpointSummary, PresetDescription
from service.contract.metadata import json_integer
from service.core.tensors.dtypes import DTYPES


def summary_of(checkpoint: Checkpoint, file_names: Sequence[str], model: Model | None) -> CheckpointSummary:
    """Return what a checkpoint holds, how its tensors are drawn, and its files."""
    return {
        "model": None if model is None else model.name,
        "variant": None if model is None else model.variant.name,
        "seed": json_integer(int(checkpoint.manifest.seed)),
        "dtype": checkpoint.manifest.dtype,
        "tensors": len(checkpoint.tensors),
        "parameters": None if model is None else model.num_parameters(),
        "elements": sum(math.prod(source.row.shape) for source in checkpoint.tensors.values()),
        "bytes": checkpoint.nbytes,
        "digest": checkpoint.digest,
        "warnings": list(checkpoint.warnings),
        "tied": dict(checkpoint.tied),
        "rules": list(_rules(checkpoint)),
        "files": list(file_names),
    }


def _rules(checkpoint: Checkpoint) -> Iterator[CheckpointRule]:
    """Yield the rules in order with the tensors that each draws, and then the tensors that no rule draws, together if they are alike."""
    by_rule: dict[tuple[int, str, str], list[Drawn | Stored]] = {}
    rules = checkpoint.manifest.rules
    for name, source in checkpoint.tensors.items():
        if isinstance(source, Drawn) and source.rule is not None:
            key = (source.rule, rules[source.rule].match, "")
        else:
            key = (len(rules), glob_of(name), source.initializer.scheme.name if isinstance(source, Drawn) else "")
        by_rule.setdefault(key, []).append(source)
    for (_, match, _), sources in sorted(by_rule.items(), key=lambda item: item[0][0]):
        yield _rule(match, sources)


def _rule(match: str, sources: Sequence[Drawn | Stored]) -> CheckpointRule:
    first = sources[0]
    return {
        "match": match,
        "scheme": first.initializer.scheme.name if isinstance(first, Drawn) else "stored",
        "parameters": _parameters(first.fields) if isinstance(first, Drawn) else {},
        "stddev": first.initializer.rule.stddev if isinstance(first, Drawn) else None,
        "tensors": len(sources),
        "elements": sum(math.prod(source.row.shape) for source in sources),
    }


def _parameters(fields: Fields) -> dict[str, Any]:
    """Return the fields that say how to draw, beside the scheme."""
    return {name: value for name, value in fields.items() if name not in ("scheme", "shape", "name", "seed", "dtype", "layout", MATCH)}


@cache
def presets() -> CheckpointCatalogue:
    """Return every preset and every architecture."""
    return {
        "presets": [_preset(name) for name in PRESETS],
        "architectures": [_architecture(row) for row in ARCHITECTURES.values()],
    }


def _preset(name: str) -> PresetDescription:
    model = Model.of(name, {})
    parameters = model.num_parameters()
    return {
        "name": name,
        "architecture": model.architecture.name,
        "parameters": parameters,
        "bytes": {dtype: parameters * row.itemsize for dtype, row in DTYPES.items()},
        "config": dict(PRESETS[name].config),
    }


def _architecture(row: Architecture) -> ArchitectureDescription:
    return {
        "name": row.name,
        "summary": row.summary,
        "library": row.library,
        "fields": [
            {"name": field.name, "summary": field.summary, "domain": field.domain, "default": field.default} for field in row.fields
        ],
        "variants": [{"name": variant.name, "summary": variant.summary, "reference": variant.reference} for variant in row.variants],
    }
