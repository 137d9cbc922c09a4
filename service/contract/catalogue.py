"""The catalogues: what schemes and activations there are, as the registry says."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from service.core.activations import ACTIVATIONS
from service.core.parameters import Parameter
from service.core.schemes import SCHEMES, Scheme
from service.core.schemes.auto import recommendation_for

Description = dict[str, Any]


def schemes() -> list[Description]:
    """The catalogue of schemes."""
    return [_scheme(row) for row in SCHEMES.values()]


def _scheme(row: Scheme) -> Description:
    return {
        "name": row.name,
        "summary": row.summary,
        "formula": row.formula,
        "aliases": [{"name": alias.name, "parameters": dict(alias.presets)} for alias in row.aliases],
        "parameters": [_parameter(parameter) for parameter in row.parameters],
        "needs_fans": row.needs_fans,
        "reference": row.source,
    }


def activations() -> list[Description]:
    """The catalogue of activations, with their gains and recommended schemes."""
    return [_activation(name) for name in ACTIVATIONS]


def _activation(name: str) -> Description:
    row = ACTIVATIONS[name]
    gains = row().gains
    return {
        "name": row.name,
        "formula": row.formula,
        "aliases": list(row.aliases),
        "parameters": [_parameter(parameter) for parameter in row.parameters],
        "gain": None if gains is None else asdict(gains),
        "recommended": recommendation_for(name).scheme,
        "reference": str(row.reference),
    }


def _parameter(row: Parameter) -> Description:
    return {
        "name": row.name,
        "summary": row.summary,
        "domain": row.domain,
        "default": row.default,
        "required": row.required,
    }
