"""GPT-2, with the names of transformers (models/gpt2). Its Conv1D has weights of [in, out]."""

from __future__ import annotations

from collections.abc import Iterator

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight, check_divides
from service.checkpoints.presets.fields import Config, Field, Kind
from service.checkpoints.presets.modules import conv1d_of_gpt2, embedding, norm
from service.checkpoints.presets.rules import Rule, normal, ones, zeros
from service.checkpoints.presets.transformers import QUANTIZED, initializer_range, weight_stddev

FIELDS = (
    Field("vocab_size", 50257, "the number of tokens"),
    Field("n_positions", 1024, "the longest sequence"),
    Field("n_embd", 768, "the width of the residual stream"),
    Field("n_layer", 12, "the number of layers"),
    Field("n_head", 12, "the number of attention heads"),
    Field("n_inner", None, "the width between the two layers of an MLP (default: 4·n_embd)", derive=lambda config: 4 * config["n_embd"]),
    Field("activation_function", "gelu_new", "the activation of the MLP", Kind.TEXT),
    initializer_range(),
    Field("tie_word_embeddings", True, "whether the head shares the table of the tokens", Kind.BOOLEAN),
)


def _tensors(config: Config) -> Iterator[Weight]:
    yield from embedding("transformer.wte", config["vocab_size"], config["n_embd"])
    yield from embedding("transformer.wpe", config["n_positions"], config["n_embd"])
    for layer in range(config["n_layer"]):
        yield from _block(f"transformer.h.{layer}", config)
    yield from norm("transformer.ln_f", config["n_embd"])
    if not config["tie_word_embeddings"]:
        yield Weight("lm_head.weight", (config["vocab_size"], config["n_embd"]), {"layer": "softmax_head"})


def _block(name: str, config: Config) -> Iterator[Weight]:
    width, inner, depth = config["n_embd"], config["n_inner"], config["n_layer"]
    yield from norm(f"{name}.ln_1", width)
    yield from conv1d_of_gpt2(f"{name}.attn.c_attn", width, 3 * width, layer="attention_input", packed=3)
    yield from conv1d_of_gpt2(f"{name}.attn.c_proj", width, width, layer="attention_output", num_layers=depth)
    yield from norm(f"{name}.ln_2", width)
    yield from conv1d_of_gpt2(f"{name}.mlp.c_fc", width, inner, activation=config["activation_function"])
    yield from conv1d_of_gpt2(f"{name}.mlp.c_proj", inner, width, layer="residual_output", num_layers=depth)


def _library_rules(config: Config) -> list[Rule]:
    depth, stddev = config["n_layer"], config["initializer_range"]
    residual = {"match": "*.c_proj.weight", "scheme": "gpt2_residual", "num_layers": depth, "stddev": stddev}
    conv1d = normal("*.c_*.weight", stddev)
    return [residual, conv1d, zeros("*.bias"), ones("*.ln_?.weight"), normal("*", weight_stddev(config))]


def _openai_rules(_: Config) -> list[Rule]:
    """Return the rules of src/model.py: every conv1d and wte has 0.02, wpe has 0.01, and nothing depends on the depth."""
    return [normal("transformer.wpe.weight", 0.01), zeros("*.bias"), ones("*.ln_?.weight"), normal("*", 0.02)]


GPT2 = Architecture(
    "gpt2",
    "GPT-2, a language model",
    "transformers",
    FIELDS,
    _tensors,
    (
        Variant("transformers", "the rules of transformers", "transformers, models/gpt2/modeling_gpt2.py, _init_weights", _library_rules),
        Variant("openai", "the rules of OpenAI's code, which do not depend on the depth", "openai/gpt-2, src/model.py", _openai_rules),
        RECOMMENDED,
    ),
    architectures=("GPT2LMHeadModel",),
    tied=lambda config: {"lm_head.weight": "transformer.wte.weight"} if config["tie_word_embeddings"] else {},
    check=lambda config: check_divides(config, "n_head", "n_embd"),
    only=QUANTIZED | {"add_cross_attention": False},
)
