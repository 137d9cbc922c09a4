"""What FastAPI cannot know about the operations: query parameters, headers, media types, problems, and examples that run."""

from __future__ import annotations

from service.contract.request import InitRequest, RecommendRequest
from service.files.formats import FORMATS
from service.web.openapi.requests import query
from service.web.openapi.schema import Schema, ref
from service.web.problems import PROBLEM_MEDIA_TYPE
from service.web.responses.digests import ALGORITHMS
from service.web.responses.ranges import MAX_RANGES

LICENSE = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
SERVERS: list[Schema] = [{"url": "/", "description": "the service that this document comes from"}]
TAGS: list[Schema] = [
    {"name": "weights", "description": "Initialized tensors"},
    {"name": "checkpoints", "description": "Whole models"},
    {"name": "advice", "description": "Which scheme fits, and why"},
    {"name": "operation", "description": "The state of the process, for its operator"},
]

INIT_EXAMPLES: dict[str, Schema] = {
    "relu": {"summary": "A hidden layer before ReLU", "value": {"shape": [256, 784], "activation": "relu", "seed": 7}},
    "tanh_in_json": {
        "summary": "A small tensor in JSON, to read",
        "value": {"shape": [3, 5], "activation": "tanh", "seed": 7, "format": "json"},
    },
    "convolution": {
        "summary": "A convolution with He normal over fan_out",
        "value": {"shape": [64, 3, 7, 7], "scheme": {"name": "he_normal", "mode": "fan_out"}, "seed": 7, "name": "conv1.weight"},
    },
    "expression": {
        "summary": "An activation written as a formula, with its exact gain",
        "value": {"shape": [256, 784], "activation": {"expression": "x*tanh(softplus(x))"}, "seed": 7},
    },
    "bias": {"summary": "A bias", "value": {"shape": [256], "scheme": "zeros"}},
    "keras_name": {
        "summary": "Keras's HeNormal in Keras's layout, as safetensors",
        "value": {"shape": [784, 256], "layout": "keras", "scheme": "keras.HeNormal", "seed": 7, "format": "safetensors"},
    },
    "half_of_it": {
        "summary": "Half of a larger matrix, in bfloat16",
        "value": {"shape": [512, 512], "activation": "gelu", "seed": 7, "dtype": "bfloat16", "slice": "0:256, :", "format": "raw"},
    },
    "poor": {
        "summary": "A poor choice, with a warning in the metadata",
        "value": {"shape": [256, 784], "scheme": "normal", "activation": "tanh", "seed": 7},
    },
}


def _request_header(name: str, text: str, example: str) -> Schema:
    schema = {"type": "string", "description": text, "examples": [example]}
    return {"name": name, "in": "header", "required": False, "description": text, "schema": schema}


REQUEST_HEADERS: list[Schema] = [
    _request_header(
        "Range", f"the parts of the file to return, up to {MAX_RANGES}; beyond that, the whole file is returned", "bytes=0-999, -1000"
    ),
    _request_header(
        "If-Range",
        "the ETag of the file that the client has a part of; if the ETag differs, the whole file is returned",
        '"0123456789abcdef0123456789abcdef"',
    ),
    _request_header(
        "Want-Repr-Digest", f"the digest of the whole file to compute before the response: {' or '.join(ALGORITHMS)}", "sha-256=10"
    ),
]


def _response_headers(**descriptions: str) -> dict[str, Schema]:
    return {name.replace("_", "-"): {"description": text, "schema": {"type": "string"}} for name, text in descriptions.items()}


DOCUMENT_HEADERS = _response_headers(ETag="the validator of the document", Cache_Control="how long it may be kept")
_METADATA_IN_HEADER: Schema = {
    "description": "the metadata, one line of JSON in ASCII",
    "schema": {"type": "string", "contentMediaType": "application/json", "contentSchema": ref("Metadata")},
}
_RESPONSE_HEADERS = {"Weight-Init": _METADATA_IN_HEADER} | _response_headers(
    ETag="only with a seed; strong if the bytes are the same on every machine",
    Accept_Ranges="bytes, or none: for npz and json, without a seed, or if the bytes are not the same on every machine",
    Repr_Digest="the digest of the whole file (RFC 9530), if requested and if the tensor is within WEIGHT_INIT_MAX_DIGEST_BYTES",
)
_BINARY: Schema = {"schema": {"type": "string", "format": "binary"}}

