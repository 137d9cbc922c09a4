"""Models with a name: architectures, a row each, that make a manifest from the fields of a config.json. Nothing here imports torch.

architecture  what an architecture is: fields, tensors, rules
fields        the fields of a config.json
modules       the tensors of the modules of torch
gpt2, llama, …  the architectures
registry      every architecture, and every model of a named size
model         a model: an architecture with a config.json, and the variant that draws it
"""

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight
from service.checkpoints.presets.model import Model
from service.checkpoints.presets.registry import ARCHITECTURES, PRESETS, Preset, find_architecture, find_preset

__all__ = [
    "ARCHITECTURES",
    "PRESETS",
    "RECOMMENDED",
    "Architecture",
    "Model",
    "Preset",
    "Variant",
    "Weight",
    "find_architecture",
    "find_preset",
]
