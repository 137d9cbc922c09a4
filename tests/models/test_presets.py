"""Presets against the libraries themselves: the tensors on disk, which of them share values, and how they are drawn."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file

from service.checkpoints.checkpoint import Checkpoint, Drawn, Stored, checkpoint_of
from service.checkpoints.folder import write_folder
from service.checkpoints.presets import ARCHITECTURES, PRESETS, Model
from service.checkpoints.shards import Shards
from service.checkpoints.tracing.sources import Traced, from_torch, from_transformers
from service.contract.answer import Limits
from service.core.initializer import Initializer
from service.core.stream.distributions import Distribution, Draw
from service.core.tensors.rules import WithZeros

torch = pytest.importorskip("torch")

LIMITS = Limits()
MAX_TENSORS = 10_000

Arrays = dict[str, npt.NDArray[Any]]


def gpt2(**fields: Any) -> tuple[str, dict[str, Any]]:
    return "gpt2", {"vocab_size": 64, "n_positions": 16, "n_embd": 32, "n_layer": 1, "n_head": 2, **fields}


def llama(model_type: str, heads: int = 4, **fields: Any) -> tuple[str, dict[str, Any]]:
    sizes = {"vocab_size": 64, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": heads}
    return model_type, {**sizes, "num_key_value_heads": 2, **fields}


def bert(model_type: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    sizes = {"vocab_size": 100, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4}
    return model_type, {**sizes, "max_position_embeddings": 30, **fields}


def t5(**fields: Any) -> tuple[str, dict[str, Any]]:
    return "t5", {"vocab_size": 64, "d_model": 32, "d_kv": 24, "d_ff": 40, "num_layers": 1, "num_heads": 2, **fields}


def vit(**fields: Any) -> tuple[str, dict[str, Any]]:
    return "vit", {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 40, **fields}


def resnet(**fields: Any) -> tuple[str, dict[str, Any]]:
    return "resnet", {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 2], **fields}


# Each architecture at two sizes or more, with each field that adds, removes or draws tensors
TRANSFORMERS = [
    gpt2(vocab_size=200, n_embd=48, n_layer=3, n_head=4),
    gpt2(n_inner=80, initializer_range=0.1),
    gpt2(tie_word_embeddings=False, initializer_range=0.0),
    llama("llama", num_key_value_heads=4),
    llama("llama", head_dim=16, attention_bias=True, mlp_bias=True, tie_word_embeddings=True, pad_token_id=5, initializer_range=0.05),
    llama("mistral", num_key_value_heads=1),
    llama("mistral", heads=2, num_hidden_layers=1, head_dim=36, pad_token_id=0),
    llama("qwen2"),
    llama("qwen2", heads=2, num_hidden_layers=1, tie_word_embeddings=True),
    llama("qwen3", head_dim=16),
    llama("qwen3", heads=2, num_hidden_layers=1, attention_bias=True, tie_word_embeddings=True),
    llama("mixtral", num_local_experts=3),
    llama("mixtral", num_hidden_layers=1, num_local_experts=12, initializer_range=0.1, tie_word_embeddings=True),
    bert("bert"),
    bert("bert", num_hidden_layers=1, type_vocab_size=5, pad_token_id=None, tie_word_embeddings=False),
    bert("roberta"),
    bert("roberta", num_hidden_layers=1, type_vocab_size=1, pad_token_id=3, tie_word_embeddings=False),
    t5(vocab_size=100, d_model=48, d_kv=8, num_layers=2, num_heads=4),
    t5(num_decoder_layers=2, relative_attention_num_buckets=20, feed_forward_proj="gated-gelu", initializer_factor=0.5),
    t5(tie_word_embeddings=False),
    vit(hidden_size=48, num_hidden_layers=2, image_size=32, patch_size=8),
    vit(image_size=[32, 48], patch_size=[16, 8], num_channels=1, qkv_bias=False, num_labels=7, initializer_range=0.1),
    vit(num_labels=0),
    resnet(num_labels=5),
    resnet(hidden_sizes=[16, 24, 48], depths=[2, 1, 1], layer_type="basic", num_channels=1),
    resnet(hidden_sizes=[16, 16], depths=[2, 2], layer_type="basic", downsample_in_first_stage=True),
]

# transformers renames the tensors of these when it saves them, and sorts them then; a preset has them in the order of the model
CONVERTED = {"mixtral", "vit"}

# (preset, fields, the same as arguments of the function of torchvision)
TORCHVISION: list[tuple[str, dict[str, Any]]] = [
    ("resnet18", {"num_classes": 10}),
    ("resnet34", {"num_classes": 3, "zero_init_residual": True}),
    ("resnet50", {"num_classes": 10, "zero_init_residual": True}),
    ("resnet101", {}),
    ("resnet152", {}),
    ("resnext50_32x4d", {"num_classes": 10}),
    ("resnext101_32x8d", {}),
    ("wide_resnet50_2", {"num_classes": 10}),
    ("wide_resnet101_2", {}),
    ("alexnet", {}),
    ("alexnet", {"num_classes": 10}),
    ("vgg11", {"num_classes": 10}),
    ("vgg13", {}),
    ("vgg16", {}),
    ("vgg19", {}),
    ("vgg11_bn", {"num_classes": 10}),
    ("vgg13_bn", {}),
    ("vgg16_bn", {}),
    ("vgg19_bn", {}),
    ("vit_b_16", {"image_size": 64, "num_classes": 10}),
    ("vit_b_32", {}),
    ("vit_l_16", {}),
    ("vit_l_32", {}),
    ("vit_h_14", {}),
]
DRAWN_BY_TORCHVISION = [
    row for row in TORCHVISION if row[0] in ("resnet18", "resnet34", "resnext50_32x4d", "alexnet", "vgg11_bn", "vit_b_16") and row[1]
]


@pytest.fixture(scope="module")
def transformers() -> Any:
    return pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def torchvision() -> Any:
    return pytest.importorskip("torchvision")


def opened(model: Model) -> Checkpoint:
    return checkpoint_of(model.manifest(MAX_TENSORS), LIMITS)


def shapes(arrays: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(array.shape) for name, array in arrays.items()}


def built(transformers: Any, model_type: str, fields: dict[str, Any]) -> Any:
    """Return a model with the weights that transformers draws."""
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(model_type, **fields)
    return getattr(transformers, ARCHITECTURES[model_type].architectures[0])(config)


@pytest.mark.parametrize(("model_type", "fields"), TRANSFORMERS)
def test_a_checkpoint_has_the_tensors_that_transformers_saves(
    transformers: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model_type: str, fields: dict[str, Any]
) -> None:
    model, order = built(transformers, model_type, fields), saved_order(transformers, monkeypatch)
    model.save_pretrained(tmp_path)
    saved, config = load_file(tmp_path / "model.safetensors"), json.loads((tmp_path / "config.json").read_text("utf-8"))

    preset = Model.of_config(config, {})
    checkpoint = opened(preset)

    assert {name: source.row.shape for name, source in checkpoint.tensors.items()} == shapes(saved)
    if model_type not in CONVERTED:
        assert list(checkpoint.tensors) == order
    assert checkpoint.tied == shared_names(model, saved)
    assert preset.num_parameters() == model.num_parameters()
    assert checkpoint.warnings == ()
    assert_drawn_alike(checkpoint, saved)


def saved_order(transformers: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that will have the names of the tensors in the order in which transformers divides them among shards."""
    order: list[str] = []
    split = transformers.modeling_utils.split_torch_state_dict_into_shards

    def recorded(state_dict: dict[str, Any], **others: Any) -> Any:
        order.extend(state_dict)
        return split(state_dict, **others)

    monkeypatch.setattr(transformers.modeling_utils, "split_torch_state_dict_into_shards", recorded)
    return order


