"""The bytes of whole files, which no release may change: header, order of the tensors, and values."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from service.checkpoints.checkpoint import checkpoint_of
from service.checkpoints.opening import open_checkpoint
from service.checkpoints.request import CheckpointRequest, request_from_object
from service.contract.answer import Limits
from tests.checkpoints.test_checkpoint import manifest

LIMITS = Limits()
GPT2 = {"n_layer": 1, "n_embd": 32, "n_head": 2, "vocab_size": 50, "n_positions": 16}
LLAMA = {
    "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 60, "dtype": "bfloat16",
}  # fmt: skip

CASES: dict[str, tuple[CheckpointRequest, str]] = {
    "manifest": (CheckpointRequest(manifest=manifest()), "91c23976fb5f44eb5bc0da73bceb24890439a30ddb2d26c079e6eb7664e52c17"),
    "gpt2": (CheckpointRequest(preset="gpt2", overrides=GPT2, seed=7), "8ebafd4537fb2c85d19061aa577a04d27860e39e97a18f7ccbdce1d1a74dae14"),
    "gpt2 recommended": (
        CheckpointRequest(preset="gpt2", overrides=GPT2, variant="recommended", dtype="float16"),
        "88bbc5314bcb4bbb0dba5d5f6961b4fbcc7cad7c8812ddab365b9e6aa84c6b52",
    ),
    "config of a llama": (request_from_object(LLAMA), "9bfbf83782a1f2a08f57f74fc30855549348a9270d61ad4529589ac7234fb6f1"),
    "lenet5": (
        CheckpointRequest(preset="lenet5", seed=2**64 - 1, dtype="float64"),
        "2097a26cd720545dc50c140d23ecfce658fbd07bb09cce680fb8627691eabf50",
    ),
    "resnet18": (
        CheckpointRequest(preset="resnet18", overrides={"num_classes": 2}),
        "4cf1c93794957df12dc7c69b3a5d6fd91623028419c3d18bbe2c82fc55f51106",
    ),
}


def content(name: str) -> bytes:
    request, _ = CASES[name]
    return bytes(open_checkpoint(request, LIMITS).shards.shard("model.safetensors").file.read())


@pytest.mark.parametrize("name", CASES)
def test_a_file_has_the_bytes_of_every_release(name: str) -> None:
    assert hashlib.sha256(content(name)).hexdigest() == CASES[name][1]


def test_the_digest_is_that_of_the_tensors_alone() -> None:
    given: dict[str, Any] = manifest()
    digest = checkpoint_of(given, LIMITS).digest
    assert checkpoint_of({**given, "metadata": {"author": "me"}}, LIMITS).digest == digest
