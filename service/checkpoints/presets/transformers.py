"""What the architectures of transformers share."""

from __future__ import annotations

from typing import Any

from service.checkpoints.presets.fields import Config, Field, Kind

QUANTIZED: dict[str, Any] = {"quantization_config": None}  # quantized checkpoints have tensors of other types, and scales


def initializer_range() -> Field:
    """Return the field with the standard deviation of the weights."""
    return Field("initializer_range", 0.02, "the standard deviation of the weights", Kind.NUMBER, minimum=0)


def weight_stddev(config: Config) -> float:
    """Return the standard deviation of a Linear or an Embedding: that of the config.json, and 0.02 if that is zero.

    transformers, modeling_utils.py, PreTrainedModel._init_weights.
    """
    return float(config["initializer_range"]) or 0.02


def pad_token_id(default: int | None) -> Field:
    """Return the field with the entry of the embedding that is zero."""
    return Field(
        "pad_token_id", default, "the entry of the table of the tokens that is zero; null for none", minimum=-(2**31), optional=True
    )


def num_labels() -> Field:
    """Return the field with the number of classes. A config.json of transformers has their names instead."""
    return Field("num_labels", None, "the number of classes (default: those in id2label, else 2)", minimum=0, derive=_classes)


def _classes(config: Config) -> int:
    names = config.get("id2label")
    return len(names) if isinstance(names, dict) else 2
