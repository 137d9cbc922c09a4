"""ResNet, ResNeXt and Wide ResNet, with the names of torchvision."""

from __future__ import annotations

from collections.abc import Iterator

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight
from service.checkpoints.presets.fields import Config, Field, Kind
from service.checkpoints.presets.modules import batch_norm, conv, linear
from service.checkpoints.presets.rules import Rule, kaiming_fan_out, ones, torch_bias, torch_weight, zeros
from service.core.errors import InvalidValue

_PLANES = (64, 128, 256, 512)  # of each stage
_BASE_WIDTH = 64
_EXPANSION = {"basic": 1, "bottleneck": 4}

FIELDS = (
    Field("block", "bottleneck", "the kind of a block", Kind.CHOICE, choices=tuple(_EXPANSION)),
    Field("layers", (3, 4, 6, 3), "the number of blocks of each of the 4 stages", Kind.INTEGERS),
    Field("num_classes", 1000, "the number of classes"),
    Field("groups", 1, "the groups of the middle convolution of a bottleneck"),
    Field("width_per_group", _BASE_WIDTH, "the channels of a group, in the first stage"),
    Field("zero_init_residual", False, "whether the last BatchNorm of each block starts at zero", Kind.BOOLEAN),
)


def _tensors(config: Config) -> Iterator[Weight]:
    yield from _conv("conv1", "bn1", _PLANES[0], 3, 7)
    inputs, expansion = _PLANES[0], _EXPANSION[config["block"]]
    for stage, (planes, blocks) in enumerate(zip(_PLANES, config["layers"]), start=1):
        outputs = planes * expansion
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            yield from _block(name, inputs, planes, config)
            if block == 0 and (stage > 1 or inputs != outputs):
                yield from _conv(f"{name}.downsample.0", f"{name}.downsample.1", outputs, inputs, 1, "linear")
            inputs = outputs
    yield from linear("fc", config["num_classes"], inputs, layer="softmax_head")


def _block(name: str, inputs: int, planes: int, config: Config) -> Iterator[Weight]:
    if config["block"] == "basic":
        yield from _conv(f"{name}.conv1", f"{name}.bn1", planes, inputs, 3)
        yield from _conv(f"{name}.conv2", f"{name}.bn2", planes, planes, 3, "linear")
        return
    groups = config["groups"]
    width = _width(planes, config)
    yield from _conv(f"{name}.conv1", f"{name}.bn1", width, inputs, 1)
    yield from _conv(f"{name}.conv2", f"{name}.bn2", width, width // groups, 3, groups=groups)
    yield from _conv(f"{name}.conv3", f"{name}.bn3", 4 * planes, width, 1, "linear")


def _width(planes: int, config: Config) -> int:
    """Return the channels inside a bottleneck, a multiple of the groups. It is rounded down, as in torchvision."""
    return planes * config["width_per_group"] // _BASE_WIDTH * config["groups"]


def _conv(name: str, bn: str, outputs: int, inputs: int, kernel: int, activation: str = "relu", groups: int = 1) -> Iterator[Weight]:
    grouped = {} if groups == 1 else {"groups": groups}
    yield from conv(name, outputs, inputs, kernel, kernel, bias=False, activation=activation, **grouped)
    yield from batch_norm(bn, outputs)


def _library_rules(config: Config) -> list[Rule]:
    expansion = _EXPANSION[config["block"]]
    last = "bn3" if config["block"] == "bottleneck" else "bn2"
    return [
        *([zeros(f"layer*.{last}.weight")] if config["zero_init_residual"] else []),
        kaiming_fan_out("*conv?.weight"),
        kaiming_fan_out("*.downsample.0.weight"),
        torch_weight("fc.weight"),
        torch_bias("fc.bias", _PLANES[-1] * expansion),
        ones("*.weight"),
        ones("*.running_var"),
        zeros("*.running_mean"),
        zeros("*.bias"),
    ]


def _check(config: Config) -> None:
    if len(config["layers"]) != len(_PLANES):
        raise InvalidValue(
            "layers",
            expected=f"a list of {len(_PLANES)} numbers, one for each stage",
            received=list(config["layers"]),
            action="ResNet-50 has [3, 4, 6, 3].",
        )
    if config["block"] == "basic":
        for name, value in (("groups", 1), ("width_per_group", _BASE_WIDTH)):
            if config[name] != value:
                raise InvalidValue(
                    name, expected=f"{value} for basic blocks", received=config[name], action="Give block bottleneck, or leave it out."
                )


RESNET = Architecture(
    "torchvision_resnet",
    "ResNet, ResNeXt and Wide ResNet, convolutional networks",
    "torchvision",
    FIELDS,
    _tensors,
    (Variant("torchvision", "the rules of torchvision", "torchvision, models/resnet.py, ResNet", _library_rules), RECOMMENDED),
    check=_check,
)
