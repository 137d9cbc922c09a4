"""The OpenAPI document. FastAPI writes what the routes say about themselves; this room adds what it cannot know.

schema       the words of the document
requests     fields and parameters, as the registries have them
operations   headers, media types, problems and examples
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from service.contract.documents import Problem, Tensor
from service.web.openapi.operations import KEY_SCHEME, NEEDS_KEY, OFTEN_REFUSED, TENSOR_ANSWER
from service.web.openapi.requests import REQUESTS
from service.web.openapi.schema import Schema
from service.web.protection.access import PROBES

# FastAPI would put JSON before the other types of a tensor, and a problem under another type than its own.
_BY_HAND: tuple[Any, ...] = (Tensor, Problem)


def complete(app: FastAPI, *, needs_key: bool) -> None:
    """Add to the document of `app` what FastAPI cannot know, and the keys if the service has any."""
    generate = app.openapi

    def openapi() -> Schema:
        document = generate()
        schemas = REQUESTS | _without_titles(document["components"]["schemas"]) | _documents_by_hand()
        document["components"] = {"schemas": schemas}
        for operation in _operations(document):
            _describe(operation["responses"]["200"], schemas)
        for operation in document["paths"]["/init"].values():
            operation["responses"]["200"] = TENSOR_ANSWER
        for operation in _guarded(document):
            operation["responses"] |= OFTEN_REFUSED
        if needs_key:
            _add_keys(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend its document


def _documents_by_hand() -> dict[str, Schema]:
    adapters = [(row.__name__, "serialization", TypeAdapter(row)) for row in _BY_HAND]
    _, definitions = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: dict[str, Schema] = _without_titles(definitions)["$defs"]
    return schemas


def _without_titles(schema: Any) -> Any:
    """The schema without the titles that Pydantic makes from names: generators would make types of them."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _without_titles(value) for name, value in schema.items() if name != "title" or not isinstance(value, str)}


def _describe(response: Schema, schemas: dict[str, Schema]) -> None:
    """Describe a response as its schema does; FastAPI says no more than that it is successful."""
    name = response["content"]["application/json"]["schema"].get("$ref", "").rpartition("/")[2]
    if name:
        response["description"] = schemas[name]["description"]


def _guarded(document: Schema) -> list[Schema]:
    """All operations but the probes, which are answered whoever asks, and however often."""
    return _operations(document, but=PROBES)


def _operations(document: Schema, *, but: Container[str] = ()) -> list[Schema]:
    return [operation for path, row in document["paths"].items() if path not in but for operation in row.values()]


def _add_keys(document: Schema) -> None:
    document["components"]["securitySchemes"] = {"key": KEY_SCHEME}
    for operation in _guarded(document):
        operation["security"] = [{"key": []}]
        operation["responses"] |= NEEDS_KEY
