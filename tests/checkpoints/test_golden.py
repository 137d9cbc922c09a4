"""The bytes of whole files, which no release may change: header, order of the tensors, and values."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from service.checkpoints.checkpoint import checkpoint_of
from service.checkpoints.request import CheckpointRequest, request_from_object
from service.checkpoints.shards import Shards
from service.contract.answer import Limits
from tests.checkpoints.test_checkpoint import manifest

LIMITS = Limits()
GPT2 = {"n_layer": 1, "n_embd": 32, "n_head": 2, "vocab_size": 50, "n_positions": 16}
LLAMA = {
    "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 60, "dtype": "bfloat16",
}  # fmt: skip

CASES: dict[str, tuple[CheckpointRequest, str]] = {
    "manifest": (CheckpointRequest(manifest=manifest()), "a02fae1f823217d295b7de0520dc8c3a0adb5e6b058794aabfe5c176f33b9cba"),
    "gpt2": (CheckpointRequest(preset="gpt2", overrides=GPT2, seed=7), "e3ca3b895767b4169c6f0ce5b8df30c3da7566fa4b01e66e98761163328cab90"),
    "gpt2 recommended": (
        CheckpointRequest(preset="gpt2", overrides=GPT2, variant="recommended", dtype="float16"),
        "7c325897a275243a5a6e1d1139d777faacbd6c91c89681e676e6c1ff78e23667",
    ),
    "config of a llama": (request_from_object(LLAMA), "0daa319bf8e1083e6e848e3133c00224faa88765ec76fa750333757a73fa0b13"),
    "lenet5": (
        CheckpointRequest(preset="lenet5", seed=2**64 - 1, dtype="float64"),
        "95c8ad96635c4519783302553d9a301d7e8f6ce6b0bb248784381168be113a6d",
    ),
    "resnet18": (
        CheckpointRequest(preset="resnet18", overrides={"num_classes": 2}),
        "8dab9f340d739c46aecbd5c012a069ff6b873d638968ea076f7dd3970a2c49e7",
    ),
}


def content(name: str) -> bytes:
    request, _ = CASES[name]
    return bytes(Shards(checkpoint_of(request.read(LIMITS), LIMITS)).shard("model.safetensors").file.read())


@pytest.mark.parametrize("name", CASES)
def test_a_file_has_the_bytes_of_every_release(name: str) -> None:
    assert hashlib.sha256(content(name)).hexdigest() == CASES[name][1]


def test_the_digest_is_that_of_the_tensors_alone() -> None:
    given: dict[str, Any] = manifest()
    digest = checkpoint_of(given, LIMITS).digest
    assert checkpoint_of({**given, "metadata": {"author": "me"}}, LIMITS).digest == digest
