"""What FastAPI cannot know about the operations: query parameters of schemes, headers, media types, problems; and examples that run."""

from __future__ import annotations

from service.contract.request import InitRequest, RecommendRequest
from service.files.formats import FORMATS
from service.web.openapi.requests import query
from service.web.openapi.schema import Schema, ref
from service.web.problems import PROBLEM_MEDIA_TYPE
from service.web.responses.digests import ALGORITHMS
from service.web.responses.ranges import MAX_RANGES

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


def _asked(name: str, text: str, example: str) -> Schema:
    schema = {"type": "string", "description": text, "examples": [example]}
    return {"name": name, "in": "header", "required": False, "description": text, "schema": schema}


_ASKED_IN_HEADERS: list[Schema] = [
    _asked("Range", f"the parts of the file to answer, up to {MAX_RANGES}; of more, the whole is answered", "bytes=0-999, -1000"),
    _asked(
        "If-Range",
        "the ETag of what the client has a part of: a file that is not the same is answered whole",
        '"0123456789abcdef0123456789abcdef"',
    ),
    _asked("Want-Repr-Digest", f"the digest of the whole file to compute before the answer: {' or '.join(ALGORITHMS)}", "sha-256=10"),
]


def _headers(**descriptions: str) -> dict[str, Schema]:
    return {name.replace("_", "-"): {"description": text, "schema": {"type": "string"}} for name, text in descriptions.items()}


_METADATA_IN_HEADER: Schema = {
    "description": "the metadata, one line of JSON in ASCII",
    "schema": {"type": "string", "contentMediaType": "application/json", "contentSchema": ref("Metadata")},
}
_ANSWERED_IN_HEADERS = {"Weight-Init": _METADATA_IN_HEADER} | _headers(
    ETag="strong where the bytes are the same on every machine; only with a seed",
    Accept_Ranges="bytes, or none: for npz, json, without a seed, and where the bytes are not the same on every machine",
    Repr_Digest="the digest of the whole file (RFC 9530), if it was wanted and the tensor is within WEIGHT_INIT_MAX_DIGEST_BYTES",
)
_BINARY: Schema = {"schema": {"type": "string", "format": "binary"}}

# A generator takes the first type that it knows: bytes are right for every format, JSON only for one. npy is the service's own choice.
_CONTENT: dict[str, Schema] = {FORMATS[name].media_type: _BINARY for name in ("npy", "raw", "safetensors", "npz")}
_CONTENT[FORMATS["json"].media_type] = {"schema": ref("Tensor")}
_WITHOUT_PARTS = {FORMATS[name].media_type for name in ("json", "npz")}


TENSOR_ANSWER: Schema = {
    "description": "The tensor; its metadata is in the header Weight-Init and, in JSON, beside the data.",
    "content": _CONTENT,
    "headers": _ANSWERED_IN_HEADERS,
}


def _parts(description: str) -> Schema:
    """Parts of the files that have them, which are those of a known length."""
    content = {kind: row for kind, row in _CONTENT.items() if kind not in _WITHOUT_PARTS} | {"multipart/byteranges": _BINARY}
    headers = _ANSWERED_IN_HEADERS | _headers(Content_Range="where the part stands; with several, each of them says it")
    return {"description": description, "content": content, "headers": headers}


def _problems(**statuses: str) -> dict[str, Schema]:
    return {
        status.removeprefix("s"): {"description": description, "content": {PROBLEM_MEDIA_TYPE: {"schema": ref("Problem")}}}
        for status, description in statuses.items()
    }


def _later(**statuses: str) -> dict[str, Schema]:
    """Problems that pass."""
    header = {"description": "the seconds after which to ask again", "schema": {"type": "integer"}}
    return {status: problem | {"headers": {"Retry-After": header}} for status, problem in _problems(**statuses).items()}


_WRONG_FIELD = "A field is wrong: which one, what was expected, what came and what to do."

_INIT_RESPONSES: dict[str, Schema] = {
    "206": _parts("The range of the file that was asked for; several as multipart/byteranges, joined where they overlap or touch."),
} | _problems(
    s406="No format that Accept allows.",
    s413="Larger than a limit, which is named.",
    s416="Every range begins behind the end.",
    s422=_WRONG_FIELD,
)

POST_INIT: Schema = {
    "parameters": _ASKED_IN_HEADERS,
    "requestBody": {"required": True, "content": {"application/json": {"schema": ref("InitRequest"), "examples": INIT_EXAMPLES}}},
    "responses": _INIT_RESPONSES
    | _problems(
        s400="The body is not JSON.",
        s408="The body did not come in time.",
        s415="The body is not declared as JSON, or is compressed.",
    ),
}
GET_INIT: Schema = {
    "parameters": query(InitRequest, {"shape": "3,5", "activation": "relu", "seed": 7, "format": "json"}) + _ASKED_IN_HEADERS,
    "responses": _INIT_RESPONSES | {"304": {"description": "The client has it already (If-None-Match)."}},
}
GET_RECOMMEND: Schema = {
    "parameters": query(RecommendRequest, {"activation": "relu", "fan_in": 784, "fan_out": 256}),
    "responses": _problems(s422=_WRONG_FIELD),
}
NOT_READY: dict[int | str, Schema] = {503: _later(s503="Kernels are being loaded, or the server is ending.")["503"]}

OFTEN_REFUSED = _later(
    s429="This client asked too often (WEIGHT_INIT_RATE): ask again after Retry-After.",
    s503="As much as the limits allow is being done: ask again after Retry-After.",
)
KEY_SCHEME: Schema = {"type": "http", "scheme": "bearer", "description": "one of the keys that the operator gave out"}
NEEDS_KEY = _problems(s401="A key is needed: none came, or one that is not known.")