# Generated clients use the first type that they know. Bytes fit every format, JSON only one. npy is the service's default.
_CONTENT: dict[str, Schema] = {FORMATS[name].media_type: _BINARY for name in ("npy", "raw", "safetensors", "npz")}
_CONTENT[FORMATS["json"].media_type] = {"schema": ref("Tensor")}
_WITHOUT_RANGES = {FORMATS[name].media_type for name in ("json", "npz")}


TENSOR_RESPONSE: Schema = {
    "description": "The tensor. Its metadata is in the header Weight-Init and, in JSON, beside the data.",
    "content": _CONTENT,
    "headers": _RESPONSE_HEADERS,
}


def _ranges(description: str) -> Schema:
    """Return the response with parts of a file, in the formats that have ranges."""
    content = {kind: row for kind, row in _CONTENT.items() if kind not in _WITHOUT_RANGES} | {"multipart/byteranges": _BINARY}
    headers = _RESPONSE_HEADERS | _response_headers(Content_Range="the position of the part; each of several parts has its own")
    return {"description": description, "content": content, "headers": headers}


def problems(**statuses: str) -> dict[str, Schema]:
    """Return the responses for problems, by their statuses: s404="…"."""
    return {
        status.removeprefix("s"): {"description": description, "content": {PROBLEM_MEDIA_TYPE: {"schema": ref("Problem")}}}
        for status, description in statuses.items()
    }


def _temporary_problems(**statuses: str) -> dict[str, Schema]:
    """Return problems that have Retry-After."""
    header = {"description": "the seconds to wait before another try", "schema": {"type": "integer"}}
    return {status: problem | {"headers": {"Retry-After": header}} for status, problem in problems(**statuses).items()}


ANY_PROBLEM = problems(s4XX="The request cannot be answered. `detail` says what was expected, what was received and what to do.")
NOT_MODIFIED: Schema = {"304": {"description": "The client already has the response (If-None-Match)."}}
FAILED_CONDITION = problems(s412="A condition of the request (If-Match, If-None-Match) is not met.")
_WRONG_FIELD = "A field is wrong. `errors` names it, what was expected, what was received and what to do."

PARTIAL: dict[str, Schema] = {
    "206": _ranges("The requested range of the file. Several are sent as multipart/byteranges; those that overlap or touch are joined."),
}
INIT_RESPONSES = PARTIAL | problems(
    s406="Accept allows none of the formats.",
    s413="The tensor or the body is larger than a limit, which `detail` names.",
    s416="Every range begins past the end of the file.",
    s422=_WRONG_FIELD,
)

FILE_PROBLEMS = problems(
    s413="The checkpoint or the body is larger than a limit, which `detail` names.",
    s416="Every range begins past the end of the file.",
    s422=_WRONG_FIELD,
)
POST_INIT: Schema = {
    "parameters": REQUEST_HEADERS,
    "requestBody": {"required": True, "content": {"application/json": {"schema": ref("InitRequest"), "examples": INIT_EXAMPLES}}},
    "responses": INIT_RESPONSES
    | problems(
        s400="The body is not JSON.",
        s408="The body did not arrive in time.",
        s415="The body is not declared as JSON, or is compressed.",
    ),
}
GET_INIT: Schema = {
    "parameters": query(InitRequest, {"shape": "3,5", "activation": "relu", "seed": 7, "format": "json"}) + REQUEST_HEADERS,
    "responses": INIT_RESPONSES | NOT_MODIFIED,
}
GET_RECOMMEND: Schema = {
    "parameters": query(RecommendRequest, {"activation": "relu", "fan_in": 784, "fan_out": 256}),
    "responses": problems(s422=_WRONG_FIELD),
}
NOT_READY: dict[int | str, Schema] = {503: _temporary_problems(s503="The kernels are loading, or the server is shutting down.")["503"]}

LIMIT_PROBLEMS = _temporary_problems(
    s429="The client sends too many requests (WEIGHT_INIT_RATE). Try again after Retry-After.",
    s503="The service is as busy as its limits allow. Try again after Retry-After.",
)
KEY_SCHEME: Schema = {"type": "http", "scheme": "bearer", "description": "a key from the operator of the service"}
KEY_PROBLEMS = problems(s401="The API key is missing or invalid.")
