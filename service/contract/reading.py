"""Reads a request from JSON, a query or a command line, with the same fields and the same errors."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from service.contract.errors import FieldError, InvalidRequest, field_error
from service.contract.request import Request
from service.contract.vocabulary import PARAMETER_NAMES, is_choice
from service.core.errors import InitError, InvalidValue, unknown_name

R = TypeVar("R", bound=Request)


def read_json(model: type[R], body: bytes) -> R:
    """Read a JSON body. Raises InvalidRequest, InitError."""
    try:
        request = _with_known_fields(model.model_validate_json(body))
    except ValidationError as error:
        raise invalid(model, error) from None
    _NAME_CHECKER.decode(body.decode("utf-8"))
    return request


def read_fields(model: type[R], values: Mapping[str, Any]) -> R:
    """Read fields that a JSON parser has read. Raises InvalidRequest, InitError."""
    try:
        return _with_known_fields(model.model_validate(values))
    except ValidationError as error:
        raise invalid(model, error) from None


def read_text(model: type[R], pairs: Iterable[tuple[str, str]]) -> R:
    """Read a query or a command line, in which each field is text. Raises InvalidRequest, InitError."""
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        texts.setdefault(name, []).append(text)
    return read_fields(model, {name: _value(name, _only(name, given)) for name, given in texts.items()})


def _only(name: str, given: list[str]) -> str:
    if len(given) == 1:
        return given[0]
    if name in ("shape", "packed"):  # HTTP libraries make this of a list
        raise InvalidValue(
            name, expected="all lengths in one field", received=f"{name} {len(given)} times", action=f"Write {name}={','.join(given)}."
        )
    raise _repeated_field(name)


def _with_known_fields(request: R) -> R:
    known = request.parameter_names()
    for name in request.model_extra or ():
        if name not in known:
            fields = list(type(request).model_fields)
            listed = [*fields, "and the parameters of the scheme and the activation (see /schemes and /activations)"]
            raise unknown_name(name, name, [*fields, *known], kind="field", listed=listed)
    return request


_TEXT_FIELDS = {"activation", "scheme", "layer", "layout", "axes", "fan_convention", "dtype", "name", "slice", "format", "distribution"}
_TEXT_FIELDS |= set(filter(is_choice, PARAMETER_NAMES))

_NUMBER = re.compile(r"\s*+[+-]?(\d++\.?\d*+|\.\d++)(e[+-]?\d++)?\s*+", re.ASCII | re.IGNORECASE)  # as in JSON, and .5 and 5. and +5
_SHAPE_WITH_X = re.compile(r"\d+(\s*x\s*\d+)+", re.ASCII)


def _value(name: str, text: str) -> Any:
    """Convert the text of a field to its value. Text that cannot be converted is returned as it is; the checks then refuse it."""
    if name == "shape" or (name == "packed" and not _NUMBER.fullmatch(text)):
        return _shape(text)
    if name in ("scheme", "activation") and text.lstrip().startswith("{"):
        return _json(text)
    return text if name in _TEXT_FIELDS else _scalar(text)


def _shape(text: str) -> Any:
    """Read `512,784`, `512x784`, `(512, 784)` or `[512, 784]`, which are all the same shape, or `()` for a scalar."""
    inner = text.strip()
    bracketed = inner[:1] + inner[-1:] in ("()", "[]")
    inner = inner[1:-1].strip() if bracketed else inner
    if bracketed and not inner:
        return []
    return [_scalar(item) for item in re.split(r"\s*[x,]\s*" if _SHAPE_WITH_X.fullmatch(inner) else ",", inner.rstrip(","))]


def _scalar(text: str) -> Any:
    match text.strip().casefold():
        case "true":
            return True
        case "false":
            return False
    if not _NUMBER.fullmatch(text):
        return text
    try:
        return int(text)
    except ValueError:  # a fraction, or more digits than an integer may have
        return float(text)


def _json(text: str) -> Any:
    try:
        return _PARSER.decode(text)
    except InitError:
        raise
    except (ValueError, RecursionError):
        return text


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, of JSON or of a query. Raises InvalidValue for a repeated name, because readers disagree on which value counts."""
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise _repeated_field(counts.most_common(1)[0][0])
    return content


def _repeated_field(name: str) -> InvalidValue:
    return InvalidValue(name, expected="each field once", received=f"{name} twice", action="Remove one of them.")


_PARSER = json.JSONDecoder(object_pairs_hook=unique_keys)
_NAME_CHECKER = json.JSONDecoder(object_pairs_hook=unique_keys, parse_int=str)  # int() would refuse very long numbers


def invalid(model: type[BaseModel], error: ValidationError) -> InvalidRequest:
    """Return the error of the service for an error of Pydantic."""
    details = error.errors(include_url=False, include_context=False)
    malformed = any(detail["type"] == "json_invalid" for detail in details)
    by_field = {row["field"]: row for row in (_field_error(model, detail) for detail in details)}  # a union has an error for each type
    return InvalidRequest(list(by_field.values()), malformed=malformed)


def _field_error(model: type[BaseModel], detail: Mapping[str, Any]) -> FieldError:
    if detail["type"] == "json_invalid":
        return FieldError(
            field="body", expected="valid JSON", received=detail["msg"].removeprefix("Invalid JSON: "), action="Send one JSON object."
        )
    if not detail["loc"]:
        return FieldError(field="body", expected="a JSON object", received=_short(detail["input"]), action="Send an object of fields.")
    name = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden" and name not in model.model_fields:  # not in an object inside a field
        return field_error(unknown_name(name, name, model.model_fields, kind="field"))
    expected = model.model_fields[name].description or detail["msg"]
    if detail["type"] == "missing" and len(detail["loc"]) == 1:
        return FieldError(field=name, expected=expected, received="nothing", action=f"Give {name}. It has no default.")
    return FieldError(field=name, expected=expected, received=_short(detail["input"]), action="See /docs for the fields and examples.")


def _short(value: object, longest: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
