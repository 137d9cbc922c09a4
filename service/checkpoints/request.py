"""What may be asked for: a preset, the config.json of a model, or a manifest. Each becomes a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.checkpoints.manifest import DEFAULT_SEED, Manifest, manifest_from
from service.checkpoints.presets import Model
from service.contract.answer import Limits
from service.contract.reading import unique_keys
from service.core.errors import InvalidValue
from service.core.tensors.dtypes import DTYPES

DEFAULT_DTYPE = "float32"
_CONFIG_DTYPES = ("dtype", "torch_dtype")  # where a config.json says the type of its weights; the second is the older name
_PARAMETERS = ("seed", "dtype", "variant")  # of a request for a model, beside the fields of its config.json


@dataclass(frozen=True)
class CheckpointRequest:
    """A preset with its name, or a config.json, or a manifest, of which there is one; and how to draw it.

    `overrides` replace fields of the config.json. Their values may be text, as in a query.
    """

    preset: str | None = None
    config: Mapping[str, Any] | None = None
    manifest: Mapping[str, Any] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    seed: Any = None  # which the manifest checks
    dtype: str | None = None
    variant: str | None = None

    def model(self) -> Model | None:
        """Return the model of a preset or a config.json; None for a manifest. Raises InitError."""
        if self.preset is not None:
            return Model.of(self.preset, self.overrides, variant=self.variant)
        if self.config is not None:
            return Model.of_config(self.config, self.overrides, variant=self.variant)
        return None

    def manifest_of(self, model: Model | None, limits: Limits) -> Manifest:
        """Return the manifest: that of its model, or the one that was given. Raises InvalidRequest, InitError."""
        if model is None:
            content = dict(self.manifest or {})
        else:
            content = {"seed": DEFAULT_SEED, "dtype": self._dtype_of_config(), **model.manifest(limits.max_checkpoint_tensors)}
        asked = {"seed": self.seed, "dtype": self.dtype}
        content |= {name: value for name, value in asked.items() if value is not None}
        return manifest_from(content, max_tensors=limits.max_checkpoint_tensors)

    def _dtype_of_config(self) -> str:
        """Return the type that a config.json gives its weights, if the service has it."""
        given = [self.config[name] for name in _CONFIG_DTYPES if self.config and name in self.config]
        return next((dtype for dtype in given if isinstance(dtype, str) and dtype in DTYPES), DEFAULT_DTYPE)


def request_from_object(content: Mapping[str, Any]) -> CheckpointRequest:
    """Read a JSON object: a manifest, a config.json, or an object with `preset` or `config`. Raises InitError.

    Beside `preset` or `config` stand seed, dtype, variant, and fields that replace those of the config.json.
    """
    if "tensors" in content:
        return CheckpointRequest(manifest=content)
    given = [name for name in ("preset", "config") if name in content]
    if len(given) == 1:
        return _of_model(given[0], content)
    if "model_type" in content and not given:
        return CheckpointRequest(config=content)
    raise InvalidValue(
        "body",
        expected="a manifest with `tensors`, a config.json with `model_type`, or an object with `preset` or with `config`",
        received=", ".join(content) or "an empty object",
        action='Send {"preset": "gpt2"} for one of the models in /checkpoints.',
    )


def _of_model(kind: str, content: Mapping[str, Any]) -> CheckpointRequest:
    wanted = str if kind == "preset" else dict
    if not isinstance(content[kind], wanted):
        expected = "the name of a preset" if kind == "preset" else "the object of a config.json"
        raise InvalidValue(kind, expected=expected, received=content[kind], action="See /checkpoints for the presets.")
    beside = [(name, value) for name, value in content.items() if name != kind]
    return request_from_pairs(beside, **{kind: content[kind]})


def request_from_pairs(
    pairs: Iterable[tuple[str, Any]], *, preset: str | None = None, config: Mapping[str, Any] | None = None
) -> CheckpointRequest:
    """Read the fields beside a preset or a config.json, as in a query or on a command line. Raises InvalidValue for a repeated one."""
    fields = unique_keys(list(pairs))
    for name in ("dtype", "variant"):
        if not isinstance(fields.get(name, ""), str):
            raise InvalidValue(name, expected="a name", received=fields[name], action="See /checkpoints for the choices.")
    return CheckpointRequest(
        preset=preset,
        config=config,
        seed=fields.get("seed"),
        dtype=fields.get("dtype"),
        variant=fields.get("variant"),
        overrides={name: value for name, value in fields.items() if name not in _PARAMETERS},
    )
