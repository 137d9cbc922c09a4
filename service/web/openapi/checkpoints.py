"""What FastAPI cannot know about the routes of checkpoints; and the JSON Schema of a manifest."""

from __future__ import annotations

import re
from typing import Any

from service.checkpoints.checkpoint import NOT_IN_MANIFESTS
from service.checkpoints.literals import LITERAL_DTYPES
from service.checkpoints.manifest import DEFAULT_SEED, MAX_RULES, Manifest
from service.checkpoints.presets import PRESETS
from service.checkpoints.shards import FILE_NAMES, INDEX_NAME, MEDIA_TYPE, SHARD_PATTERN, WHOLE_NAME
from service.core.tensors.tensor import MAX_NAME_LENGTH
from service.web.openapi.operations import FILE_PROBLEMS, INIT_RESPONSES, NOT_MODIFIED, PARTIAL, REQUEST_HEADERS, TENSOR_RESPONSE, problems
from service.web.openapi.requests import REQUESTS, SEED
from service.web.openapi.schema import Schema, described, ref

_EXAMPLE = {"preset": "gpt2", "seed": 0, "dtype": "bfloat16", "n_layer": 2}
_TEXT: Schema = {"type": "string"}


def _about(name: str) -> str:
    return Manifest.model_fields[name].description or ""


def _fields(*, without: tuple[str, ...]) -> Schema:
    """Return the schema of an object with fields of a request to /init."""
    known = REQUESTS["InitRequest"]["properties"]
    return {name: schema for name, schema in known.items() if name not in (*NOT_IN_MANIFESTS, *without)}


def _object(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _manifest() -> dict[str, Schema]:
    name = described(_TEXT | {"minLength": 1, "maxLength": MAX_NAME_LENGTH}, "the name of the tensor, as in the file")
    shape = REQUESTS["InitRequest"]["properties"]["shape"]
    shared = _fields(without=("name", "shape"))
    names = {"type": "object", "additionalProperties": _TEXT}
    literal = {
        "name": name,
        "shape": shape,
        "dtype": {"type": "string", "enum": list(LITERAL_DTYPES)},
        "values": {"type": "array", "items": {"type": ["number", "boolean"]}, "description": "the values, flat, in C order"},
    }
    return {
        "DrawnTensor": described(_object({"name": name, "shape": shape} | shared, "name", "shape"), "A tensor, with fields of /init."),
        "StoredTensor": described(_object(literal, "name", "shape", "values"), "A tensor whose values stand in the manifest."),
        "ManifestRule": described(
            _object({"match": described(_TEXT, "a glob on the names of tensors")} | shared, "match"), "Fields for the tensors that match."
        ),
        "Manifest": {
            "type": "object",
            "description": "The tensors of a checkpoint, and how to draw each.",
            "properties": {
                "seed": described(SEED, f"{_about('seed')} (default: {DEFAULT_SEED})"),
                "dtype": described(ref("Dtype"), f"{_about('dtype')} (default: float32)"),
                "layout": described(ref("Layout"), _about("layout")),
                "tensors": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"anyOf": [ref("DrawnTensor"), ref("StoredTensor")]},
                    "description": _about("tensors"),
                },
                "rules": {"type": "array", "items": ref("ManifestRule"), "maxItems": MAX_RULES, "description": _about("rules")},
                "defaults": described(_object(shared), _about("defaults")),
                "tied": described(names, _about("tied")),
                "metadata": described(names, _about("metadata")),
            },
            "required": ["tensors"],
            "additionalProperties": False,
        },
    }


def _standalone(schemas: dict[str, Schema]) -> Schema:
    """Return the JSON Schema of a manifest, with the other schemas in `$defs`."""

    def relocated(schema: Any) -> Any:
        if isinstance(schema, list):
            return [relocated(item) for item in schema]
        if not isinstance(schema, dict):
            return schema.replace("#/components/schemas/", "#/$defs/") if isinstance(schema, str) else schema
        return {key: relocated(value) for key, value in schema.items()}

    definitions = {name: schema for name, schema in (REQUESTS | schemas).items() if name not in ("Manifest", "InitRequest")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:weight-init:manifest",
        "title": "Manifest of a checkpoint",
        **relocated(schemas["Manifest"]),
        "$defs": relocated(definitions),
    }


