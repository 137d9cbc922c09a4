"""The rules of a manifest that several architectures share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from service.checkpoints.presets.architecture import Weight

Rule = dict[str, Any]


def normal(match: str, stddev: float, padding_idx: int | None = None) -> Rule:
    """Return a normal rule. `padding_idx` is the entry of an embedding that is zero."""
    rule: Rule = {"match": match, "scheme": "normal", "stddev": stddev}
    return rule if padding_idx is None else rule | {"padding_idx": padding_idx}


def zeros(match: str) -> Rule:
    """Return a rule of zeros."""
    return {"match": match, "scheme": "zeros"}


def ones(match: str) -> Rule:
    """Return a rule of ones."""
    return {"match": match, "scheme": "ones"}


def torch_normal_cut(match: str, stddev: float) -> Rule:
    """Return the rule of torch.nn.init.trunc_normal_ with its default bounds, which are -2 and 2, whatever the standard deviation."""
    return {"match": match, "scheme": "torch.nn.init.trunc_normal_", "stddev": stddev}


def kaiming_fan_out(match: str) -> Rule:
    """Return the rule of torch.nn.init.kaiming_normal_ for relu, with the variance that keeps the gradient steady."""
    return {"match": match, "scheme": "torch.nn.init.kaiming_normal_", "mode": "fan_out"}


def torch_xavier(match: str) -> Rule:
    """Return the rule of torch.nn.init.xavier_uniform_."""
    return {"match": match, "scheme": "torch.nn.init.xavier_uniform_"}


def torch_weight(match: str) -> Rule:
    """Return the rule of torch for the weight of a Linear or a convolution."""
    return {"match": match, "scheme": "torch_default"}


def torch_bias(match: str, fan_in: int) -> Rule:
    """Return the rule of torch for the bias of a Linear or a convolution, which depends on the fan_in of its weight."""
    return {"match": match, "scheme": "torch_default", "fan_in": fan_in}


def torch_biases(weights: Iterable[Weight]) -> list[Rule]:
    """Return the rule of torch for each bias, since each has the fan_in of the weight before it. Take no more weights than rules fit."""
    rules, fan_in = [], 1
    for weight in weights:
        if weight.name.endswith(".bias"):
            rules.append(torch_bias(weight.name, fan_in))
        else:
            fan_in = weight.size // weight.shape[0]
    return rules
