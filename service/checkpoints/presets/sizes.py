"""The config.json of each model with a name, as far as it differs from the defaults of its architecture.

Fields that no tensor depends on, such as rope_theta, are here so that the config.json of the checkpoint is that of the model.
"""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]
Sizes = dict[str, Config]  # by the name of the model

GPT2: Sizes = {
    "gpt2": {},
    "gpt2-medium": {"n_embd": 1024, "n_layer": 24, "n_head": 16},
    "gpt2-large": {"n_embd": 1280, "n_layer": 36, "n_head": 20},
    "gpt2-xl": {"n_embd": 1600, "n_layer": 48, "n_head": 25},
}

_LLAMA_2: Config = {"max_position_embeddings": 4096, "rms_norm_eps": 1e-5}
_LLAMA_3: Config = {
    "vocab_size": 128256,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
}
_LLAMA_3_1: Config = {
    **_LLAMA_3,
    "max_position_embeddings": 131072,
    "rope_scaling": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
}


def _transformer(width: int, inner: int, layers: int, heads: int, kv_heads: int | None = None, **others: Any) -> Config:
    shared = {} if kv_heads is None else {"num_key_value_heads": kv_heads}
    sizes = {"hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads}
    return {**sizes, **shared, **others}


LLAMA: Sizes = {
    "llama-7b": _transformer(4096, 11008, 32, 32, **_LLAMA_2),
    "llama-13b": _transformer(5120, 13824, 40, 40, **_LLAMA_2),
    "llama-70b": _transformer(8192, 28672, 80, 64, 8, **_LLAMA_2),
    "llama-3-8b": _transformer(4096, 14336, 32, 32, **_LLAMA_3),
    "llama-3-70b": _transformer(8192, 28672, 80, 64, **_LLAMA_3),
    "llama-3-405b": _transformer(16384, 53248, 126, 128, **_LLAMA_3_1),
}

MISTRAL: Sizes = {"mistral-7b": {"max_position_embeddings": 32768, "rms_norm_eps": 1e-5, "rope_theta": 10000.0}}
MIXTRAL: Sizes = {"mixtral-8x7b": {"max_position_embeddings": 32768, "rope_theta": 1000000.0}}

_QWEN2_SMALL: Config = {"tie_word_embeddings": True, "max_position_embeddings": 32768, "rope_theta": 1000000.0}
_QWEN2_LARGE: Config = {"vocab_size": 152064, "max_position_embeddings": 131072, "rope_theta": 1000000.0}

QWEN2: Sizes = {
    "qwen2.5-0.5b": _transformer(896, 4864, 24, 14, 2, **_QWEN2_SMALL),
    "qwen2.5-1.5b": _transformer(1536, 8960, 28, 12, 2, **_QWEN2_SMALL | {"max_position_embeddings": 131072}),
    "qwen2.5-3b": _transformer(2048, 11008, 36, 16, 2, **_QWEN2_SMALL),
    "qwen2.5-7b": _transformer(3584, 18944, 28, 28, 4, **_QWEN2_LARGE),
    "qwen2.5-14b": _transformer(5120, 13824, 48, 40, 8, **_QWEN2_LARGE, rms_norm_eps=1e-5),
    "qwen2.5-32b": _transformer(5120, 27648, 64, 40, 8, **_QWEN2_LARGE, rms_norm_eps=1e-5),
    "qwen2.5-72b": _transformer(8192, 29568, 80, 64, 8, **_QWEN2_LARGE),
}

_QWEN3: Config = {"max_position_embeddings": 40960, "rope_theta": 1000000.0}

QWEN3: Sizes = {
    "qwen3-0.6b": _transformer(1024, 3072, 28, 16, 8, **_QWEN3, tie_word_embeddings=True),
    "qwen3-1.7b": _transformer(2048, 6144, 28, 16, 8, **_QWEN3, tie_word_embeddings=True),
    "qwen3-4b": _transformer(2560, 9728, 36, 32, 8, **_QWEN3, tie_word_embeddings=True),
    "qwen3-8b": _transformer(4096, 12288, 36, 32, 8, **_QWEN3),
    "qwen3-14b": _transformer(5120, 17408, 40, 40, 8, **_QWEN3),
    "qwen3-32b": _transformer(5120, 25600, 64, 64, 8, **_QWEN3),
}

BERT: Sizes = {"bert-base-uncased": {}, "bert-large-uncased": _transformer(1024, 4096, 24, 16)}

_ROBERTA: Config = {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}

ROBERTA: Sizes = {"roberta-base": {**_ROBERTA}, "roberta-large": _transformer(1024, 4096, 24, 16, **_ROBERTA)}

_T5: Config = {"decoder_start_token_id": 0}

T5: Sizes = {
    "t5-small": {**_T5},
    "t5-base": {"d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12, **_T5},
    "t5-large": {"d_model": 1024, "d_ff": 4096, "num_layers": 24, "num_heads": 16, **_T5},
    "t5-3b": {"d_model": 1024, "d_ff": 16384, "d_kv": 128, "num_layers": 24, "num_heads": 32, **_T5},
    "t5-11b": {"d_model": 1024, "d_ff": 65536, "d_kv": 128, "num_layers": 24, "num_heads": 128, **_T5},
}

VIT: Sizes = {
    "vit-base-patch16-224": {"num_labels": 1000},
    "vit-large-patch16-224": _transformer(1024, 4096, 24, 16, num_labels=1000),
}

_BASIC: Config = {"layer_type": "basic", "hidden_sizes": [64, 128, 256, 512], "num_labels": 1000}

RESNET: Sizes = {
    "resnet-18": {"depths": [2, 2, 2, 2], **_BASIC},
    "resnet-34": {"depths": [3, 4, 6, 3], **_BASIC},
    "resnet-50": {"num_labels": 1000},
    "resnet-101": {"depths": [3, 4, 23, 3], "num_labels": 1000},
    "resnet-152": {"depths": [3, 8, 36, 3], "num_labels": 1000},
}

TORCHVISION_ALEXNET: Sizes = {"alexnet": {}}

_STAGES: Config = {"vgg11": [1, 1, 2, 2, 2], "vgg13": [2, 2, 2, 2, 2], "vgg16": [2, 2, 3, 3, 3], "vgg19": [2, 2, 4, 4, 4]}

TORCHVISION_VGG: Sizes = {name: {"convolutions": stages} for name, stages in _STAGES.items()} | {
    f"{name}_bn": {"convolutions": stages, "batch_norm": True} for name, stages in _STAGES.items()
}

TORCHVISION_RESNET: Sizes = {
    "resnet18": {"block": "basic", "layers": [2, 2, 2, 2]},
    "resnet34": {"block": "basic"},
    "resnet50": {},
    "resnet101": {"layers": [3, 4, 23, 3]},
    "resnet152": {"layers": [3, 8, 36, 3]},
    "resnext50_32x4d": {"groups": 32, "width_per_group": 4},
    "resnext101_32x8d": {"layers": [3, 4, 23, 3], "groups": 32, "width_per_group": 8},
    "wide_resnet50_2": {"width_per_group": 128},
    "wide_resnet101_2": {"layers": [3, 4, 23, 3], "width_per_group": 128},
}

_VIT_LARGE: Config = {"num_layers": 24, "num_heads": 16, "hidden_dim": 1024, "mlp_dim": 4096}

TORCHVISION_VIT: Sizes = {
    "vit_b_16": {},
    "vit_b_32": {"patch_size": 32},
    "vit_l_16": {**_VIT_LARGE},
    "vit_l_32": {"patch_size": 32, **_VIT_LARGE},
    "vit_h_14": {"patch_size": 14, "num_layers": 32, "num_heads": 16, "hidden_dim": 1280, "mlp_dim": 5120},
}

LENET5: Sizes = {"lenet5": {}}
MLP: Sizes = {"mlp": {}}
SIREN: Sizes = {"siren": {}}
