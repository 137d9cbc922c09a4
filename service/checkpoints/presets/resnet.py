"""ResNet with a head for classes, with the names of transformers (models/resnet)."""

from __future__ import annotations

from collections.abc import Iterator

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight
from service.checkpoints.presets.fields import Config, Field, Kind
from service.checkpoints.presets.modules import batch_norm, conv, linear
from service.checkpoints.presets.rules import Rule, kaiming_fan_out, ones, torch_bias, torch_weight, zeros
from service.checkpoints.presets.transformers import QUANTIZED, num_labels
from service.core.errors import InvalidValue

_REDUCTION = 4  # of the channels inside a bottleneck

FIELDS = (
    Field("num_channels", 3, "the number of channels of an image"),
    Field("embedding_size", 64, "the number of channels of the first convolution"),
    Field("hidden_sizes", (256, 512, 1024, 2048), "the number of channels of each stage", Kind.INTEGERS),
    Field("depths", (3, 4, 6, 3), "the number of blocks of each stage", Kind.INTEGERS),
    Field("layer_type", "bottleneck", "the kind of a block", Kind.CHOICE, choices=("basic", "bottleneck")),
    Field("hidden_act", "relu", "the activation", Kind.TEXT),
    Field("downsample_in_first_stage", False, "whether the first stage halves the image too", Kind.BOOLEAN),
    num_labels(),
)


def _tensors(config: Config) -> Iterator[Weight]:
    yield from _conv("resnet.embedder.embedder", config["embedding_size"], config["num_channels"], 7, config["hidden_act"])
    inputs = config["embedding_size"]
    for stage, (outputs, depth) in enumerate(zip(config["hidden_sizes"], config["depths"])):
        strided = stage > 0 or config["downsample_in_first_stage"]
        for layer in range(depth):
            name = f"resnet.encoder.stages.{stage}.layers.{layer}"
            yield from _block(name, inputs, outputs, config, shortcut=layer == 0 and (strided or inputs != outputs))
            inputs = outputs
    if config["num_labels"]:
        yield from linear("classifier.1", config["num_labels"], inputs, layer="softmax_head")


def _block(name: str, inputs: int, outputs: int, config: Config, *, shortcut: bool) -> Iterator[Weight]:
    """Yield the tensors of a block. No activation follows its last convolution and its shortcut, before they are added."""
    activation = config["hidden_act"]
    if shortcut:
        yield from _conv(f"{name}.shortcut", outputs, inputs, 1, "linear")
    if config["layer_type"] == "basic":
        yield from _conv(f"{name}.layer.0", outputs, inputs, 3, activation)
        yield from _conv(f"{name}.layer.1", outputs, outputs, 3, "linear")
        return
    inner = outputs // _REDUCTION
    yield from _conv(f"{name}.layer.0", inner, inputs, 1, activation)
    yield from _conv(f"{name}.layer.1", inner, inner, 3, activation)
    yield from _conv(f"{name}.layer.2", outputs, inner, 1, "linear")


def _conv(name: str, outputs: int, inputs: int, kernel: int, activation: str) -> Iterator[Weight]:
    yield from conv(f"{name}.convolution", outputs, inputs, kernel, kernel, bias=False, activation=activation)
    yield from batch_norm(f"{name}.normalization", outputs)


def _library_rules(config: Config) -> list[Rule]:
    return [
        kaiming_fan_out("*.convolution.weight"),
        ones("*.normalization.weight"),
        zeros("*.normalization.bias"),
        zeros("*.running_mean"),
        ones("*.running_var"),
        torch_weight("classifier.1.weight"),
        torch_bias("classifier.1.bias", config["hidden_sizes"][-1]),
    ]


def _check(config: Config) -> None:
    if len(config["hidden_sizes"]) != len(config["depths"]):
        raise InvalidValue(
            "depths",
            expected=f"a number for each of the {len(config['hidden_sizes'])} hidden_sizes",
            received=list(config["depths"]),
            action="Give both lists the same length.",
        )
    if config["layer_type"] == "bottleneck" and min(config["hidden_sizes"]) < _REDUCTION:
        raise InvalidValue(
            "hidden_sizes",
            expected=f"at least {_REDUCTION} channels, of which a bottleneck keeps a quarter",
            received=list(config["hidden_sizes"]),
            action="Give more channels, or layer_type basic.",
        )


RESNET = Architecture(
    "resnet",
    "ResNet, a convolutional network, with a head for classes",
    "transformers",
    FIELDS,
    _tensors,
    (
        Variant(
            "transformers", "the rules of transformers", "transformers, models/resnet/modeling_resnet.py, _init_weights", _library_rules
        ),
        RECOMMENDED,
    ),
    architectures=("ResNetForImageClassification",),
    check=_check,
    only=QUANTIZED,
)
