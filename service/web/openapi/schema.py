"""Building blocks of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def described(schema: Schema, description: str) -> Schema:
    """Return the schema with a description."""
    return schema | {"description": description}


_FORMATS = {"integer": "int64", "number": "double"}


def for_generators(schema: Any) -> Any:
    """Return a document that code generators understand.

    Numbers have a format, because generated clients otherwise read integers as 32 bits, and numbers as float. Alternatives of different
    types are in `oneOf`, because some generators send `{}` for `anyOf`.
    """
    if isinstance(schema, list):
        return [for_generators(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")  # or a property of this name
    formats = {"format": _FORMATS[kind]} if isinstance(kind, str) and kind in _FORMATS and "format" not in schema else {}
    if isinstance(schema.get("anyOf"), list) and _are_exclusive(schema["anyOf"]):
        schema = {"oneOf" if name == "anyOf" else name: value for name, value in schema.items()}
    return {name: for_generators(value) for name, value in schema.items()} | formats


def _are_exclusive(alternatives: Sequence[Schema]) -> bool:
    """Return whether no value fits two of the alternatives, because their types differ. An integer is a number too."""
    types = ["number" if row.get("type") == "integer" else row.get("type") for row in alternatives]
    return None not in types and len(set(types)) == len(types) > 1