MANIFEST_SCHEMA: Schema = _standalone(_manifest())

_FILE_NAME = rf"^({'|'.join(map(re.escape, FILE_NAMES))}|{SHARD_PATTERN})$"


def _parameter(name: str, text: str, example: str, schema: Schema = _TEXT) -> Schema:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": described(schema, text), "example": example}


def _in_path(name: str, text: str, example: str, schema: Schema) -> Schema:
    return _parameter(name, text, example, schema) | {"in": "path", "required": True}


_PRESET = _in_path("preset", "the name of a model; /checkpoints lists them", "lenet5", _TEXT | {"enum": list(PRESETS)})
_FILE_TEXT = f"{WHOLE_NAME}, a shard of it, {INDEX_NAME}, config.json or manifest.json"
_SHARD_SIZE = _parameter("shard_size", "the largest file, such as 5GB (default: 5GB)", "1GB")
_OF_CHECKPOINT: list[Schema] = [
    _parameter("seed", f"an integer from 0 to 2^64 - 1 (default: {DEFAULT_SEED})", "0"),
    _parameter("dtype", "float32, float64, float16 or bfloat16 (default: float32)", "bfloat16"),
    _parameter("variant", "whose rules draw the model; /checkpoints lists them (default: those of its library)", "recommended"),
]
_OF_TENSOR: list[Schema] = [
    _parameter("tensor", "the name of one tensor to return, as /init does", "fc1.weight"),
    _parameter("slice", "the part of the tensor to return, in NumPy's basic slicing", ":2"),
    _parameter("format", "the format of the tensor: npy, json, safetensors, npz or raw", "json"),
]

SUMMARY: Schema = {
    "parameters": [_PRESET, *_OF_CHECKPOINT, _SHARD_SIZE, *_OF_TENSOR, *REQUEST_HEADERS],
    "responses": INIT_RESPONSES | NOT_MODIFIED | problems(s404="There is no such model."),
}
FILE: Schema = {
    "parameters": [
        _PRESET,
        _in_path("file", _FILE_TEXT, WHOLE_NAME, _TEXT | {"pattern": _FILE_NAME}),
        *_OF_CHECKPOINT,
        _SHARD_SIZE,
        *REQUEST_HEADERS,
    ],
    "responses": PARTIAL | FILE_PROBLEMS | NOT_MODIFIED | problems(s404="There is no such model, or it has no such file."),
}
POST_CHECKPOINT: Schema = {
    "parameters": [
        _parameter("file", f"the file to return, as in /checkpoint/{{preset}}/{{file}} (default: {WHOLE_NAME})", WHOLE_NAME),
        _SHARD_SIZE,
        *_OF_TENSOR,
        *REQUEST_HEADERS,
    ],
    "requestBody": {
        "required": True,
        "description": "A manifest (its JSON Schema is at /checkpoint/schema); or the config.json of a model; or an object with `preset` or"
        " `config`, and beside it seed, dtype, variant, and fields of the config.json.",
        "content": {"application/json": {"schema": {"type": "object"}, "examples": {"gpt2": {"summary": "Two layers", "value": _EXAMPLE}}}},
    },
    "responses": PARTIAL
    | FILE_PROBLEMS
    | problems(s400="The body is not JSON.", s406="Accept allows no format.", s408="The body did not arrive in time.", s415="No JSON."),
}

_ANY_JSON: Schema = {"application/json": {"schema": {"type": "object"}}}
_FILE_CONTENT: Schema = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}} | _ANY_JSON
_TENSOR_CONTENT: Schema = TENSOR_RESPONSE["content"] | _ANY_JSON
_HEADERS: Schema = TENSOR_RESPONSE["headers"]


def _response(description: str, content: Schema) -> Schema:
    return {"description": description, "content": content, "headers": _HEADERS}


# path and method -> the response that FastAPI cannot know, because it has several media types
RESPONSES: dict[tuple[str, str], Schema] = {
    ("/checkpoint", "post"): _response("The file, or the tensor.", _FILE_CONTENT | _TENSOR_CONTENT),
    ("/checkpoint/{preset}", "get"): _response("What the checkpoint holds (CheckpointSummary), or the tensor.", _TENSOR_CONTENT),
    ("/checkpoint/{preset}/{file}", "get"): _response("The file.", _FILE_CONTENT),
}
