"""The catalogues of schemes and activations, made from the registry."""

from __future__ import annotations

from service.contract.advice import gains_document
from service.contract.documents import (
    ActivationCatalogue,
    ActivationDescription,
    ParameterDescription,
    SchemeCatalogue,
    SchemeDescription,
)
from service.core.activations import ACTIVATIONS, Activation
from service.core.parameters import Parameter
from service.core.schemes import SCHEMES, Scheme


def schemes() -> SchemeCatalogue:
    """Return the content of /schemes."""
    return {"schemes": [_scheme(row) for row in SCHEMES.values()]}


def _scheme(row: Scheme) -> SchemeDescription:
    return {
        "name": row.name,
        "summary": row.summary,
        "formula": row.formula,
        "aliases": [{"name": alias.name, "parameters": dict(alias.presets)} for alias in row.aliases],
        "parameters": [_parameter(parameter) for parameter in row.parameters],
        "needs_fans": row.needs_fans,
        "reference": row.source,
    }


def activations() -> ActivationCatalogue:
    """Return the content of /activations, with gains and recommended schemes."""
    return {"activations": [_activation(row) for row in ACTIVATIONS.values()]}


def _activation(row: Activation) -> ActivationDescription:
    return {
        "name": row.name,
        "formula": row.formula,
        "aliases": list(row.aliases),
        "parameters": [_parameter(parameter) for parameter in row.parameters],
        "gain": gains_document(row().gains),
        "recommended": row.recommendation.scheme,
        "reference": str(row.reference),
    }


def _parameter(row: Parameter) -> ParameterDescription:
    return {
        "name": row.name,
        "summary": row.summary,
        "domain": row.domain,
        "default": row.default,
        "required": row.required,
    }