@pytest.mark.parametrize(("model_type", "fields"), TRANSFORMERS)
def test_the_rules_are_those_that_the_code_of_transformers_traces_to(transformers: Any, model_type: str, fields: dict[str, Any]) -> None:
    preset = Model.of_config({"model_type": model_type, **fields}, {})
    assert_rules_alike(opened(preset), from_transformers(preset.config))


def shared_names(model: Any, saved: Arrays) -> dict[str, str]:
    """Return the names of parameters that are not saved, and the name of the saved one that is the same tensor."""
    stored = {tensor.data_ptr(): name for name, tensor in model.state_dict(keep_vars=True).items() if name in saved}
    missing = {name: tensor for name, tensor in model.state_dict(keep_vars=True).items() if name not in saved}
    return {name: stored[tensor.data_ptr()] for name, tensor in missing.items() if tensor.data_ptr() in stored}


@pytest.mark.parametrize(("model_type", "fields"), TRANSFORMERS)
def test_transformers_loads_a_checkpoint_with_its_config(
    transformers: Any, tmp_path: Path, model_type: str, fields: dict[str, Any]
) -> None:
    given = json.loads(json.dumps({"model_type": model_type, **fields}))
    preset = Model.of_config(given, {})
    write_folder(Shards(opened(preset)), tmp_path, preset.config, force=False, advance=lambda _: None)
    model_class = getattr(transformers, ARCHITECTURES[model_type].architectures[0])

    model, loading = model_class.from_pretrained(tmp_path, output_loading_info=True)

    assert {key: list(names) for key, names in loading.items() if names} == {}
    assert model.num_parameters() == preset.num_parameters()
    model.save_pretrained(tmp_path / "again")
    written, read = load_file(tmp_path / "model.safetensors"), load_file(tmp_path / "again" / "model.safetensors")
    assert written.keys() == read.keys()
    for name, array in written.items():
        np.testing.assert_array_equal(array, read[name], err_msg=name)


