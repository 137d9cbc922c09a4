"""Every architecture, and every model of a named size. A preset is a config.json with a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.checkpoints.presets import (
    bert,
    gpt2,
    llama,
    resnet,
    sizes,
    small,
    t5,
    torchvision_alexnet,
    torchvision_resnet,
    torchvision_vgg,
    torchvision_vit,
    vit,
)
from service.checkpoints.presets.architecture import TRACE, Architecture
from service.core.errors import InvalidValue, UnknownName, unknown_name


@dataclass(frozen=True, eq=False)
class Preset:
    """A model of a named size: the fields of its config.json that differ from the defaults of the architecture."""

    name: str
    architecture: Architecture
    config: Mapping[str, Any]


_ROWS = (
    (gpt2.GPT2, sizes.GPT2),
    (llama.LLAMA, sizes.LLAMA),
    (llama.MISTRAL, sizes.MISTRAL),
    (llama.MIXTRAL, sizes.MIXTRAL),
    (llama.QWEN2, sizes.QWEN2),
    (llama.QWEN3, sizes.QWEN3),
    (bert.BERT, sizes.BERT),
    (bert.ROBERTA, sizes.ROBERTA),
    (t5.T5, sizes.T5),
    (vit.VIT, sizes.VIT),
    (resnet.RESNET, sizes.RESNET),
    (torchvision_alexnet.ALEXNET, sizes.TORCHVISION_ALEXNET),
    (torchvision_vgg.VGG, sizes.TORCHVISION_VGG),
    (torchvision_resnet.RESNET, sizes.TORCHVISION_RESNET),
    (torchvision_vit.VIT, sizes.TORCHVISION_VIT),
    (small.LENET5, sizes.LENET5),
    (small.MLP, sizes.MLP),
    (small.SIREN, sizes.SIREN),
)

ARCHITECTURES: dict[str, Architecture] = {architecture.name: architecture for architecture, _ in _ROWS}
PRESETS: dict[str, Preset] = {name: Preset(name, architecture, config) for architecture, named in _ROWS for name, config in named.items()}


def find_preset(name: str) -> Preset:
    """Return the preset with this name. Raises UnknownName."""
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS, kind="preset")
    return PRESETS[name]


def find_architecture(model_type: object) -> Architecture:
    """Return the architecture with this model_type. Raises InvalidValue for no text, UnknownName for an unknown one."""
    if not isinstance(model_type, str):
        raise InvalidValue("model_type", expected="the name of an architecture", received=model_type, action="Give the whole config.json.")
    if model_type not in ARCHITECTURES:
        error = unknown_name("model_type", model_type, ARCHITECTURES, kind="architecture")
        raise UnknownName("model_type", expected=error.expected, received=model_type, action=f"{error.action} {TRACE}.")
    return ARCHITECTURES[model_type]
