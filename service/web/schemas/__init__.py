"""The named schemas of the OpenAPI document, which become the types of generated clients: those of requests and those of answers."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A schema of the document by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def described(schema: Schema, description: str) -> Schema:
    """The schema, and what it means where it stands."""
    return schema | {"description": description}