@pytest.mark.parametrize("name", [name for name, row in PRESETS.items() if row.architecture.library == "transformers"])
def test_transformers_builds_a_model_of_the_same_size_from_the_config_of_a_preset(transformers: Any, name: str) -> None:
    preset = Model.of(name, {})
    fields = {key: value for key, value in preset.config.items() if key != "model_type"}
    with torch.device("meta"):
        model = built(transformers, preset.architecture.name, fields)
    assert model.num_parameters() == preset.num_parameters()


def test_every_architecture_of_transformers_is_compared_at_two_sizes() -> None:
    compared = [model_type for model_type, _ in TRANSFORMERS]
    ours = {name for name, architecture in ARCHITECTURES.items() if architecture.library == "transformers"}
    assert {name for name in compared if compared.count(name) >= 2} == ours


@pytest.mark.parametrize(("preset", "fields"), TORCHVISION)
def test_a_checkpoint_has_the_tensors_of_torchvision(torchvision: Any, preset: str, fields: dict[str, Any]) -> None:
    with torch.device("meta"):
        model = getattr(torchvision.models, preset)(**fields)
    ours = Model.of(preset, fields)
    checkpoint = opened(ours)
    assert {name: source.row.shape for name, source in checkpoint.tensors.items()} == shapes(model.state_dict())
    assert list(checkpoint.tensors) == list(model.state_dict())
    assert ours.num_parameters() == sum(parameter.numel() for parameter in model.parameters())
    assert checkpoint.warnings == ()


