"""T5, with the names of transformers (models/t5), which shares one table among encoder, decoder and head."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight
from service.checkpoints.presets.fields import Config, Field, Kind
from service.checkpoints.presets.modules import embedding, linear, norm
from service.checkpoints.presets.rules import Rule, normal
from service.checkpoints.presets.transformers import QUANTIZED
from service.core.errors import InvalidValue

FIELDS = (
    Field("vocab_size", 32128, "the number of tokens"),
    Field("d_model", 512, "the width of the residual stream"),
    Field("d_kv", 64, "the width of a head"),
    Field("d_ff", 2048, "the width between the layers of an MLP"),
    Field("num_layers", 6, "the number of layers of the encoder"),
    Field(
        "num_decoder_layers",
        None,
        "the number of layers of the decoder (default: num_layers)",
        derive=lambda config: config["num_layers"],
    ),
    Field("num_heads", 8, "the number of attention heads"),
    Field("relative_attention_num_buckets", 32, "the number of distances that the attention tells apart"),
    Field("feed_forward_proj", "relu", "the activation of the MLP, with gated- before it if another layer multiplies it", Kind.TEXT),
    Field("initializer_factor", 1.0, "a factor on every weight", Kind.NUMBER, minimum=0),
)

_GATED = "gated-"


def _tensors(config: Config) -> Iterator[Weight]:
    yield from embedding("shared", config["vocab_size"], config["d_model"])
    yield from _stack("encoder", config["num_layers"], config, ("SelfAttention",))
    yield from _stack("decoder", config["num_decoder_layers"], config, ("SelfAttention", "EncDecAttention"))


def _stack(name: str, depth: int, config: Config, attentions: tuple[str, ...]) -> Iterator[Weight]:
    width = config["d_model"]
    for layer in range(depth):
        for part, attention in enumerate(attentions):
            block = f"{name}.block.{layer}.layer.{part}"
            yield from _attention(f"{block}.{attention}", depth, config)
            if layer == 0 and part == 0:
                buckets = config["relative_attention_num_buckets"]
                yield from embedding(f"{block}.{attention}.relative_attention_bias", buckets, config["num_heads"])
            yield from norm(f"{block}.layer_norm", width, bias=False)
        block = f"{name}.block.{layer}.layer.{len(attentions)}"
        yield from _mlp(f"{block}.DenseReluDense", depth, config)
        yield from norm(f"{block}.layer_norm", width, bias=False)
    yield from norm(f"{name}.final_layer_norm", width, bias=False)


def _attention(name: str, depth: int, config: Config) -> Iterator[Weight]:
    """Yield the projections. The scores are not divided by √d_kv, so the queries must start smaller: only T5's own scheme knows that."""
    width, inner = config["d_model"], config["num_heads"] * config["d_kv"]
    queries = {"scheme": "t5", "role": "q", "d_model": width, "d_kv": config["d_kv"]}
    yield from linear(f"{name}.q", inner, width, bias=False, **queries)
    yield from linear(f"{name}.k", inner, width, bias=False, layer="attention_input")
    yield from linear(f"{name}.v", inner, width, bias=False, layer="attention_input")
    yield from linear(f"{name}.o", width, inner, bias=False, layer="attention_output", num_layers=depth)


def _mlp(name: str, depth: int, config: Config) -> Iterator[Weight]:
    width, inner, activation = config["d_model"], config["d_ff"], config["feed_forward_proj"]
    if activation.startswith(_GATED):
        yield from linear(f"{name}.wi_0", inner, width, bias=False, activation="linear")
        yield from linear(f"{name}.wi_1", inner, width, bias=False, activation="linear")
    else:
        yield from linear(f"{name}.wi", inner, width, bias=False, activation=activation)
    yield from linear(f"{name}.wo", width, inner, bias=False, layer="residual_output", num_layers=depth)


def _library_rules(config: Config) -> list[Rule]:
    factor, width = config["initializer_factor"], config["d_model"]
    return [
        _t5("*.q.weight", "q", config, "d_model", "d_kv"),
        _t5("*.[kv].weight", "k", config, "d_model"),
        _t5("*.o.weight", "o", config, "num_heads", "d_kv"),
        _t5("*.wi*.weight", "wi", config, "d_model"),
        _t5("*.wo.weight", "wo", config, "d_ff"),
        normal("*.relative_attention_bias.weight", factor / math.sqrt(width)),
        {"match": "*layer_norm.weight", "scheme": "constant", "value": factor},
        normal("shared.weight", factor),
    ]


def _t5(match: str, role: str, config: Config, *sizes: str) -> Rule:
    rule: dict[str, Any] = {"match": match, "scheme": "t5", "role": role, "factor": config["initializer_factor"]}
    return rule | {size: config[size] for size in sizes}


def _check(config: Config) -> None:
    activation = config["feed_forward_proj"]
    if "-" in activation.removeprefix(_GATED):
        raise InvalidValue(
            "feed_forward_proj",
            expected="the name of an activation, or gated- and one",
            received=activation,
            action="Write relu or gated-gelu, for example.",
        )


T5 = Architecture(
    "t5",
    "T5, an encoder and a decoder",
    "transformers",
    FIELDS,
    _tensors,
    (
        Variant("transformers", "the rules of transformers", "transformers, models/t5/modeling_t5.py, _init_weights", _library_rules),
        RECOMMENDED,
    ),
    architectures=("T5ForConditionalGeneration", "T5WithLMHeadModel"),  # the second is an older name of the first
    tied=lambda _: dict.fromkeys(("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"), "shared.weight"),
    check=_check,
    only=QUANTIZED,
)
