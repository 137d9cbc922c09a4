"""ViT with a head for classes, with the names on disk of transformers (models/vit). In memory, transformers 5 has shorter ones."""

from __future__ import annotations

from collections.abc import Iterator

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight, check_divides
from service.checkpoints.presets.fields import Config, Field, Kind
from service.checkpoints.presets.modules import POSITIONS, conv, linear, norm
from service.checkpoints.presets.rules import Rule, normal, ones, torch_normal_cut, zeros
from service.checkpoints.presets.transformers import QUANTIZED, initializer_range, num_labels, weight_stddev

FIELDS = (
    Field("hidden_size", 768, "the width of the residual stream"),
    Field("num_hidden_layers", 12, "the number of layers"),
    Field("num_attention_heads", 12, "the number of attention heads"),
    Field("intermediate_size", 3072, "the width between the two layers of an MLP"),
    Field("hidden_act", "gelu", "the activation of the MLP", Kind.TEXT),
    Field("image_size", 224, "the length of an image, or its height and width", Kind.INTEGER_OR_PAIR),
    Field("patch_size", 16, "the length of a patch, or its height and width", Kind.INTEGER_OR_PAIR),
    Field("num_channels", 3, "the number of channels of an image"),
    Field("qkv_bias", True, "whether the queries, keys and values have biases", Kind.BOOLEAN),
    initializer_range(),
    num_labels(),
)


def _tensors(config: Config) -> Iterator[Weight]:
    width, image, patch = config["hidden_size"], _pair(config["image_size"]), _pair(config["patch_size"])
    patches = (image[0] // patch[0]) * (image[1] // patch[1])
    yield Weight("vit.embeddings.cls_token", (1, 1, width), POSITIONS)
    yield Weight("vit.embeddings.position_embeddings", (1, patches + 1, width), POSITIONS)
    yield from conv("vit.embeddings.patch_embeddings.projection", width, config["num_channels"], *patch, activation="linear")
    for layer in range(config["num_hidden_layers"]):
        yield from _block(f"vit.encoder.layer.{layer}", config)
    yield from norm("vit.layernorm", width)
    if config["num_labels"]:
        yield from linear("classifier", config["num_labels"], width, layer="softmax_head")


def _block(name: str, config: Config) -> Iterator[Weight]:
    width, inner, depth = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    for part in ("query", "key", "value"):
        yield from linear(f"{name}.attention.attention.{part}", width, width, bias=config["qkv_bias"], layer="attention_input")
    yield from linear(f"{name}.attention.output.dense", width, width, layer="attention_output", num_layers=depth)
    yield from norm(f"{name}.layernorm_before", width)
    yield from norm(f"{name}.layernorm_after", width)
    yield from linear(f"{name}.intermediate.dense", inner, width, activation=config["hidden_act"])
    yield from linear(f"{name}.output.dense", width, inner, layer="residual_output", num_layers=depth)


def _pair(length: int | tuple[int, int]) -> tuple[int, int]:
    return (length, length) if isinstance(length, int) else length


def _library_rules(config: Config) -> list[Rule]:
    exact = config["initializer_range"]
    return [
        torch_normal_cut("vit.embeddings.cls_token", exact),
        torch_normal_cut("vit.embeddings.position_embeddings", exact),
        zeros("*.bias"),
        ones("*layernorm*.weight"),
        normal("*", weight_stddev(config)),
    ]


VIT = Architecture(
    "vit",
    "ViT, a Transformer for images, with a head for classes",
    "transformers",
    FIELDS,
    _tensors,
    (
        Variant("transformers", "the rules of transformers", "transformers, models/vit/modeling_vit.py, _init_weights", _library_rules),
        RECOMMENDED,
    ),
    architectures=("ViTForImageClassification",),
    check=lambda config: check_divides(config, "num_attention_heads", "hidden_size"),
    only=QUANTIZED,
)
