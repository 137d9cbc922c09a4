"""BERT and RoBERTa with their heads for masked tokens, with the names of transformers (models/bert, models/roberta)."""

from __future__ import annotations

from collections.abc import Iterator

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight, check_divides, check_entry
from service.checkpoints.presets.fields import Config, Field, Kind
from service.checkpoints.presets.modules import BIAS, embedding, linear, norm
from service.checkpoints.presets.rules import Rule, normal, ones, zeros
from service.checkpoints.presets.transformers import QUANTIZED, initializer_range, pad_token_id, weight_stddev


def _fields(tokens: int, padding: int) -> tuple[Field, ...]:
    return (
        Field("vocab_size", tokens, "the number of tokens"),
        Field("hidden_size", 768, "the width of the residual stream"),
        Field("num_hidden_layers", 12, "the number of layers"),
        Field("num_attention_heads", 12, "the number of attention heads"),
        Field("intermediate_size", 3072, "the width between the two layers of an MLP"),
        Field("hidden_act", "gelu", "the activation of the MLP", Kind.TEXT),
        Field("max_position_embeddings", 512, "the number of positions"),
        Field("type_vocab_size", 2, "the number of kinds of segments"),
        initializer_range(),
        pad_token_id(padding),
        Field("tie_word_embeddings", True, "whether the head shares the table of the tokens", Kind.BOOLEAN),
    )


def _bert(config: Config) -> Iterator[Weight]:
    width, name = config["hidden_size"], "bert.embeddings"
    yield from embedding(f"{name}.word_embeddings", config["vocab_size"], width, config["pad_token_id"])
    yield from embedding(f"{name}.position_embeddings", config["max_position_embeddings"], width)
    yield from embedding(f"{name}.token_type_embeddings", config["type_vocab_size"], width)
    yield from norm(f"{name}.LayerNorm", width)
    yield from _encoder("bert", config)
    yield from _head("cls.predictions", "transform.dense", "transform.LayerNorm", config)


def _roberta(config: Config) -> Iterator[Weight]:
    """Yield the tensors. The positions start after the padding, whose entry is zero in both tables."""
    width, name, padding = config["hidden_size"], "roberta.embeddings", config["pad_token_id"]
    yield from embedding(f"{name}.word_embeddings", config["vocab_size"], width, padding)
    yield from embedding(f"{name}.token_type_embeddings", config["type_vocab_size"], width)
    yield from norm(f"{name}.LayerNorm", width)
    yield from embedding(f"{name}.position_embeddings", config["max_position_embeddings"], width, padding)
    yield from _encoder("roberta", config)
    yield from _head("lm_head", "dense", "layer_norm", config)


def _encoder(model: str, config: Config) -> Iterator[Weight]:
    width, inner, depth = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    for layer in range(depth):
        name = f"{model}.encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            yield from linear(f"{name}.attention.self.{part}", width, width, layer="attention_input")
        yield from linear(f"{name}.attention.output.dense", width, width, layer="attention_output", num_layers=depth)
        yield from norm(f"{name}.attention.output.LayerNorm", width)
        yield from linear(f"{name}.intermediate.dense", inner, width, activation=config["hidden_act"])
        yield from linear(f"{name}.output.dense", width, inner, layer="residual_output", num_layers=depth)
        yield from norm(f"{name}.output.LayerNorm", width)


def _head(name: str, dense: str, layer_norm: str, config: Config) -> Iterator[Weight]:
    width, tokens = config["hidden_size"], config["vocab_size"]
    yield Weight(f"{name}.bias", (tokens,), BIAS)
    yield from linear(f"{name}.{dense}", width, width, activation=config["hidden_act"])
    yield from norm(f"{name}.{layer_norm}", width)
    if not config["tie_word_embeddings"]:
        yield from linear(f"{name}.decoder", tokens, width, layer="softmax_head")


def _library_rules(padded: str) -> Variant:
    """Return the rules. `padded` is a glob on the embeddings that have an entry of zeros."""

    def rules(config: Config) -> list[Rule]:
        stddev, padding = weight_stddev(config), config["pad_token_id"]
        tables = [] if padding is None else [normal(padded, stddev, padding)]
        return [*tables, zeros("*.bias"), ones("*LayerNorm.weight"), ones("*layer_norm.weight"), normal("*", stddev)]

    return Variant(
        "transformers",
        "the rules of transformers",
        "transformers, modeling_utils.py, models/bert/modeling_bert.py and models/roberta/modeling_roberta.py, _init_weights",
        rules,
    )


def _tied(config: Config, head: str, model: str) -> dict[str, str]:
    shared = {f"{head}.decoder.weight": f"{model}.embeddings.word_embeddings.weight", f"{head}.decoder.bias": f"{head}.bias"}
    return shared if config["tie_word_embeddings"] else {}


def _check_bert(config: Config) -> None:
    check_divides(config, "num_attention_heads", "hidden_size")
    check_entry(config, "pad_token_id", "vocab_size")


def _check_roberta(config: Config) -> None:
    _check_bert(config)
    check_entry(config, "pad_token_id", "max_position_embeddings")


BERT = Architecture(
    "bert",
    "BERT with a head for masked tokens",
    "transformers",
    _fields(30522, 0),
    _bert,
    (_library_rules("*.word_embeddings.weight"), RECOMMENDED),
    architectures=("BertForMaskedLM",),
    tied=lambda config: _tied(config, "cls.predictions", "bert"),
    check=_check_bert,
    only=QUANTIZED | {"add_cross_attention": False},
)
ROBERTA = Architecture(
    "roberta",
    "RoBERTa with a head for masked tokens",
    "transformers",
    _fields(50265, 1),
    _roberta,
    (_library_rules("*.[wp]o*_embeddings.weight"), RECOMMENDED),  # word_embeddings and position_embeddings
    architectures=("RobertaForMaskedLM",),
    tied=lambda config: _tied(config, "lm_head", "roberta"),
    check=_check_roberta,
    only=QUANTIZED | {"add_cross_attention": False},
)
