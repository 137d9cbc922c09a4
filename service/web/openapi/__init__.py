"""The OpenAPI document. FastAPI generates it from the routes, and this package adds what FastAPI cannot know.

schema       building blocks of the document
checkpoints  the routes of whole models, and the JSON Schema of a manifest
requests     fields and parameters of requests, from the registries
operations   headers, media types, problems and examples
"""

from __future__ import annotations

from collections.abc import Container
from functools import cache
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from service.contract.documents import Problem, Tensor
from service.web.openapi.checkpoints import RESPONSES
from service.web.openapi.operations import (
    ANY_PROBLEM,
    DOCUMENT_HEADERS,
    FAILED_CONDITION,
    KEY_PROBLEMS,
    KEY_SCHEME,
    LIMIT_PROBLEMS,
    NOT_MODIFIED,
    TENSOR_RESPONSE,
)
from service.web.openapi.requests import REQUESTS
from service.web.openapi.schema import Schema, for_generators
from service.web.protection.access import PROBES

# Schemas that FastAPI does not generate. It would list JSON before the other media types of a tensor, and give problems a wrong type.
_ADDED_DOCUMENTS: tuple[Any, ...] = (Tensor, Problem)


def complete(app: FastAPI, *, needs_key: bool) -> None:
    """Add what FastAPI cannot know to the document of `app`, and the API keys if `needs_key`."""
    generate = app.openapi

    @cache  # one document for the life of the application
    def openapi() -> Schema:
        document = generate()
        schemas = REQUESTS | _without_titles(document["components"]["schemas"]) | _added_schemas()
        document["components"] = {"schemas": schemas}
        for operation in _operations(document):
            _describe(operation["responses"]["200"], schemas)
        for operation in document["paths"]["/init"].values():
            operation["responses"]["200"] = TENSOR_RESPONSE
        for (path, method), response in RESPONSES.items():
            document["paths"][path][method]["responses"]["200"] = response
        for path in ("/recommend", "/schemes", "/activations", "/checkpoints"):
            responses = document["paths"][path]["get"]["responses"]
            responses["200"]["headers"] = DOCUMENT_HEADERS
            responses |= NOT_MODIFIED | FAILED_CONDITION
        for operation in _guarded(document):
            operation["responses"] |= LIMIT_PROBLEMS
        for operation in _operations(document):
            operation["responses"] |= ANY_PROBLEM
        if needs_key:
            _add_keys(document)
        completed: Schema = for_generators(document)
        return completed

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents


def _added_schemas() -> dict[str, Schema]:
    adapters = [(row.__name__, "serialization", TypeAdapter(row)) for row in _ADDED_DOCUMENTS]
    _, definitions = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: dict[str, Schema] = _without_titles(definitions)["$defs"]
    return schemas


def _without_titles(schema: Any) -> Any:
    """Remove the titles that Pydantic derives from names, because generated clients would have a type for each."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _without_titles(value) for name, value in schema.items() if name != "title" or not isinstance(value, str)}


def _describe(response: Schema, schemas: dict[str, Schema]) -> None:
    """Give a response the description of its schema. FastAPI's own only says that it is successful."""
    name = response["content"]["application/json"]["schema"].get("$ref", "").rpartition("/")[2]
    if name:
        response["description"] = schemas[name]["description"]


def _guarded(document: Schema) -> list[Schema]:
    """Return all operations except the probes, which need no key and have no limits."""
    return _operations(document, excluded=PROBES)


def _operations(document: Schema, *, excluded: Container[str] = ()) -> list[Schema]:
    return [operation for path, row in document["paths"].items() if path not in excluded for operation in row.values()]


def _add_keys(document: Schema) -> None:
    document["components"]["securitySchemes"] = {"key": KEY_SCHEME}
    for operation in _guarded(document):
        operation["security"] = [{"key": []}]
        operation["responses"] |= KEY_PROBLEMS
