"""The tables of the README."""

from __future__ import annotations

from service.core.activations import ACTIVATIONS
from service.core.parameters import Parameter
from service.core.schemes import SCHEMES, Scheme
from service.core.schemes.auto import recommendation_for
from service.settings import Settings

_LIBRARIES = {"torch": "torch", "keras": "Keras", "jax": "JAX", "timm": "timm"}


def schemes() -> str:
    """Name, other names, formula, parameters, who else has it, reference."""
    rows = [_scheme(row) for row in SCHEMES.values()]
    return _table(["scheme", "other names", "formula", "parameters", "in torch, Keras, JAX, timm", "reference"], rows)


def _scheme(row: Scheme) -> list[str]:
    own = [alias.name for alias in row.aliases if alias.name.partition(".")[0] not in _LIBRARIES]
    there = [f"{shown} {_quoted(row.in_library(library))}" for library, shown in _LIBRARIES.items() if row.in_library(library)]
    parameters = ", ".join(_parameter(parameter) for parameter in row.parameters)
    reference = row.reference
    cited = "" if reference is None else f"{reference.authors.split(',')[0].split(' et ')[0]} {reference.year or ''}".strip()
    return [f"`{row.name}`", _quoted(own), row.formula, parameters, "; ".join(there), cited]


def _quoted(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _parameter(row: Parameter) -> str:
    return (
        f"{row.name}"
        if row.default is None
        else f"{row.name}={row.default:g}"
        if isinstance(row.default, float)
        else f"{row.name}={row.default}"
    )


def activations() -> str:
    """A table of the activations' formulas, gains and recommended schemes, and a list of the reasons."""
    rows, reasons = [], []
    for row in ACTIVATIONS.values():
        gains, advice = row().gains, recommendation_for(row.name)
        found = (None, None, None) if gains is None else (gains.forward, gains.backward, gains.variance)
        shown = ["" if gain is None else f"{gain:.8g}" for gain in found]
        rows.append([f"`{row.name}`", row.formula, *shown, f"`{advice.scheme}`"])
        reasons.append(f"- **`{row.name}`**: `{advice.scheme}`. {advice.reason}")
    table = _table(["activation", "formula", "gain forward", "gain backward", "gain variance", "recommended"], rows)
    return "\n".join((table, "", "## Why each scheme fits", "", *reasons))


def settings() -> str:
    """Environment variable, default, meaning."""
    rows = [
        [f"`WEIGHT_INIT_{name.upper()}`", f"`{field.default}`", field.description or ""] for name, field in Settings.model_fields.items()
    ]
    return _table(["variable", "default", "meaning"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
