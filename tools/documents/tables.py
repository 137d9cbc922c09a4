"""The tables of schemes, activations, layers and settings."""

from __future__ import annotations

from service.core.activations import ACTIVATIONS
from service.core.layers.roles import ROLES
from service.core.parameters import Parameter
from service.core.schemes import SCHEMES, Scheme
from service.core.schemes.library_layers import LIBRARY_DEFAULT, LIBRARY_LAYERS, Part
from service.settings import Settings

_LIBRARIES = {"torch": "torch", "keras": "Keras", "jax": "JAX", "timm": "timm"}


def schemes() -> str:
    """Return a row for each scheme: its names, formula and parameters, its names in other libraries, and its reference."""
    rows = [_scheme(row) for row in SCHEMES.values() if row is not LIBRARY_DEFAULT]
    return markdown_table(["scheme", "other names", "formula", "parameters", "in torch, Keras, JAX, timm", "reference"], rows)


def library_layers() -> str:
    """Return a row for each kind of layer in a library: its names, and the scheme of each of its tensors."""
    rows = []
    for layer in dict.fromkeys(LIBRARY_LAYERS.values()):
        library = layer.names[0].rpartition(".")[0]
        names = _quoted([name.rpartition(".")[2] for name in layer.names])
        tensors = "; ".join(f"{_quoted(list(part.names))}: `{part.scheme}`{_presets(part)}" for part in layer.parts)
        rows.append([f"`{library}`", names, tensors])
    return markdown_table(["library", "layers", "tensors"], rows)


def _presets(part: Part) -> str:
    return "".join(f", {name}={value}" for name, value in part.presets.items())


def _scheme(row: Scheme) -> list[str]:
    aliases = [alias.name for alias in row.aliases if alias.name.partition(".")[0] not in _LIBRARIES]
    by_library = {label: _names_in(row, library) for library, label in _LIBRARIES.items()}
    elsewhere = "; ".join(f"{label} {_quoted(names)}" for label, names in by_library.items() if names)
    parameters = ", ".join(_parameter(parameter) for parameter in row.parameters)
    reference = row.reference
    citation = "" if reference is None else f"{reference.authors.split(',')[0].split(' et ')[0]} {reference.year or ''}".strip()
    return [f"`{row.name}`", _quoted(aliases), row.formula, parameters, elsewhere, citation]


def _names_in(row: Scheme, library: str) -> list[str]:
    prefix = f"{library}."
    return [alias.name.removeprefix(prefix) for alias in row.aliases if alias.name.startswith(prefix)]


def _quoted(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _parameter(row: Parameter) -> str:
    if row.default is None:
        return row.name
    return f"{row.name}={row.default:g}" if isinstance(row.default, float) else f"{row.name}={row.default}"


def activations() -> str:
    """Return a row for each activation, with its formula, gains and recommended scheme, and then a list of the reasons."""
    rows, reasons = [], []
    for row in ACTIVATIONS.values():
        gains, advice = row().gains, row.recommendation
        numbers = (None, None, None) if gains is None else (gains.forward, gains.backward, gains.variance)
        cells = ["" if gain is None else f"{gain:.8g}" for gain in numbers]
        rows.append([f"`{row.name}`", row.formula, *cells, f"`{advice.scheme}`"])
        reasons.append(f"- **`{row.name}`**: `{advice.scheme}`. {advice.reason}")
    table = markdown_table(["activation", "formula", "gain forward", "gain backward", "gain variance", "recommended"], rows)
    return "\n".join((table, "", "## Why each scheme fits", "", *reasons))


def layers() -> str:
    """Return a row for each layer, with its weight, other names and recommended scheme, and then a list of the reasons."""
    rows, reasons = [], []
    for row in ROLES.values():
        advice = row.recommendation
        scheme = "depends on the activation" if advice is None else f"`{advice.scheme}`"
        rows.append([f"`{row.name}`", row.summary, _quoted(list(row.aliases)), scheme])
        if advice is not None:
            reasons.append(f"- **`{row.name}`**: `{advice.scheme}`. {advice.reason}")
    table = markdown_table(["layer", "the weight", "other names", "recommended"], rows)
    return "\n".join((table, "", "## Why each scheme fits", "", *reasons))


def settings() -> str:
    """Return a row for each setting: its environment variable, default and meaning."""
    rows = [
        [f"`WEIGHT_INIT_{name.upper()}`", "by memory" if field.default_factory else f"`{field.default}`", field.description or ""]
        for name, field in Settings.model_fields.items()
    ]
    return markdown_table(["variable", "default", "meaning"], rows)


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown. Escapes `|` in cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
