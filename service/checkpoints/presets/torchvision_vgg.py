"""VGG, with the names of torchvision."""

from __future__ import annotations

from collections.abc import Iterator

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight
from service.checkpoints.presets.fields import Config, Field, Kind
from service.checkpoints.presets.modules import batch_norm, conv, linear
from service.checkpoints.presets.rules import Rule, kaiming_fan_out, normal, ones, zeros
from service.core.errors import InvalidValue

_CHANNELS = (64, 128, 256, 512, 512)  # of each stage

FIELDS = (
    Field("convolutions", (2, 2, 3, 3, 3), "the number of convolutions of each of the 5 stages", Kind.INTEGERS),
    Field("batch_norm", False, "whether a BatchNorm follows each convolution", Kind.BOOLEAN),
    Field("num_classes", 1000, "the number of classes"),
)


def _tensors(config: Config) -> Iterator[Weight]:
    index, inputs = 0, 3
    for outputs, convolutions in zip(_CHANNELS, config["convolutions"]):
        for _ in range(convolutions):
            yield from conv(f"features.{index}", outputs, inputs, 3, 3, activation="relu")
            if config["batch_norm"]:
                yield from batch_norm(f"features.{index + 1}", outputs)
            index += 3 if config["batch_norm"] else 2  # the activation is a module too
            inputs = outputs
        index += 1  # and so is the pooling
    yield from linear("classifier.0", 4096, _CHANNELS[-1] * 7 * 7, activation="relu")
    yield from linear("classifier.3", 4096, 4096, activation="relu")
    yield from linear("classifier.6", config["num_classes"], 4096, layer="softmax_head")


def _library_rules(config: Config) -> list[Rule]:
    """Return the rules. The names of convolutions and BatchNorms do not tell them apart, so each convolution then has its own rule."""
    kernels = [kaiming_fan_out("features.*.weight")]
    if config["batch_norm"]:
        kernels = [kaiming_fan_out(weight.name) for weight in _tensors(config) if len(weight.shape) == 4]
    return [
        *kernels,
        normal("classifier.*.weight", 0.01),
        ones("features.*.weight"),
        ones("*.running_var"),
        zeros("*.running_mean"),
        zeros("*.bias"),
    ]


def _check(config: Config) -> None:
    if len(config["convolutions"]) != len(_CHANNELS):
        raise InvalidValue(
            "convolutions",
            expected=f"a list of {len(_CHANNELS)} numbers, one for each stage",
            received=list(config["convolutions"]),
            action="VGG-16 has [2, 2, 3, 3, 3].",
        )


VGG = Architecture(
    "torchvision_vgg",
    "VGG, a convolutional network",
    "torchvision",
    FIELDS,
    _tensors,
    (Variant("torchvision", "the rules of torchvision", "torchvision, models/vgg.py, VGG", _library_rules), RECOMMENDED),
    check=_check,
)
