"""ViT, with the names of torchvision, whose attention packs queries, keys and values."""

from __future__ import annotations

import math
from collections.abc import Iterator

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight, check_divides
from service.checkpoints.presets.fields import Config, Field
from service.checkpoints.presets.modules import BIAS, POSITIONS, conv, linear, norm
from service.checkpoints.presets.rules import Rule, normal, ones, torch_normal_cut, torch_weight, torch_xavier, zeros

_CHANNELS = 3

FIELDS = (
    Field("image_size", 224, "the length of an image"),
    Field("patch_size", 16, "the length of a patch"),
    Field("num_layers", 12, "the number of layers"),
    Field("num_heads", 12, "the number of attention heads"),
    Field("hidden_dim", 768, "the width of the residual stream"),
    Field("mlp_dim", 3072, "the width between the two layers of an MLP"),
    Field("num_classes", 1000, "the number of classes"),
)


def _tensors(config: Config) -> Iterator[Weight]:
    width, patch = config["hidden_dim"], config["patch_size"]
    patches = (config["image_size"] // patch) ** 2
    yield Weight("class_token", (1, 1, width), POSITIONS)
    yield from conv("conv_proj", width, _CHANNELS, patch, patch, activation="linear")
    yield Weight("encoder.pos_embedding", (1, patches + 1, width), POSITIONS)
    for layer in range(config["num_layers"]):
        yield from _block(f"encoder.layers.encoder_layer_{layer}", config)
    yield from norm("encoder.ln", width)
    yield from linear("heads.head", config["num_classes"], width, layer="softmax_head")


def _block(name: str, config: Config) -> Iterator[Weight]:
    width, inner, depth = config["hidden_dim"], config["mlp_dim"], config["num_layers"]
    yield from norm(f"{name}.ln_1", width)
    yield Weight(f"{name}.self_attention.in_proj_weight", (3 * width, width), {"layer": "attention_input", "packed": 3})
    yield Weight(f"{name}.self_attention.in_proj_bias", (3 * width,), BIAS)
    yield from linear(f"{name}.self_attention.out_proj", width, width, layer="attention_output", num_layers=depth)
    yield from norm(f"{name}.ln_2", width)
    yield from linear(f"{name}.mlp.0", inner, width, activation="gelu")
    yield from linear(f"{name}.mlp.3", width, inner, layer="residual_output", num_layers=depth)


def _library_rules(config: Config) -> list[Rule]:
    fan_in = _CHANNELS * config["patch_size"] ** 2
    return [
        zeros("class_token"),
        torch_normal_cut("conv_proj.weight", 1 / math.sqrt(fan_in)),
        normal("encoder.pos_embedding", 0.02),
        torch_xavier("*.in_proj_weight"),
        torch_weight("*.out_proj.weight"),
        torch_xavier("*.mlp.?.weight"),
        normal("*.mlp.?.bias", 1e-6),
        zeros("heads.head.*"),
        ones("*.ln*.weight"),
        zeros("*bias"),
    ]


def _check(config: Config) -> None:
    check_divides(config, "patch_size", "image_size")
    check_divides(config, "num_heads", "hidden_dim")


VIT = Architecture(
    "torchvision_vit",
    "ViT, a Transformer for images",
    "torchvision",
    FIELDS,
    _tensors,
    (
        Variant("torchvision", "the rules of torchvision", "torchvision, models/vision_transformer.py, VisionTransformer", _library_rules),
        RECOMMENDED,
    ),
    check=_check,
)
