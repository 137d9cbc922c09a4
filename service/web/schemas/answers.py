"""The schemas of answers. Later versions may add properties, so none forbids others."""

from __future__ import annotations

from service.web.schemas import Schema, described, ref

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}


def _object(description: str, required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    properties = required | (optional or {})
    return {"type": "object", "description": description, "properties": properties, "required": list(required)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_VALUE: Schema = {"anyOf": [_NUMBER, _TEXT, _FLAG]}

_SHARED: dict[str, Schema] = {
    "ParameterValues": {"type": "object", "description": "Parameters by name.", "additionalProperties": _VALUE},
    "AppliedActivation": _object(
        "An activation, by its name with its parameters beside it, or as a formula.",
        {},
        {"name": _TEXT, "expression": _TEXT, "assumed": described(_FLAG, "whether none was given, and it is taken for this one")},
    )
    | {"additionalProperties": _VALUE},
    "Gains": _object(
        "The factors that keep the second moment of the signal, that of the gradient, the signal's variance; and torch's own.",
        {name: _nullable(_NUMBER) for name in ("forward", "backward", "variance", "torch")},
    ),
}

_ADVICE: dict[str, Schema] = {
    "activation": _nullable(ref("AppliedActivation")),
    "scheme": _TEXT,
    "distribution": _nullable(_TEXT),
    "parameters": ref("ParameterValues"),
    "formula": _TEXT,
    "stddev": described(_nullable(_NUMBER), "null where a fan that it needs is not known"),
    "bound": described(_nullable(_NUMBER), "the largest magnitude; of a normal, that of the uniform of the same variance"),
    "gain": _nullable(ref("Gains")),
    "bias": described(_TEXT, "the scheme of the bias"),
    "bias_value": _nullable(_NUMBER),
    "reason": _TEXT,
    "reference": _nullable(_TEXT),
}

_RECOMMENDATIONS: dict[str, Schema] = {
    "Advice": _object("The recommended scheme, its numbers, and why.", _ADVICE),
    "Alternative": _object(
        "Another scheme, when it may serve, and what it does to the variance in each layer.",
        {
            "scheme": _TEXT,
            "parameters": ref("ParameterValues"),
            "when": _TEXT,
            "stddev": _nullable(_NUMBER),
            "variance_per_layer": _nullable(_NUMBER),
        },
    ),
    "Recommendation": _object(
        "The recommended scheme, its numbers, why, and what else may serve.",
        _ADVICE
        | {
            "layer": _TEXT,
            "fan_in": _nullable(_COUNT),
            "fan_out": _nullable(_COUNT),
            "variance_per_layer": described(_nullable(_NUMBER), "the factor on the signal's second moment: 1 is steady"),
            "alternatives": _list(ref("Alternative")),
        },
    ),
}

_TENSORS: dict[str, Schema] = {
    "Slice": _object("The part that was asked for.", {"of": described(_list(_COUNT), "the shape of the whole"), "is": _TEXT}),
    "Repetition": _object("So many elements in succession, so many times.", {"block": _COUNT, "times": _COUNT}),
    "Metadata": _object(
        "How a tensor was made, and what to think of it.",
        {
            "name": _nullable(_TEXT),
            "slice": _nullable(ref("Slice")),
            "cut": described(_nullable(_list(_nullable(_NUMBER))), "the cuts of a truncated normal: so many times `scale` from `loc`"),
            "layer": _nullable(_TEXT),
            "stream": described(_COUNT, "the version of the stream"),
            "seed": described({"anyOf": [_COUNT, _TEXT]}, "a string beyond 2^53"),
            "shape": _list(_COUNT),
            "layout": _TEXT,
            "dtype": _TEXT,
            "scheme": _TEXT,
            "draw": _TEXT,
            "requested": described(_TEXT, "the scheme as it was asked for"),
            "parameters": ref("ParameterValues"),
            "formula": _TEXT,
            "mean": _nullable(_NUMBER),
            "stddev": described(_nullable(_NUMBER), "that of the values, after truncation"),
            "bounds": _nullable(_list(_NUMBER)),
            "fan_in": _nullable(_COUNT),
            "fan_out": _nullable(_COUNT),
            "fan_convention": _TEXT,
            "activation": _nullable(ref("AppliedActivation")),
            "reproducible": described(_TEXT, "bitwise, or how nearly"),
            "recommended": ref("Advice"),
            "warnings": _list(_TEXT),
        },
        {
            "loc": _NUMBER,
            "scale": _NUMBER,
            "repeated": described(ref("Repetition"), "that blocks of outputs are equal"),
            "extras": described(ref("ParameterValues"), "what the scheme wants done beside the tensor, such as a forward multiplier"),
        },
    ),
    "Tensor": _object(
        "A tensor in JSON.",
        {
            "shape": _list(_COUNT),
            "dtype": _TEXT,
            "data": {"description": "nested lists of the shape; a number for a scalar", "anyOf": [_NUMBER, _list({})]},
            "metadata": described(ref("Metadata"), "the same as in the header Weight-Init"),
        },
    ),
}

_CATALOGUES: dict[str, Schema] = {
    "ParameterDescription": _object(
        "A parameter of a scheme or an activation.",
        {
            "name": _TEXT,
            "summary": _TEXT,
            "domain": described(_TEXT, "the values that it takes, in words"),
            "default": described(_nullable(_VALUE), "null where there is none"),
            "required": _FLAG,
        },
    ),
    "SchemeAlias": _object("Another name of a scheme, and what it presets.", {"name": _TEXT, "parameters": ref("ParameterValues")}),
    "SchemeDescription": _object(
        "A scheme.",
        {
            "name": _TEXT,
            "summary": _TEXT,
            "formula": _TEXT,
            "aliases": _list(ref("SchemeAlias")),
            "parameters": _list(ref("ParameterDescription")),
            "needs_fans": _FLAG,
            "reference": _nullable(_TEXT),
        },
    ),
    "SchemeCatalogue": _object("Every scheme.", {"schemes": _list(ref("SchemeDescription"))}),
    "ActivationDescription": _object(
        "An activation.",
        {
            "name": _TEXT,
            "formula": _TEXT,
            "aliases": _list(_TEXT),
            "parameters": _list(ref("ParameterDescription")),
            "gain": _nullable(ref("Gains")),
            "recommended": described(_TEXT, "the scheme that fits"),
            "reference": _nullable(_TEXT),
        },
    ),
    "ActivationCatalogue": _object("Every activation.", {"activations": _list(ref("ActivationDescription"))}),
}

_PROBES: dict[str, Schema] = {
    "Health": _object("The process answers.", {"status": _TEXT, "version": _TEXT}),
    "Readiness": _object("The process wants requests.", {"status": _TEXT, "engine": described(_TEXT, "what computes: numba or numpy")}),
}

_PROBLEMS: dict[str, Schema] = {
    "FieldError": _object("What is wrong with one field.", dict.fromkeys(("field", "expected", "received", "action"), _TEXT)),
    "Problem": _object(
        "An error (RFC 9457).",
        {
            "type": _TEXT,
            "title": _TEXT,
            "status": _COUNT,
            "detail": described(_TEXT, "what was expected, what was received, what to do"),
        },
        {"errors": _list(ref("FieldError"))},
    ),
}

ANSWERS: dict[str, Schema] = _SHARED | _RECOMMENDATIONS | _TENSORS | _CATALOGUES | _PROBES | _PROBLEMS
