"""The OpenAPI document: fields and parameters as the registry has them, and examples that run."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from service.contract.request import InitRequest, RecommendRequest, Request, choices_of, described_parameter, parameter_row
from service.core.activations import ACTIVATIONS
from service.core.expressions import FUNCTIONS, MAX_CHARACTERS
from service.core.parameters import Kind, Parameter
from service.core.schemes import SCHEMES
from service.files.formats import FORMATS
from service.web.access import PROBES
from service.web.digests import ALGORITHMS
from service.web.problems import PROBLEM_MEDIA_TYPE
from service.web.ranges import MAX_RANGES

Schema = dict[str, Any]

INIT_EXAMPLES: dict[str, Schema] = {
    "relu": {"summary": "A hidden layer before ReLU", "value": {"shape": [256, 784], "activation": "relu", "seed": 7}},
    "tanh_in_json": {
        "summary": "A small one in JSON, to look at",
        "value": {"shape": [3, 5], "activation": "tanh", "seed": 7, "format": "json"},
    },
    "convolution": {
        "summary": "A convolution, He normal over fan_out",
        "value": {"shape": [64, 3, 7, 7], "scheme": {"name": "he_normal", "mode": "fan_out"}, "seed": 7, "name": "conv1.weight"},
    },
    "expression": {
        "summary": "An activation written as a formula, with its exact gain",
        "value": {"shape": [256, 784], "activation": {"expression": "x*tanh(softplus(x))"}, "seed": 7},
    },
    "bias": {"summary": "A bias", "value": {"shape": [256], "scheme": "zeros"}},
    "keras_name": {
        "summary": "Keras's own HeNormal in Keras's layout, as safetensors",
        "value": {"shape": [784, 256], "layout": "keras", "scheme": "keras.HeNormal", "seed": 7, "format": "safetensors"},
    },
    "half_of_it": {
        "summary": "Half of a larger matrix, in bfloat16",
        "value": {"shape": [512, 512], "activation": "gelu", "seed": 7, "dtype": "bfloat16", "slice": "0:256, :", "format": "raw"},
    },
    "poor": {
        "summary": "A poor choice, and the warning that comes with it",
        "value": {"shape": [256, 784], "scheme": "normal", "activation": "tanh", "seed": 7},
    },
}


def _parameter_schema(row: Parameter) -> Schema:
    match row.kind:
        case Kind.BOOLEAN:
            return {"type": "boolean"}
        case Kind.CHOICE:
            return {"type": "string", "enum": list(row.choices)}
        case Kind.INTEGER:
            return {"type": "integer"} | ({} if row.minimum is None else {"minimum": int(row.minimum)})
        case Kind.NUMBER:
            return _number_schema(row)
        case Kind.NUMBER_OR_CHOICE:
            return {"anyOf": [_number_schema(row), {"type": "string", "enum": list(row.choices)}]}


def _number_schema(row: Parameter) -> Schema:
    return {"type": "number"} | ({} if row.minimum is None else {"minimum": row.minimum})


def _properties(rows: tuple[Parameter, ...]) -> dict[str, Schema]:
    return {
        row.name: _parameter_schema(row) | {"description": row.summary} | ({} if row.default is None else {"default": row.default})
        for row in rows
    }


def _named(name: str, rows: tuple[Parameter, ...], description: str) -> Schema:
    """The object of a name and parameters."""
    required = ["name", *(row.name for row in rows if row.required)]
    return {
        "type": "object",
        "title": name,
        "description": description,
        "properties": {"name": {"type": "string", "enum": [name]}} | _properties(rows),
        "required": required,
        "additionalProperties": False,
    }


_EXPRESSION: Schema = {
    "type": "object",
    "title": "expression",
    "description": f"a formula in x: numbers, pi, e, + - * / ^, parentheses and {', '.join(FUNCTIONS)}",
    "properties": {"expression": {"type": "string", "maxLength": MAX_CHARACTERS, "examples": ["x*tanh(softplus(x))"]}},
    "required": ["expression"],
    "additionalProperties": False,
}

_CHOICES: dict[str, list[Schema]] = {
    "scheme": [
        {"type": "string", "description": "a scheme's name or one of its aliases", "examples": list(SCHEMES)},
        *(_named(row.name, row.parameters, row.summary) for row in SCHEMES.values()),
    ],
    "activation": [
        {"type": "string", "description": "an activation's name or one of its aliases", "examples": list(ACTIVATIONS)},
        *(_named(row.name, row.parameters, row.formula) for row in ACTIVATIONS.values()),
        _EXPRESSION,
    ],
}

_SEED: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 2**64 - 1},
        {"type": "string", "pattern": "^[0-9]{1,20}$"},
    ]
}


def _fields(model: type[Request]) -> dict[str, Schema]:
    """The fields of a request, in full, and the parameters that may stand beside them."""
    generated = model.model_json_schema(ref_template="#/{model}")["properties"]
    fields = {name: _field(name, generated[name], model) for name in model.model_fields}
    return fields | {name: _beside(name) for name in model.parameter_names()}


def _field(name: str, generated: Schema, model: type[Request]) -> Schema:
    described: Schema = {"description": model.model_fields[name].description}
    if "default" in generated and generated["default"] is not None:
        described["default"] = generated["default"]
    if name in _CHOICES:
        return described | {"anyOf": _CHOICES[name]}
    if name == "seed":
        return described | _SEED
    if name == "shape":
        return described | {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": generated["maxItems"]}
    kinds = [kind for kind in generated.get("anyOf", [generated]) if kind["type"] != "null"]
    return described | {"type": kinds[0]["type"]}


def _beside(name: str) -> Schema:
    row = parameter_row(name)
    schema = _parameter_schema(row) | ({"enum": choices_of(name)} if row.kind is Kind.CHOICE else {})
    return schema | {"description": described_parameter(name)}


def _query(model: type[Request], examples: dict[str, Any]) -> list[Schema]:
    """The same fields as query parameters; a shape is written `256,784`."""
    return [_query_parameter(name, schema, model, examples) for name, schema in _fields(model).items()]


def _query_parameter(name: str, schema: Schema, model: type[Request], examples: dict[str, Any]) -> Schema:
    if name in _CHOICES:
        schema = _CHOICES[name][0] | {"description": schema["description"]}
    field = model.model_fields.get(name)
    parameter: Schema = {
        "name": name,
        "in": "query",
        "required": field is not None and field.is_required(),
        "description": schema.get("description", ""),
        "schema": {key: value for key, value in schema.items() if key != "description"},
    }
    if name == "shape":
        parameter |= {"style": "form", "explode": False}
    return parameter | ({"example": examples[name]} if name in examples else {})


_JSON_ANSWER: Schema = {
    "type": "object",
    "properties": {
        "shape": {"type": "array", "items": {"type": "integer"}},
        "dtype": {"type": "string"},
        "data": {"description": "nested lists of the shape; a number for a scalar"},
        "metadata": {"type": "object", "description": "the same as in the header Weight-Init"},
    },
    "required": ["shape", "dtype", "data", "metadata"],
}


_ASKED_IN_HEADERS: list[Schema] = [
    {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string", "examples": [example]}}
    for name, description, example in (
        ("Range", f"the parts of the file to answer, up to {MAX_RANGES}; of more, the whole is answered", "bytes=0-999, -1000"),
        (
            "If-Range",
            "the ETag of what the client has a part of: a file that is not the same is answered whole",
            '"0123456789abcdef0123456789abcdef"',
        ),
        ("Want-Repr-Digest", f"the digest of the whole file to compute before the answer: {' or '.join(ALGORITHMS)}", "sha-256=10"),
    )
]


def _headers(**descriptions: str) -> dict[str, Schema]:
    return {name.replace("_", "-"): {"description": text, "schema": {"type": "string"}} for name, text in descriptions.items()}


_ANSWERED_IN_HEADERS = _headers(
    Weight_Init="the metadata, one line of JSON in ASCII",
    ETag="strong where the bytes are the same on every machine; only with a seed",
    Accept_Ranges="bytes, or none: for npz, json, without a seed, and where the bytes are not the same on every machine",
    Repr_Digest="the digest of the whole file (RFC 9530), if it was wanted and the tensor is within WEIGHT_INIT_MAX_DIGEST_BYTES",
)


def _tensor(description: str) -> Schema:
    binary = {"type": "string", "format": "binary"}
    content = {row.media_type: {"schema": _JSON_ANSWER if row.name == "json" else binary} for row in FORMATS.values()}
    return {"description": description, "content": content, "headers": _ANSWERED_IN_HEADERS}


def _parts(description: str) -> Schema:
    """Parts of the files that have them, which are those of a known length."""
    binary = {"type": "string", "format": "binary"}
    content = {row.media_type: {"schema": binary} for row in FORMATS.values() if row.name not in ("json", "npz")}
    headers = _ANSWERED_IN_HEADERS | _headers(Content_Range="where the part stands; with several, each of them says it")
    return {"description": description, "content": content | {"multipart/byteranges": {"schema": binary}}, "headers": headers}


def _problems(**statuses: str) -> dict[str, Schema]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status.removeprefix("s"): {"description": description, "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}}}
        for status, description in statuses.items()
    }


_LATER = {
    "s429": "Asked too often (WEIGHT_INIT_RATE): Retry-After says when to ask again.",
    "s503": "Too much at this moment: Retry-After says when to ask again.",
}

_INIT_RESPONSES: dict[str, Schema] = {
    "200": _tensor("The tensor; its metadata is in the header Weight-Init and, in JSON, beside the data."),
    "206": _parts("The range of the file that was asked for; several as multipart/byteranges, joined where they overlap or touch."),
    "304": {"description": "The client has it already (If-None-Match)."},
} | _problems(
    s400="The body is not JSON.",
    s408="The body did not come in time.",
    s406="No format that Accept allows.",
    s413="Larger than a limit, which is named.",
    s415="The body is not declared as JSON, or is compressed.",
    s416="Every range begins behind the end.",
    s422="A field is wrong: which one, what was expected, what came and what to do.",
    **_LATER,
)

POST_INIT: Schema = {
    "parameters": _ASKED_IN_HEADERS,
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "title": "InitRequest",
                    "properties": _fields(InitRequest),
                    "required": ["shape"],
                    "additionalProperties": False,
                },
                "examples": INIT_EXAMPLES,
            }
        },
    },
    "responses": _INIT_RESPONSES,
}
GET_INIT: Schema = {
    "parameters": _query(InitRequest, {"shape": [3, 5], "activation": "relu", "seed": 7, "format": "json"}) + _ASKED_IN_HEADERS,
    "responses": _INIT_RESPONSES,
}
GET_RECOMMEND: Schema = {
    "parameters": _query(RecommendRequest, {"activation": "relu", "fan_in": 784, "fan_out": 256}),
    "responses": _problems(s422="A field is wrong: which one, what was expected, what came and what to do.", **_LATER),
}

NOT_READY: dict[int | str, Schema] = {503: _problems(s503="Kernels are being loaded, or the server is ending.")["503"]}

_PROBLEM_SCHEMA: Schema = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what was expected, what was received, what to do"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("field", "expected", "received", "action")},
                "required": ["field", "expected", "received", "action"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}


_ANY_OF_MANY = _problems(
    s429="This client asked too often (WEIGHT_INIT_RATE): ask again after Retry-After.",
    s503="As much as the limits allow is being done: ask again after Retry-After.",
)
_KEY_SCHEME: Schema = {"type": "http", "scheme": "bearer", "description": "one of the keys that the operator gave out"}
_NEEDS_KEY = "A key is needed: none came, or one that is not known."


def complete(app: FastAPI, *, needs_key: bool) -> None:
    """Add to the document what FastAPI cannot see: the problems' schema, and the keys where there are any."""
    generate = app.openapi

    def openapi() -> Schema:
        document = generate()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
        for operation in _operations(document):
            operation["responses"] |= _ANY_OF_MANY
        if needs_key:
            _add_keys(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend its document


def _operations(document: Schema) -> list[Schema]:
    """All but the probes, which are answered whoever asks, and however often."""
    return [operation for path, row in document["paths"].items() if path not in PROBES for operation in row.values()]


def _add_keys(document: Schema) -> None:
    document["components"]["securitySchemes"] = {"key": _KEY_SCHEME}
    for operation in _operations(document):
        operation["security"] = [{"key": []}]
        operation["responses"] |= _problems(s401=_NEEDS_KEY)
