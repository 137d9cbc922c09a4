"""Manifests of models that are traced, and of the names in a safetensors file."""

from __future__ import annotations

import importlib
import json
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.checkpoints.compacting import compact
from service.checkpoints.literals import LITERAL_DTYPES, VALUES
from service.checkpoints.shards import CONFIG_NAME
from service.core.errors import InvalidValue, Unsupported, unknown_name

_MAX_HEADER_BYTES = 100_000_000  # as in the library of the format
_DTYPES = {code: name for name, (_, code) in LITERAL_DTYPES.items()}

Entry = dict[str, Any]


@dataclass(frozen=True)
class Traced:
    """The tensors of a model with the fields that draw them. `untraced` are those that no scheme is known to draw."""

    entries: Sequence[Entry]
    tied: Mapping[str, str]
    untraced: Sequence[str]
    metadata: Mapping[str, str]

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest. Tensors that differ in the numbers of their names share a rule."""
        tensors, rules = compact(self.entries)
        return {"tensors": tensors, "rules": rules, "tied": dict(self.tied), "metadata": dict(self.metadata)}


def from_transformers(source: Path | Mapping[str, Any]) -> Traced:
    """Trace the model of a config.json, a folder that has one, or its content. Raises InitError, ImportError, OSError."""
    transformers = _library("transformers")
    from service.checkpoints.tracing.models import trace_transformers

    content = source if isinstance(source, Mapping) else _config_in(source)
    config = _transformers_config(transformers, content)
    return trace_transformers(transformers, _transformers_class(transformers, config), config)


def from_torch(factory: str, args: Mapping[str, Any]) -> Traced:
    """Trace what a function makes, which is named as package.module:function. Raises InitError, ImportError."""
    _library("torch")
    from service.checkpoints.tracing.models import trace_module

    function = _factory(factory)
    return trace_module(lambda: function(**args), {"factory": factory})


def from_timm(name: str, args: Mapping[str, Any]) -> Traced:
    """Trace a model of timm. Raises InitError, ImportError."""
    timm = _library("timm")
    from service.checkpoints.tracing.models import trace_module

    if not timm.is_model(name):
        raise unknown_name("from-timm", name, timm.list_models(), kind="model of timm", listed=["timm.list_models() lists them"])
    return trace_module(lambda: timm.create_model(name, pretrained=False, **args), {"timm": name, "version": timm.__version__})


def from_safetensors(path: Path) -> Traced:
    """Return the names and shapes in a safetensors file, none of which says how it is drawn. Raises InvalidValue, OSError."""
    if not path.is_file():
        raise _not_safetensors(path)
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))[0]
        if not 2 <= length <= min(_MAX_HEADER_BYTES, path.stat().st_size):
            raise _not_safetensors(path)
        try:
            rows = json.loads(file.read(length))
            entries = [_entry_of_row(name, row) for name, row in rows.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _not_safetensors(path) from None
    return Traced(entries, {}, [entry["name"] for entry in entries], {"file": path.name})


def _entry_of_row(name: str, row: Mapping[str, Any]) -> Entry:
    return {"name": name, "shape": [int(length) for length in row["shape"]]} | _dtype_of(str(row["dtype"]))


def _dtype_of(code: str) -> Entry:
    """Return the dtype, unless it is that of a manifest by default. One that cannot be drawn is kept too, and refused when it is drawn."""
    return {} if code == "F32" else {"dtype": _DTYPES.get(code, code)}


def _not_safetensors(path: Path) -> InvalidValue:
    return InvalidValue("from-safetensors", expected="a safetensors file", received=str(path), action="Name a file of this format.")


def _library(name: str) -> Any:
    """Import a library. Raises ImportError, which says how to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ImportError(f"cannot import {error.name}. Install what tracing needs: pip install 'weight-init[trace]'") from None
    except Exception as error:  # such as a torchvision that is compiled for another torch, which timm imports
        raise ImportError(f"cannot import {name}: {type(error).__name__}: {error}. Install builds that fit the one of torch.") from error


def _config_in(path: Path) -> Mapping[str, Any]:
    file = path / CONFIG_NAME if path.is_dir() else path
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, FileNotFoundError):
        content = None
    if not isinstance(content, dict):
        raise InvalidValue("from-transformers", expected="the JSON object of a config.json", received=str(file), action="Name such a file.")
    return content


def _transformers_config(transformers: Any, content: Mapping[str, Any]) -> Any:
    model_type = content.get("model_type")
    known = transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES
    if not isinstance(model_type, str) or model_type not in known:
        raise unknown_name("model_type", str(model_type), known, kind="model_type of transformers", listed=["its documentation lists them"])
    fields = {name: value for name, value in content.items() if name != "model_type"}
    return transformers.AutoConfig.for_model(model_type, **fields)


def _transformers_class(transformers: Any, config: Any) -> Any:
    """Return the class that the configuration names, or the one that transformers has for it without a head."""
    for name in config.architectures or ():
        found = getattr(transformers, str(name), None)
        if found is not None:
            return found
        raise Unsupported(
            "architectures",
            expected="a class of transformers",
            received=name,
            action="Use --from-torch for code of your own.",
        )
    try:
        return transformers.models.auto.modeling_auto.MODEL_MAPPING[type(config)]
    except KeyError:
        raise InvalidValue(
            "architectures", expected="the class of the model", received="none, and this model_type has no usual one", action="Name it."
        ) from None


def _factory(name: str) -> Callable[..., Any]:
    """Return the function with this name, also of a module in the current folder. Raises InvalidValue."""
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise InvalidValue("from-torch", expected="package.module:function", received=name, action="Write torchvision.models:resnet18.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InvalidValue("from-torch", expected="a function that can be imported", received=name, action=f"{error}.") from None
    if not callable(found):
        raise InvalidValue("from-torch", expected="a function or a class", received=name, action="Name what makes the model.")
    function: Callable[..., Any] = found
    return function


def is_drawn(entry: Entry) -> bool:
    """Return whether an entry says how its tensor is drawn, or holds its values."""
    return "scheme" in entry or VALUES in entry