@pytest.mark.parametrize(("preset", "fields"), DRAWN_BY_TORCHVISION)
def test_a_checkpoint_is_drawn_as_by_torchvision(torchvision: Any, preset: str, fields: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = getattr(torchvision.models, preset)(**fields)
    assert_drawn_alike(opened(Model.of(preset, fields)), {name: tensor.numpy() for name, tensor in model.state_dict().items()})


@pytest.mark.parametrize(("preset", "fields"), TORCHVISION)
def test_the_rules_are_those_that_the_code_of_torchvision_traces_to(torchvision: Any, preset: str, fields: dict[str, Any]) -> None:
    assert_rules_alike(opened(Model.of(preset, fields)), from_torch(f"torchvision.models:{preset}", fields))


def assert_rules_alike(checkpoint: Checkpoint, traced: Traced) -> None:
    other = checkpoint_of(traced.manifest, LIMITS)
    assert traced.untraced == []
    assert checkpoint.tied == other.tied
    assert checkpoint.tensors.keys() == other.tensors.keys()
    ours, theirs = ({name: _facts(source) for name, source in each.tensors.items()} for each in (checkpoint, other))
    assert ours == theirs


def _facts(source: Drawn | Stored) -> Any:
    """Return what determines the values of a tensor, with 12 digits: √(1/n) and 1/√n may differ in the last of 17."""
    return source.values.tolist() if isinstance(source, Stored) else _rounded(source.initializer.rule.facts)


def _rounded(facts: Any) -> Any:
    if isinstance(facts, dict):
        return {name: _rounded(value) for name, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [_rounded(value) for value in facts]
    return f"{facts:.12g}" if isinstance(facts, float) else facts


def test_every_preset_of_torchvision_is_compared() -> None:
    assert {preset for preset, _ in TORCHVISION} == {name for name, row in PRESETS.items() if row.architecture.library == "torchvision"}


def lenet5() -> Any:
    nn = torch.nn
    layers = {
        "conv1": nn.Conv2d(1, 6, 5),
        "conv2": nn.Conv2d(6, 16, 5),
        "fc1": nn.Linear(16 * 5 * 5, 120),
        "fc2": nn.Linear(120, 84),
        "fc3": nn.Linear(84, 10),
    }
    return nn.ModuleDict(layers)


def mlp() -> Any:
    nn = torch.nn
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def siren() -> Any:
    """Return the network of the authors' notebook, drawn by its rules."""
    nn = torch.nn
    layers = [nn.ModuleDict({"linear": nn.Linear(inputs, 256)}) for inputs in (2, 256, 256, 256)]
    net = nn.Sequential(*layers, nn.Linear(256, 1))
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("weight"):
                bound = 1 / 2 if name.startswith("0.") else math.sqrt(6 / 256) / 30
                weight.uniform_(-bound, bound)
    return nn.ModuleDict({"net": net})


@pytest.mark.parametrize(("preset", "variant", "build"), [("lenet5", "torch", lenet5), ("mlp", "torch", mlp), ("siren", "siren", siren)])
def test_a_small_network_has_the_tensors_of_its_module(preset: str, variant: str, build: Callable[[], Any]) -> None:
    torch.manual_seed(0)
    checkpoint, state_dict = opened(Model.of(preset, {}, variant)), build().state_dict()
    assert {name: source.row.shape for name, source in checkpoint.tensors.items()} == shapes(state_dict)
    assert list(checkpoint.tensors) == list(state_dict)
    assert_drawn_alike(checkpoint, {name: tensor.numpy() for name, tensor in state_dict.items()})


def assert_drawn_alike(checkpoint: Checkpoint, arrays: Arrays) -> None:
    """Compare the rule of each tensor with the values that the library drew: constants, zeros, bounds, and the first four moments."""
    problems = {name: problem for name, source in checkpoint.tensors.items() for problem in _problems(source, arrays[name])}
    assert problems == {}


_ERRORS = 6.0  # standard errors; one comparison in 500 million is further off by chance, and the seeds are fixed
_FOURTH_MOMENT = {Draw.NORMAL: 3.0, Draw.TRUNCATED_NORMAL: 3.0, Draw.UNIFORM: 1.8}  # of a normal that is cut far out
_MOST = 1_000_000  # values; more take long and tell no more
_FEWEST_FOR_FOURTH = 1000  # from which the standard error, √(24/n), tells 3 from 1.8


def _problems(source: Drawn | Stored, values: npt.NDArray[Any]) -> Iterator[str]:
    if isinstance(source, Stored):
        if not np.array_equal(source.values, values) or source.values.dtype != values.dtype:
            yield f"stored {source.values}, drawn {values}"
        return
    rule, values = _without_zeros(source.initializer, values.astype(np.float64))
    if rule is None:
        yield "the zeros are elsewhere"
        return
    if rule.draw is Draw.CONSTANT or rule.stddev == 0:
        if np.any(values != np.float32(rule.mean)):
            yield f"constant {rule.mean}, drawn {values.ravel()[:3]}"
        return
    bounds, values = rule.bounds, values.ravel()[:_MOST]
    if bounds is not None and (values.min() < bounds[0] - 1e-6 or values.max() > bounds[1] + 1e-6):
        yield f"bounds {bounds}, drawn from {values.min()} to {values.max()}"
    count, mean, stddev = values.size, values.mean(), values.std()
    if abs(mean - rule.mean) > _ERRORS * rule.stddev / math.sqrt(count):
        yield f"mean {rule.mean}, drawn {mean}"
    if abs(stddev - rule.stddev) > _ERRORS * rule.stddev / math.sqrt(2 * count):
        yield f"standard deviation {rule.stddev}, drawn {stddev} ({count} values)"
    fourth = ((values - mean) ** 4).mean() / stddev**4 if count >= _FEWEST_FOR_FOURTH else math.nan
    if abs(fourth - _FOURTH_MOMENT[rule.draw]) > _ERRORS * math.sqrt(24 / count):
        yield f"{rule.draw} with a fourth moment of {_FOURTH_MOMENT[rule.draw]}, drawn {fourth}"


def _without_zeros(initializer: Initializer, values: npt.NDArray[Any]) -> tuple[Distribution | None, npt.NDArray[Any]]:
    """Return the rule and the values of the elements that are drawn. The rule is None if other rows are zero than that of the padding."""
    rule, padding = initializer.rule, []
    if isinstance(rule, WithZeros):
        padding, rule = [(initializer.specification.padding_idx or 0) % len(values)], rule.base
    assert isinstance(rule, Distribution)
    if values.ndim < 2 or rule.draw is Draw.CONSTANT or rule.stddev == 0:
        return rule, values
    zero = np.flatnonzero(~values.any(axis=tuple(range(1, values.ndim)))).tolist()
    return (rule, np.delete(values, zero, axis=0)) if zero == padding else (None, values)
