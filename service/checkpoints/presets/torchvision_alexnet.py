"""AlexNet, with the names of torchvision, whose channels are those of a later paper on one GPU."""

from __future__ import annotations

from collections.abc import Iterator

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight
from service.checkpoints.presets.fields import Config, Field
from service.checkpoints.presets.modules import conv, linear
from service.checkpoints.presets.rules import Rule, torch_biases, torch_weight, zeros
from service.core import references

_CONVOLUTIONS = ((0, 64, 3, 11), (3, 192, 64, 5), (6, 384, 192, 3), (8, 256, 384, 3), (10, 256, 256, 3))  # index, out, in, kernel


def _tensors(config: Config) -> Iterator[Weight]:
    for index, outputs, inputs, kernel in _CONVOLUTIONS:
        yield from conv(f"features.{index}", outputs, inputs, kernel, kernel, activation="relu")
    yield from linear("classifier.1", 4096, 256 * 6 * 6, activation="relu")
    yield from linear("classifier.4", 4096, 4096, activation="relu")
    yield from linear("classifier.6", config["num_classes"], 4096, layer="softmax_head")


def _library_rules(config: Config) -> list[Rule]:
    return [torch_weight("*.weight"), *torch_biases(_tensors(config))]


_ONES = ("features.3", "features.8", "features.10", "classifier.1", "classifier.4")


def _paper_rules(_: Config) -> list[Rule]:
    """Return the rules of the paper, section 5. The biases of conv2, conv4, conv5 and of the hidden fully connected layers are 1."""
    biases = [{"match": f"{name}.bias", "scheme": "ones"} for name in _ONES]
    return [{"match": "*.weight", "scheme": "alexnet"}, *biases, zeros("*.bias")]


ALEXNET = Architecture(
    "torchvision_alexnet",
    "AlexNet, a convolutional network",
    "torchvision",
    (Field("num_classes", 1000, "the number of classes"),),
    _tensors,
    (
        Variant("torchvision", "the defaults of torch, which torchvision leaves", "torchvision, models/alexnet.py", _library_rules),
        Variant("paper", "small weights, and biases of 1 where the inputs should be positive", str(references.ALEXNET_2012), _paper_rules),
        RECOMMENDED,
    ),
)
