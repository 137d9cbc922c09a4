"""Whose rules draw Llama and its relatives: those of transformers, torchtitan and OLMo-core."""

from __future__ import annotations

import math
from collections.abc import Iterator

from service.checkpoints.presets.architecture import Variant
from service.checkpoints.presets.fields import Config
from service.checkpoints.presets.rules import Rule, normal, ones, torch_normal_cut, zeros
from service.checkpoints.presets.transformers import weight_stddev


def _library_rules(config: Config) -> list[Rule]:
    stddev = weight_stddev(config)
    padded = [normal("model.embed_tokens.weight", stddev, config["pad_token_id"])] if config["pad_token_id"] is not None else []
    return [*padded, ones("*norm.weight"), zeros("*.bias"), normal("*", stddev)]


def _mixtral_rules(config: Config) -> list[Rule]:
    """Return the rules. Those of the experts and the router take initializer_range as it is, also if it is zero."""
    return [normal("*.block_sparse_moe.*", config["initializer_range"]), *_library_rules(config)]


_SHRINKING = "*[onp]_proj.weight"  # o_proj, down_proj and up_proj, and none of q_proj, k_proj, v_proj and gate_proj


def _torchtitan_rules(config: Config) -> list[Rule]:
    """Return the rules of init_weights, with depth_init. Its Llama has no biases and does not share its embeddings."""
    by_depth = [torch_normal_cut(match, stddev) for match, stddev in _by_depth(config)]
    head = _cut_at_3("lm_head.weight", 1 / math.sqrt(config["hidden_size"]))
    embedded = normal("model.embed_tokens.weight", 1.0)
    return [*by_depth, head, embedded, ones("*norm.weight"), zeros("*.bias"), torch_normal_cut("*", 0.02)]


def _by_depth(config: Config) -> Iterator[tuple[str, float]]:
    """Yield a glob on the weights of each layer that shrink with its depth, and their standard deviation."""
    for layer in range(config["num_hidden_layers"]):
        yield f"model.layers.{layer}.{_SHRINKING}", 0.02 / math.sqrt(2 * (layer + 1))


def _olmo_rules(_: Config) -> list[Rule]:
    """Return the rules of InitMethod.normal."""
    return [ones("*norm.weight"), zeros("*.bias"), _cut_at_3("*", 0.02)]


def _olmo_llama_rules(config: Config) -> list[Rule]:
    """Return the rules of InitMethod.llama. w3, which is up_proj, is divided by the depth as w2 and w_out are."""
    return _olmo_ends(config, [_cut_at_3(_SHRINKING, 0.02 / math.sqrt(2 * config["num_hidden_layers"]))])


def _olmo_llama_depth_rules(config: Config) -> list[Rule]:
    """Return the rules of InitMethod.llama_depth."""
    return _olmo_ends(config, [_cut_at_3(match, stddev) for match, stddev in _by_depth(config)])


def _olmo_ends(config: Config, residual: list[Rule]) -> list[Rule]:
    """Return the rules of the methods that draw both ends of the model in other ways than its middle."""
    head = _cut_at_3("lm_head.weight", 1 / math.sqrt(config["hidden_size"]))
    return [normal("model.embed_tokens.weight", 1.0), head, *residual, *_olmo_rules(config)]


def _cut_at_3(match: str, stddev: float) -> Rule:
    return {"match": match, "scheme": "truncated_normal", "stddev": stddev, "low_stddevs": -3, "high_stddevs": 3}


_TORCHTITAN = Variant(
    "torchtitan",
    "the rules of torchtitan for Llama 3: embeddings of variance 1, and residual branches that shrink with their depth",
    "pytorch/torchtitan, torchtitan/models/llama3/model/model.py, init_weights with depth_init",
    _torchtitan_rules,
)
OTHERS = (
    _TORCHTITAN,
    Variant(
        "olmo",
        "every matrix from the same truncated normal",
        "allenai/OLMo-core, src/olmo_core/nn/transformer/init.py, InitMethod.normal",
        _olmo_rules,
    ),
    Variant(
        "olmo_llama",
        "embeddings of variance 1, and residual branches divided by √(2·layers)",
        "allenai/OLMo-core, src/olmo_core/nn/transformer/init.py, InitMethod.llama",
        _olmo_llama_rules,
    ),
    Variant(
        "olmo_llama_depth",
        "embeddings of variance 1, and residual branches that shrink with their depth",
        "allenai/OLMo-core, src/olmo_core/nn/transformer/init.py, InitMethod.llama_depth",
        _olmo_llama_depth_rules,
    ),
)


def library(name: str) -> Variant:
    """Return the variant of the model's library."""
    where = f"transformers, modeling_utils.py, _init_weights, for models/{name}/modeling_{name}.py"
    return Variant("transformers", "the rules of transformers", where, _mixtral_rules if name == "mixtral" else _library_rules)
