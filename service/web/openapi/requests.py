"""The schemas of requests: their fields and parameters, from the registries.

No field has a `default`, because generated clients would send or require it. The description states it instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from service.contract.request import InitRequest, RecommendRequest, Request
from service.contract.vocabulary import OWNERS, PARAMETER_NAMES, choices_of, described_parameter, parameter_row
from service.core.activations import ACTIVATIONS, Activation
from service.core.activations.expressions import ELEMENTARY, MAX_CHARACTERS
from service.core.layers.fans import FanConvention
from service.core.layers.layouts import LAYOUTS
from service.core.layers.roles import ROLES
from service.core.parameters import Kind, Parameter
from service.core.schemes import SCHEMES, Scheme
from service.core.tensors.dtypes import DTYPES
from service.core.tensors.tensor import MAX_RANK
from service.files.formats import FORMATS
from service.web.openapi.schema import Schema, described, ref


def _pascal(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _one_of(choices: Iterable[str]) -> Schema:
    return {"type": "string", "enum": [str(choice) for choice in choices]}


# The choices of fields, and of parameters that can be fields.
_ENUMERATIONS: dict[str, Schema] = {
    "Layer": described(_one_of(ROLES), "what the weight is in the network"),
    "FanConvention": described(_one_of(FanConvention), "whose way to count the fans"),
    "Layout": described(_one_of(LAYOUTS), "the order of the axes"),
    "Dtype": described(_one_of(DTYPES), "the type of the elements"),
    "Format": described(_one_of(FORMATS), "the format of the file"),
    "NamedGain": described(_one_of(choices_of("gain")), "one of the gains of the activation"),
} | {
    _pascal(name): described(_one_of(choices_of(name)), described_parameter(name))
    for name in PARAMETER_NAMES
    if parameter_row(name).kind is Kind.CHOICE
}

_ENUMERATED: dict[type[Request], dict[str, str]] = {
    InitRequest: {
        "layer": "Layer",
        "fan_convention": "FanConvention",
        "layout": "Layout",
        "dtype": "Dtype",
        "format": "Format",
    },
    RecommendRequest: {"layer": "Layer", "distribution": "Distribution"},
}


def _parameter(row: Parameter) -> Schema:
    match row.kind:
        case Kind.BOOLEAN:
            return {"type": "boolean"}
        case Kind.CHOICE:
            choices, name = _one_of(row.choices), _pascal(row.name)
            return ref(name) if choices["enum"] == _ENUMERATIONS[name]["enum"] else choices
        case Kind.INTEGER:
            return {"type": "integer"} | ({} if row.minimum is None else {"minimum": int(row.minimum)})
        case Kind.NUMBER:
            return _number(row)
        case Kind.NUMBER_OR_CHOICE:
            return {"oneOf": [_number(row), ref("NamedGain")]}


def _number(row: Parameter) -> Schema:
    return {"type": "number"} | ({} if row.minimum is None else {"minimum": row.minimum})


def _with_default(description: str, default: object) -> str:
    match default:
        case None:
            return description
        case bool():
            return f"{description} (default: {str(default).lower()})"
        case float():
            return f"{description} (default: {default:g})"
    return f"{description} (default: {default})"


_EXPRESSION: Schema = {
    "type": "object",
    "description": f"a formula in x: numbers, pi, e, + - * / ^, parentheses, {', '.join(ELEMENTARY)}, and the names of activations",
    "properties": {"expression": {"type": "string", "maxLength": MAX_CHARACTERS, "examples": ["x*tanh(softplus(x))"]}},
    "required": ["expression"],
    "additionalProperties": False,
}
_NAMES: dict[str, Schema] = {
    "scheme": {"type": "string", "description": "the name of a scheme, or an alias", "examples": list(SCHEMES)},
    "activation": {"type": "string", "description": "the name of an activation, or an alias", "examples": list(ACTIVATIONS)},
}
_OBJECTS = {"scheme": ("NamedScheme",), "activation": ("NamedActivation", "Expression")}


def _named(name: Schema, owners: Iterable[Scheme | Activation], description: str) -> Schema:
    """Return the schema of an object with a name, and with the parameters of all owners.

    An object for each owner would be more exact. But generated clients in TypeScript then take the first that has a name for all of them,
    and send its parameters alone.
    """
    parameters = sorted({row.name for owner in owners for row in owner.parameters})
    return {
        "type": "object",
        "description": description,
        "properties": {"name": name} | {row: described(_flat_parameter(row), described_parameter(row)) for row in parameters},
        "required": ["name"],
        "additionalProperties": False,
    }


SEED: Schema = {
    "oneOf": [
        {"type": "integer", "minimum": 0, "maximum": 2**64 - 1},
        {"type": "string", "pattern": "^[0-9]{1,20}$"},
    ]
}


def _fields(model: type[Request]) -> dict[str, Schema]:
    """Return the fields of a request, and the parameters that can stand beside them."""
    generated = model.model_json_schema(ref_template="#/{model}")["properties"]
    fields = {name: described(_field(name, generated[name], model), _description(name, model)) for name in model.model_fields}
    return fields | {name: described(_flat_parameter(name), described_parameter(name)) for name in model.parameter_names()}


def _description(name: str, model: type[Request]) -> str:
    field = model.model_fields[name]
    return _with_default(field.description or "", None if field.is_required() else field.default)


def _field(name: str, generated: Schema, model: type[Request]) -> Schema:
    if name in _ENUMERATED[model]:
        return ref(_ENUMERATED[model][name])
    if name in _NAMES:
        return {"oneOf": [_NAMES[name], *map(ref, _OBJECTS[name])]}
    if name == "seed":
        return SEED
    if name == "shape":
        return {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": MAX_RANK}
    if name == "packed":
        return {}  # an integer or a list, which clients of some generators could not choose between: in Java they would not compile
    kinds = [kind for kind in generated.get("anyOf", [generated]) if kind["type"] != "null"]
    return {"type": kinds[0]["type"]}


def _flat_parameter(name: str) -> Schema:
    """Return the schema of a parameter beside the fields: with the lowest of its minimums, if every scheme and activation has one."""
    row = parameter_row(name)
    if row.kind is Kind.CHOICE:
        return ref(_pascal(name))
    minimums = [other.minimum for owner in OWNERS for other in owner.parameters if other.name == name]
    lowest = None if None in minimums else min(minimum for minimum in minimums if minimum is not None)
    return _parameter(replace(row, minimum=lowest))


def query(model: type[Request], examples: dict[str, Any]) -> list[Schema]:
    """Return the fields of a request as query parameters."""
    return [_query_parameter(name, schema, model, examples) for name, schema in _fields(model).items()]


def _query_parameter(name: str, schema: Schema, model: type[Request], examples: dict[str, Any]) -> Schema:
    """Return one query parameter. Its description is in both places: documentation shows one, generated clients the other."""
    field = model.model_fields.get(name)
    text = _as_text(name, schema)
    parameter: Schema = {
        "name": name,
        "in": "query",
        "required": field is not None and field.is_required(),
        "description": text["description"],
        "schema": text,
    }
    return parameter | ({"example": examples[name]} if name in examples else {})


_COUNT = "(0|[1-9][0-9]*)"


def _as_text(name: str, schema: Schema) -> Schema:
    """Return the schema for a query. A scheme is a name, and a shape is a string, because not every client joins lists with commas."""
    if name in _NAMES:
        return described(_NAMES[name], schema["description"])
    if name == "shape":
        text = {"type": "string", "pattern": rf"^(\(\)|{_COUNT}(,{_COUNT}){{0,{MAX_RANK - 1}}})$"}
        return described(text, f"{schema['description']}; separated by commas, such as 256,784")
    if name == "packed":
        text = {"type": "string", "pattern": r"^[1-9][0-9]*(,[1-9][0-9]*)*$"}
        return described(text, f"{schema['description']}; separated by commas, such as 4096,1024,1024")
    return schema


REQUESTS: dict[str, Schema] = (
    {
        "InitRequest": {
            "type": "object",
            "description": "One tensor to initialize.",
            "properties": _fields(InitRequest),
            "required": ["shape"],
            "additionalProperties": False,
        }
    }
    | _ENUMERATIONS
    | {
        "NamedScheme": _named(_NAMES["scheme"], SCHEMES.values(), "A scheme with parameters. /schemes says which it has."),
        "NamedActivation": _named(
            _NAMES["activation"], ACTIVATIONS.values(), "An activation with parameters. /activations says which it has."
        ),
        "Expression": _EXPRESSION,
    }
)
