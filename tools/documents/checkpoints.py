"""The tables of presets and architectures."""

from __future__ import annotations

from service.checkpoints import catalogue
from tools.documents.tables import markdown_table

_GB = 1e9


def presets() -> str:
    """Return a row for each preset, with its size."""
    rows = [
        [f"`{row['name']}`", f"`{row['architecture']}`", f"{row['parameters']:,}", f"{row['bytes']['bfloat16'] / _GB:.3f}"]
        for row in catalogue.presets()["presets"]
    ]
    return "\n".join(("## Models", "", markdown_table(["preset", "architecture", "parameters", "GB in bfloat16"], rows)))


def architectures() -> str:
    """Return a row for each architecture, with the fields of its config.json and its variants."""
    rows = []
    for row in catalogue.presets()["architectures"]:
        fields = ", ".join(f"`{field['name']}`" for field in row["fields"])
        variants = "; ".join(f"`{variant['name']}`: {variant['summary']}" for variant in row["variants"])
        rows.append([f"`{row['name']}`", row["summary"], fields, variants])
    table = markdown_table(["model_type", "what it is", "fields", "variants"], rows)
    return "\n".join(("## Architectures", "", table, "", "`/checkpoints` says what each field is, and which values it accepts."))
