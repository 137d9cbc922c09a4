"""Models with a name: architectures, a row each, that make a manifest from the fields of a config.json. Nothing here imports torch.

model         a model: an architecture with a config.json, and the variant that draws it
registry      every architecture, and every model of a named size
sizes         the config.json of each of these
architecture  what an architecture is: fields, tensors, variants
fields        the fields of a config.json
modules       the tensors of the modules of torch
rules         the rules that several architectures share
transformers  what the architectures of transformers share
gpt2, …       the architectures, a family each
"""

from service.checkpoints.presets.architecture import Architecture, Variant, Weight
from service.checkpoints.presets.model import Model
from service.checkpoints.presets.registry import ARCHITECTURES, PRESETS, Preset, find_architecture, find_preset

__all__ = ["ARCHITECTURES", "PRESETS", "Architecture", "Model", "Preset", "Variant", "Weight", "find_architecture", "find_preset"]
