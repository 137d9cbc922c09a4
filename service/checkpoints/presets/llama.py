"""Llama and its relatives, with the names of transformers: the same blocks, with or without biases, norms of queries and keys, experts."""

from __future__ import annotations

from collections.abc import Iterator

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight, check_divides, check_entry
from service.checkpoints.presets.fields import Config, Field, Kind
from service.checkpoints.presets.llama_variants import OTHERS, library
from service.checkpoints.presets.modules import embedding, linear, norm
from service.checkpoints.presets.transformers import QUANTIZED, initializer_range, pad_token_id


def _fields(width: int, inner: int, heads: int | None, *, tokens: int = 32000, head_dim: int | None = None) -> tuple[Field, ...]:
    """Return the fields that all of them have. `heads` and `head_dim` are None where they follow from other fields."""
    return (
        Field("vocab_size", tokens, "the number of tokens"),
        Field("hidden_size", width, "the width of the residual stream"),
        Field("intermediate_size", inner, "the width between the layers of an MLP"),
        Field("num_hidden_layers", 32, "the number of layers"),
        Field("num_attention_heads", 32, "the number of heads of the queries"),
        Field(
            "num_key_value_heads",
            heads,
            "the number of heads of the keys and values; null for num_attention_heads",
            derive=lambda config: config["num_attention_heads"],
        ),
        Field(
            "head_dim",
            head_dim,
            "the width of a head; null for hidden_size/num_attention_heads",
            derive=lambda config: config["hidden_size"] // config["num_attention_heads"],
        ),
        Field("hidden_act", "silu", "the activation of the gates", Kind.TEXT),
        initializer_range(),
        pad_token_id(None),
        Field("tie_word_embeddings", False, "whether the head shares the table of the tokens", Kind.BOOLEAN),
    )


_ATTENTION_BIAS = Field("attention_bias", False, "whether the projections of the attention have biases", Kind.BOOLEAN)
_MLP_BIAS = Field("mlp_bias", False, "whether the layers of the MLP have biases", Kind.BOOLEAN)
_EXPERTS = Field("num_local_experts", 8, "the number of experts in a layer")


class _Blocks:
    """The tensors of the models. Qwen2 always has biases on queries, keys and values; Qwen3 normalizes queries and keys."""

    def __init__(self, *, qkv_bias: bool = False, qk_norm: bool = False, experts: bool = False) -> None:
        self.qkv_bias, self.qk_norm, self.experts = qkv_bias, qk_norm, experts

    def __call__(self, config: Config) -> Iterator[Weight]:
        width = config["hidden_size"]
        yield from embedding("model.embed_tokens", config["vocab_size"], width, config["pad_token_id"])
        for layer in range(config["num_hidden_layers"]):
            yield from self._block(f"model.layers.{layer}", config)
        yield from norm("model.norm", width, bias=False)
        if not config["tie_word_embeddings"]:
            yield Weight("lm_head.weight", (config["vocab_size"], width), {"layer": "softmax_head"})

    def _block(self, name: str, config: Config) -> Iterator[Weight]:
        yield from self._attention(f"{name}.self_attn", config)
        yield from _experts(f"{name}.block_sparse_moe", config) if self.experts else _mlp(f"{name}.mlp", config)
        yield from norm(f"{name}.input_layernorm", config["hidden_size"], bias=False)
        yield from norm(f"{name}.post_attention_layernorm", config["hidden_size"], bias=False)

    def _attention(self, name: str, config: Config) -> Iterator[Weight]:
        width, head = config["hidden_size"], config["head_dim"]
        queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
        bias = config.get("attention_bias", False)
        yield from linear(f"{name}.q_proj", queries, width, bias=bias or self.qkv_bias, layer="attention_input")
        yield from linear(f"{name}.k_proj", keys, width, bias=bias or self.qkv_bias, layer="attention_input")
        yield from linear(f"{name}.v_proj", keys, width, bias=bias or self.qkv_bias, layer="attention_input")
        yield from linear(f"{name}.o_proj", width, queries, bias=bias, layer="attention_output", num_layers=config["num_hidden_layers"])
        if self.qk_norm:
            yield from norm(f"{name}.q_norm", head, bias=False)
            yield from norm(f"{name}.k_norm", head, bias=False)


def _mlp(name: str, config: Config) -> Iterator[Weight]:
    """Yield a gated MLP. Its output adds to the residual stream, so the depth decides, not the gain of the gate."""
    width, inner, bias = config["hidden_size"], config["intermediate_size"], config.get("mlp_bias", False)
    yield from linear(f"{name}.gate_proj", inner, width, bias=bias, activation="linear")
    yield from linear(f"{name}.up_proj", inner, width, bias=bias, activation="linear")
    yield from linear(f"{name}.down_proj", width, inner, bias=bias, layer="residual_output", num_layers=config["num_hidden_layers"])


def _experts(name: str, config: Config) -> Iterator[Weight]:
    """Yield a router and its experts, under their names on disk. In memory, transformers stacks the experts."""
    width, inner, depth = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    yield from linear(f"{name}.gate", config["num_local_experts"], width, bias=False, layer="softmax_head")
    for expert in range(config["num_local_experts"]):
        yield from linear(f"{name}.experts.{expert}.w1", inner, width, bias=False, activation="linear")
        yield from linear(f"{name}.experts.{expert}.w2", width, inner, bias=False, layer="residual_output", num_layers=depth)
        yield from linear(f"{name}.experts.{expert}.w3", inner, width, bias=False, activation="linear")


def _check(config: Config) -> None:
    check_divides(config, "num_key_value_heads", "num_attention_heads")
    check_entry(config, "pad_token_id", "vocab_size")


def _check_llama(config: Config) -> None:
    check_divides(config, "num_attention_heads", "hidden_size")
    _check(config)


def _architecture(name: str, summary: str, model: str, fields: tuple[Field, ...], tensors: _Blocks, *others: Variant) -> Architecture:
    return Architecture(
        name,
        summary,
        "transformers",
        fields,
        tensors,
        (library(name), *others, RECOMMENDED),
        architectures=(f"{model}ForCausalLM",),
        tied=lambda config: {"lm_head.weight": "model.embed_tokens.weight"} if config["tie_word_embeddings"] else {},
        check=_check_llama if name == "llama" else _check,
        only=QUANTIZED,
    )


LLAMA = _architecture(
    "llama",
    "Llama 1, 2 and 3, language models",
    "Llama",
    (*_fields(4096, 11008, None), _ATTENTION_BIAS, _MLP_BIAS),
    _Blocks(),
    *OTHERS,
)
MISTRAL = _architecture("mistral", "Mistral, a language model", "Mistral", _fields(4096, 14336, 8), _Blocks(), *OTHERS)
QWEN2 = _architecture(
    "qwen2",
    "Qwen 2 and 2.5, language models",
    "Qwen2",
    _fields(4096, 22016, 32, tokens=151936),
    _Blocks(qkv_bias=True),
)
QWEN3 = _architecture(
    "qwen3",
    "Qwen 3, a language model",
    "Qwen3",
    (*_fields(4096, 22016, 32, tokens=151936, head_dim=128), _ATTENTION_BIAS),
    _Blocks(qk_norm=True),
)
MIXTRAL = _architecture(
    "mixtral",
    "Mixtral, a language model with a mixture of experts",
    "Mixtral",
    (*_fields(4096, 14336, 8), _EXPERTS),
    _Blocks(experts=True),
)
