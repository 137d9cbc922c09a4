"""Checkpoints in the libraries that people load them with: safetensors, huggingface_hub, transformers, torchvision."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from service.checkpoints.checkpoint import Checkpoint, checkpoint_of
from service.checkpoints.folder import write_folder
from service.checkpoints.presets import Model
from service.checkpoints.shards import Shards
from service.contract.answer import Limits

torch = pytest.importorskip("torch")

LIMITS = Limits()
GPT2: dict[str, Any] = {"n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 500, "n_positions": 64}
LLAMA: dict[str, Any] = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 500,
}


def opened(model: Model, **fields: Any) -> Checkpoint:
    return checkpoint_of({**model.manifest(10_000), **fields}, LIMITS)


def written(model: Model, folder: Path, *, shard_bytes: int = 10**9, **fields: Any) -> Shards:
    shards = Shards(opened(model, **fields), shard_bytes)
    write_folder(shards, folder, model.config, force=False, advance=lambda _: None)
    return shards


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_safetensors_reads_every_dtype(tmp_path: Path, dtype: str) -> None:
    from safetensors.torch import load_file

    model = Model.of("resnet18", {"num_classes": 3})
    written(model, tmp_path, dtype=dtype)
    tensors = load_file(tmp_path / "model.safetensors")
    assert {str(tensor.dtype) for tensor in tensors.values()} == {f"torch.{dtype}", "torch.int64"}
    stddev = tensors["layer1.0.conv1.weight"].double().std().item()
    expected = math.sqrt(2 / (9 * 64))
    assert abs(stddev - expected) < 6 * expected / math.sqrt(2 * 64 * 64 * 9)  # standard errors


@pytest.mark.parametrize(("preset", "fields"), [("gpt2", GPT2), ("llama-7b", LLAMA)])
def test_the_first_loss_is_that_of_a_guess(tmp_path: Path, preset: str, fields: dict[str, Any]) -> None:
    """With small weights every token is about as likely, so the cross entropy is log(vocabulary), plus half the variance of the logits."""
    from transformers import AutoModelForCausalLM

    written(Model.of(preset, fields), tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    tokens = torch.randint(0, 500, (8, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = model(tokens, labels=tokens)
    spread = output.logits.var(dim=-1).mean().item() / 2
    assert abs(output.loss.item() - math.log(500) - spread) < 0.1
    assert spread < 0.1


def test_transformers_loads_shards(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    shards = written(Model.of("llama-7b", LLAMA), tmp_path, shard_bytes=10**5)
    assert len(shards.file_names) > 3
    model, loading = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert {key: list(names) for key, names in loading.items() if names} == {}
    whole = shards.checkpoint.request("model.layers.1.mlp.up_proj.weight")
    assert list(model.model.layers[1].mlp.up_proj.weight.shape) == whole.shape


@pytest.mark.parametrize("preset", ["resnet18", "vgg11_bn", "vit_b_32", "alexnet"])
def test_torchvision_loads_a_checkpoint(tmp_path: Path, preset: str) -> None:
    import torchvision
    from safetensors.torch import load_file

    model = Model.of(preset, {"num_classes": 5})
    written(model, tmp_path)
    with torch.device("meta"):
        module = getattr(torchvision.models, preset)(num_classes=5)
    module.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True, assign=True)
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.isfinite(module.eval()(images)).all()


@pytest.mark.parametrize(
    ("preset", "overrides", "shard_bytes"),
    [("gpt2", {}, 50 * 10**6), ("llama-3-8b", {}, 5 * 10**9), ("llama-3-70b", {}, 5 * 10**9), ("mixtral-8x7b", {}, 5 * 10**9)],
)
def test_shards_are_divided_as_the_hub_divides_them(preset: str, overrides: dict[str, Any], shard_bytes: int) -> None:
    from huggingface_hub import split_torch_state_dict_into_shards

    checkpoint = opened(Model.of(preset, overrides), dtype="bfloat16")
    state_dict = {name: torch.empty(source.row.shape, dtype=torch.bfloat16, device="meta") for name, source in checkpoint.tensors.items()}
    theirs = split_torch_state_dict_into_shards(state_dict, max_shard_size=shard_bytes)
    ours = Shards(checkpoint, shard_bytes).index
    assert ours["weight_map"] == theirs.tensor_to_filename
    assert ours["metadata"] == theirs.metadata


def test_a_saved_config_is_a_request_for_the_same_model(tmp_path: Path) -> None:
    from transformers import AutoConfig

    config = AutoConfig.for_model("llama", **LLAMA)
    config.save_pretrained(tmp_path)
    given = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert opened(Model.of_config(given, {})).digest == opened(Model.of("llama-7b", LLAMA)).digest
