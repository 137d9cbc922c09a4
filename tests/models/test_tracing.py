"""Tracing: what the code of a model does to its tensors, found without memory for them."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from service.checkpoints.checkpoint import Checkpoint, Drawn, checkpoint_of
from service.checkpoints.presets import Model
from service.checkpoints.tracing.models import trace_module
from service.checkpoints.tracing.sources import Traced, _library, from_safetensors, from_timm, from_torch, from_transformers
from service.contract.answer import Limits
from service.core.errors import InvalidValue, UnknownName, Unsupported
from tests.models.test_presets import TRANSFORMERS, assert_drawn_alike, built, shapes

LIMITS = Limits()


def traced(build: Callable[[nn.Module], object], *shape: int, buffer: bool = False) -> dict[str, Any]:
    """Return the fields of one parameter of this shape, which `build` initializes as the attribute `w`."""

    class Owner(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.empty(shape))
            with torch.no_grad():
                build(self)

    result = trace_module(Owner, {})
    (entry,) = result.entries
    assert entry.pop("name") == "w"
    assert entry.pop("shape") == list(shape)
    return dict(entry)


def opened(result: Traced) -> Checkpoint:
    assert result.untraced == []
    return checkpoint_of(result.manifest, LIMITS)


# what a call does to a tensor


@pytest.mark.parametrize(
    ("build", "fields"),
    [
        (lambda m: nn.init.normal_(m.w, std=0.02), {"scheme": "normal", "stddev": 0.02}),
        (lambda m: nn.init.normal_(m.w, 1.0, 0.5), {"scheme": "normal", "mean": 1.0, "stddev": 0.5}),
        (lambda m: nn.init.uniform_(m.w, -1, 2), {"scheme": "uniform", "low": -1.0, "high": 2.0}),
        (lambda m: nn.init.zeros_(m.w), {"scheme": "zeros"}),
        (lambda m: nn.init.ones_(m.w), {"scheme": "ones"}),
        (lambda m: nn.init.constant_(m.w, 0.1), {"scheme": "constant", "value": 0.1}),
        (lambda m: nn.init.xavier_uniform_(m.w, gain=2.0), {"scheme": "torch.nn.init.xavier_uniform_", "gain": 2.0}),
        (lambda m: nn.init.kaiming_normal_(m.w, mode="fan_out", nonlinearity="relu"),
         {"scheme": "torch.nn.init.kaiming_normal_", "mode": "fan_out"}),
        (lambda m: nn.init.kaiming_normal_(m.w, nonlinearity="linear"), {"scheme": "normal", "stddev": 1 / math.sqrt(8)}),
        (lambda m: nn.init.trunc_normal_(m.w, std=0.02), {"scheme": "torch.nn.init.trunc_normal_", "stddev": 0.02}),
        (lambda m: nn.init.trunc_normal_(m.w, 0.0, 1.0, -3.0, 3.0),
         {"scheme": "torch.nn.init.trunc_normal_", "stddev": 1.0, "low": -3.0, "high": 3.0}),
        (lambda m: nn.init.orthogonal_(m.w), {"scheme": "torch.nn.init.orthogonal_"}),
        (lambda m: nn.init.sparse_(m.w, 0.5), {"scheme": "torch.nn.init.sparse_", "sparsity": 0.5, "stddev": 0.01}),
        (lambda m: nn.init.eye_(m.w), {"scheme": "torch.nn.init.eye_"}),
        (lambda m: m.w.normal_(0, 0.3), {"scheme": "normal", "stddev": 0.3}),
        (lambda m: m.w.data.uniform_(-0.1, 0.1), {"scheme": "uniform", "low": -0.1, "high": 0.1}),
        (lambda m: m.w.fill_(2), {"scheme": "constant", "value": 2.0}),
        (lambda m: m.w.copy_(torch.randn(6, 8) * 0.5), {"scheme": "normal", "stddev": 0.5}),
        (lambda m: setattr(m, "w", nn.Parameter(torch.rand(6, 8) * 2 - 1)), {"scheme": "uniform", "low": -1.0, "high": 1.0}),
        (lambda m: setattr(m, "w", nn.Parameter(torch.full((6, 8), 7.0))), {"scheme": "constant", "value": 7.0}),
        (lambda m: nn.init.normal_(m.w).mul_(0.02).add_(1.0), {"scheme": "normal", "mean": 1.0, "stddev": 0.02}),
        (lambda m: nn.init.normal_(m.w).div_(math.sqrt(4.0)), {"scheme": "normal", "stddev": 0.5}),
        (lambda m: nn.init.uniform_(m.w, 0, 1).neg_(), {"scheme": "uniform", "low": -1.0, "high": 0.0}),
        (lambda m: nn.init.ones_(m.w).mul_(torch.tensor(3.0)), {"scheme": "constant", "value": 3.0}),
        (lambda m: m.w.copy_(torch.log(torch.arange(1, 9).float()).repeat(6, 1)), {"scheme": "mamba_a_log"}),
        (lambda m: m.w.copy_(torch.empty(6, 8).uniform_(1, 16).log()), {"scheme": "mamba2_a_log", "low": 1.0, "high": 16.0}),
    ],
)  # fmt: skip
def test_the_last_whole_write_is_the_rule(build: Callable[[nn.Module], object], fields: dict[str, Any]) -> None:
    def over_something_else(module: nn.Module) -> None:
        nn.init.normal_(module.w, std=123.0)
        build(module)

    found = traced(over_something_else, 6, 8)
    assert found.keys() == fields.keys()
    for name, value in fields.items():
        assert found[name] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)


def test_timm_truncates_with_its_own_code() -> None:
    from timm.layers import trunc_normal_tf_

    found = traced(lambda m: trunc_normal_tf_(m.w, std=0.02), 6, 8)
    assert found == {"scheme": "torch.nn.init.trunc_normal_", "stddev": 0.02, "low": -0.04, "high": 0.04}


def test_a_zero_row_of_a_table_is_kept() -> None:
    result = trace_module(lambda: nn.Embedding(1000, 8, padding_idx=3), {})
    drawn = {"scheme": "normal", "stddev": 1.0, "layer": "embedding", "padding_idx": 3}
    assert result.entries == [{"name": "weight", "shape": [1000, 8], **drawn}]


def test_small_values_are_stored_and_integers_too() -> None:
    assert traced(lambda m: m.w.copy_(torch.tensor([[1.0, 2.0], [3.0, 5.0]])), 2, 2) == {"dtype": "float32", "values": [1.0, 2.0, 3.0, 5.0]}
    result = trace_module(lambda: nn.BatchNorm1d(4), {})
    assert result.entries[-1] == {"name": "num_batches_tracked", "shape": [], "dtype": "int64", "values": [0]}


def test_a_part_that_is_written_later_is_in_the_values() -> None:
    assert traced(lambda m: nn.init.zeros_(m.w)[1].fill_(2.0), 2, 2)["values"] == [0.0, 0.0, 2.0, 2.0]


@pytest.mark.parametrize(
    "build",
    [
        lambda m: None,  # never written
        lambda m: m.w[:3].normal_(),  # written in part
        lambda m: nn.init.normal_(m.w).pow_(2),  # a draw that no scheme has
        lambda m: nn.init.normal_(m.w)[:3].mul_(2.0),  # scaled in part
        lambda m: nn.init.normal_(m.w).mul_(torch.rand(6, 8)),
        lambda m: m.w.bernoulli_(0.5),
        lambda m: nn.init.normal_(m.w).copy_(torch.randperm(48).reshape(6, 8)),
        lambda m: nn.init.normal_(m.w).clamp_(-1, 1),  # clamped, which is not truncated
        lambda m: torch._foreach_mul_([nn.init.normal_(m.w)], 0.5),
        lambda m: torch.mul(torch.ones(6, 8), 3, out=nn.init.normal_(m.w).data),  # written, but not the first operand
        lambda m: m.w.copy_(torch.randn(8)),  # rows that are equal are not independent
        lambda m: m.w.copy_(torch.randn(1, 8).expand(6, 8)),
        lambda m: m.w.copy_(torch.randn(1, 8).repeat(6, 1)),
        lambda m: m.w.copy_(torch.stack([torch.randn(8)] * 6)),
        lambda m: m.w.copy_(torch.index_select(torch.randn(3, 8), 0, torch.tensor([0, 0, 1, 1, 2, 2]))),
        lambda m: nn.init.orthogonal_(m.w.t()),  # whose columns, not rows, are then those of a basis
        lambda m: m.w.copy_(torch.from_numpy(np.random.randn(6, 8))),
        lambda m: m.w.copy_(torch.from_numpy(np.random.default_rng().normal(size=(6, 8)))),
        lambda m: m.w.fill_(random.random()),
    ],
)
def test_what_no_scheme_draws_is_named(build: Callable[[nn.Module], object]) -> None:
    assert traced(build, 6, 8) == {}


@pytest.mark.parametrize(
    ("build", "shape", "fields"),
    [
        (lambda m: nn.init.kaiming_uniform_(m.w.t(), a=math.sqrt(5)), (4, 9), {"scheme": "uniform", "low": -0.5, "high": 0.5}),
        (lambda m: nn.init.kaiming_normal_(m.w.view(6, 8), nonlinearity="linear"), (48,), {"scheme": "normal", "stddev": 8**-0.5}),
        (lambda m: nn.init.kaiming_normal_(m.w.view(6, 8)), (48,), {"scheme": "normal", "stddev": 0.5}),
    ],
)
def test_fans_are_those_of_the_shape_that_was_drawn(
    build: Callable[[nn.Module], object], shape: tuple[int, ...], fields: dict[str, Any]
) -> None:
    found = traced(build, *shape)
    assert found == {name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value for name, value in fields.items()}


def test_a_part_is_what_was_last_written_over_it() -> None:
    class Parts(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            table = torch.empty(1200, 1024)  # too large to compute
            nn.init.normal_(table)
            table[0].uniform_(0, 1)
            table[:2].fill_(5.0)
            table[:, :512].normal_(std=0.1)
            self.covered, self.beside = nn.Parameter(table[0]), nn.Parameter(table[:, 512:])
            self.left = nn.Parameter(table[:, :512])

    result = trace_module(Parts, {})
    assert result.untraced == ["covered", "beside"]
    assert result.entries[2] == {"name": "left", "shape": [1200, 512], "scheme": "normal", "stddev": 0.1}


def test_a_causal_mask_of_infinities_does_not_stop_the_trace() -> None:
    def build(module: nn.Module) -> None:
        module.mask = torch.full((4, 4), float("-inf")).triu(1)
        module.register_buffer("bias", torch.full((2,), float("-inf")))
        nn.init.ones_(module.w)

    class Masked(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.empty(3))
            build(self)

    result = trace_module(Masked, {})
    assert result.entries[0] == {"name": "w", "shape": [3], "scheme": "ones"}
    assert result.untraced == ["bias"]  # JSON has no infinity


def test_what_numpy_draws_from_a_seed_is_computed() -> None:
    def build(module: nn.Module) -> None:
        module.w.copy_(torch.from_numpy(np.random.default_rng(0).normal(size=(6, 8))))

    assert traced(build, 6, 8)["values"] == pytest.approx(np.random.default_rng(0).normal(size=48), rel=1e-6)


@pytest.mark.parametrize(("order", "reach_base"), [("alternating", False), ("halves", False), ("halves", True)])
def test_sinusoids_are_recognised(order: str, reach_base: bool) -> None:
    def build(module: nn.Module) -> None:
        position, half = torch.arange(100, dtype=torch.float32)[:, None], 8
        angles = position * torch.exp(torch.arange(half) * (-math.log(10000.0) / (half - 1 if reach_base else half)))
        if order == "halves":
            codes = torch.cat([angles.sin(), angles.cos()], dim=1)
        else:
            codes = torch.zeros(100, 16)
            codes[:, 0::2], codes[:, 1::2] = angles.sin(), angles.cos()
        module.w.copy_(codes)

    found = traced(build, 100, 16)
    assert (found["scheme"], found.get("order", "alternating"), found.get("reach_base", False)) == ("sinusoidal", order, reach_base)


def test_tied_weights_are_stored_once() -> None:
    class Tied(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(50, 8)
            self.head = nn.Linear(8, 50, bias=False)
            self.head.weight = self.table.weight

    result = trace_module(Tied, {})
    assert [entry["name"] for entry in result.entries] == ["table.weight"]
    assert result.tied == {"head.weight": "table.weight"}


def test_a_large_model_takes_no_memory() -> None:
    result = trace_module(lambda: nn.Linear(1 << 20, 1 << 20), {})  # 4 TiB
    assert result.entries[0]["scheme"] == "torch.nn.init.kaiming_uniform_"


def test_torch_is_as_before_afterwards() -> None:
    before = nn.init.kaiming_uniform_
    with pytest.raises(Unsupported, match="ZeroDivisionError"):
        trace_module(lambda: 1 / 0, {})
    assert nn.init.kaiming_uniform_ is before
    assert nn.Linear(2, 2).weight.device.type == "cpu"


# the libraries


@pytest.mark.parametrize(("model_type", "fields"), TRANSFORMERS)
def test_every_preset_is_the_trace_of_its_library(model_type: str, fields: dict[str, Any]) -> None:
    preset = Model.of_config({"model_type": model_type, **fields}, {})
    ours, theirs = checkpoint_of(preset.manifest(10_000), LIMITS), opened(from_transformers(preset.config))
    assert shapes_of(ours) == shapes_of(theirs)
    assert ours.tied == theirs.tied
    assert {name: (a, b) for name, (a, b) in rules_of(ours, theirs).items() if not same(a, b)} == {}


TORCHVISION = [
    ("resnet18", {"num_classes": 10}), ("resnet50", {"num_classes": 3, "zero_init_residual": True}),
    ("alexnet", {}), ("alexnet", {"num_classes": 10}), ("vgg11", {}), ("vgg11_bn", {"num_classes": 10}),
    ("vit_b_16", {"image_size": 64, "num_classes": 10}), ("vit_b_32", {}),
]  # fmt: skip


@pytest.mark.parametrize(("preset", "fields"), TORCHVISION)
def test_every_preset_is_the_trace_of_torchvision(preset: str, fields: dict[str, Any]) -> None:
    ours = checkpoint_of(Model.of(preset, fields).manifest(10_000), LIMITS)
    theirs = opened(from_torch(f"torchvision.models:{preset}", fields))
    assert shapes_of(ours) == shapes_of(theirs)
    assert list(ours.tensors) == list(theirs.tensors)
    assert {name: (a, b) for name, (a, b) in rules_of(ours, theirs).items() if not same(a, b)} == {}


def shapes_of(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    return {name: source.row.shape for name, source in checkpoint.tensors.items()}


def rules_of(*checkpoints: Checkpoint) -> dict[str, list[Any]]:
    first, _ = checkpoints
    return {name: [_rule(checkpoint, name) for checkpoint in checkpoints] for name in first.tensors}


def _rule(checkpoint: Checkpoint, name: str) -> Any:
    """Return the mathematics of a tensor: the facts of its rule, or its values."""
    source = checkpoint.tensors[name]
    return source.initializer.rule.facts if isinstance(source, Drawn) else source.values.tolist()


def same(one: Any, other: Any) -> bool:
    """Compare facts; numbers to nine digits, since a gain is rounded to ten before it is used."""
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


MAMBA = ("mamba", {"hidden_size": 64, "state_size": 8, "num_hidden_layers": 2, "vocab_size": 100, "architectures": ["MambaForCausalLM"]})
DRAWN = [row for row in TRANSFORMERS if row[0] in ("gpt2", "t5", "resnet", "vit", "mixtral", "bert", "llama")]


@pytest.mark.parametrize(("model_type", "fields"), DRAWN)
def test_a_traced_model_is_drawn_as_the_library_draws_it(tmp_path: Path, model_type: str, fields: dict[str, Any]) -> None:
    """Compares names, shapes and moments with what the library itself draws and saves."""
    import transformers

    model = built(transformers, model_type, fields)
    model.save_pretrained(tmp_path)
    saved, checkpoint = load_file(tmp_path / "model.safetensors"), opened(from_transformers(tmp_path))
    assert shapes_of(checkpoint) == shapes(saved)
    assert_drawn_alike(checkpoint, saved)


def test_mamba_is_drawn_as_the_library_draws_it(tmp_path: Path) -> None:
    """The steps of Mamba are drawn on a logarithmic scale, and its decays are computed."""
    import transformers

    torch.manual_seed(0)
    model = transformers.MambaForCausalLM(transformers.AutoConfig.for_model(MAMBA[0], **MAMBA[1]))
    model.save_pretrained(tmp_path)
    saved, checkpoint = load_file(tmp_path / "model.safetensors"), opened(from_transformers(tmp_path))
    assert shapes_of(checkpoint) == shapes(saved)
    others = {name: source for name, source in checkpoint.tensors.items() if not name.endswith(("A_log", "dt_proj.bias"))}
    assert_drawn_alike(Checkpoint(checkpoint.manifest, others, ()), saved)
    for name in saved:
        if name.endswith("A_log"):
            np.testing.assert_allclose(saved[name], np.broadcast_to(np.log(np.arange(1, 9)), saved[name].shape), rtol=1e-6)
        if name.endswith("dt_proj.bias"):
            steps = np.log1p(np.exp(saved[name].astype(np.float64)))  # softplus, whose logarithm is uniform
            mean, stddev = math.log(1e-2), math.log(100) / math.sqrt(12)
            assert abs(np.log(steps).mean() - mean) < 6 * stddev / math.sqrt(steps.size)
            assert checkpoint.request(name).scheme == "mamba_dt_bias"


def test_names_are_those_on_disk_and_the_largest_model_takes_seconds() -> None:
    result = from_transformers(Model.of("llama-3-70b", {}).config)
    assert len(result.entries) == 723
    assert len(result.manifest["rules"]) <= 12
    assert opened(result).digest == checkpoint_of(Model.of("llama-3-70b", {}).manifest(10_000), LIMITS).digest


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18", "convnext_tiny", "swin_tiny_patch4_window7_224", "mixer_b16_224"])
def test_models_of_timm_are_traced(name: str) -> None:
    assert len(opened(from_timm(name, {"num_classes": 10})).tensors) > 100


@pytest.mark.parametrize("name", ["convnext_tiny", "efficientnet_b0", "swin_t", "mobilenet_v3_small", "densenet121", "regnet_y_400mf"])
def test_models_of_torchvision_are_traced(name: str) -> None:
    assert len(opened(from_torch(f"torchvision.models:{name}", {})).tensors) > 100


def test_a_file_gives_names_and_shapes(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    tensors = {"b": torch.zeros(3, 2), "a": torch.zeros(4, dtype=torch.bfloat16), "i": torch.zeros(1, dtype=torch.int64)}
    save_file(tensors, tmp_path / "m.safetensors")
    result = from_safetensors(tmp_path / "m.safetensors")
    assert sorted(result.manifest["tensors"], key=lambda row: str(row["name"])) == [
        {"name": "a", "shape": [4], "dtype": "bfloat16"},
        {"name": "b", "shape": [3, 2]},
        {"name": "i", "shape": [1], "dtype": "int64"},  # whose values have to be given
    ]
    (tmp_path / "other").write_bytes(b"\x93NUMPY" + b"0" * 100)
    with pytest.raises(InvalidValue, match="a safetensors file"):
        from_safetensors(tmp_path / "other")


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (lambda: from_torch("torchvision.models", {}), InvalidValue, "package.module:function"),
        (lambda: from_torch("torchvision.models:resnet19", {}), InvalidValue, "resnet19"),
        (lambda: from_torch("nowhere:model", {}), InvalidValue, "nowhere"),
        (lambda: from_torch("math:pi", {}), InvalidValue, "a function or a class"),
        (lambda: from_torch("math:sqrt", {}), Unsupported, "TypeError"),
        (lambda: from_torch("builtins:dict", {}), Unsupported, "torch.nn.Module"),
        (lambda: from_timm("vit_tiny_patch16_225", {}), UnknownName, "vit_tiny_patch16_224"),
        (lambda: from_transformers({"model_type": "gpt5"}), UnknownName, "gpt"),
        (lambda: from_transformers({"model_type": "gpt2", "architectures": ["Mine"]}), Unsupported, "a class of transformers"),
    ],
)
def test_a_wrong_source_is_named(source: Callable[[], Traced], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        source()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import absent_library", "cannot import absent_library. Install what tracing needs: pip install 'weight-init\\[trace\\]'"),
        ("raise RuntimeError('operator does not exist')", "cannot import broken_timm: RuntimeError: operator does not exist"),
    ],
)
def test_a_library_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str) -> None:
    (tmp_path / "broken_timm.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=message):
        _library("broken_timm")


# the command

LAUNCHER = "import tests.models.operators; from service.cli import main; main()"


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    program = f"import sys; sys.path.insert(0, {root!r}); {LAUNCHER}"
    return subprocess.run([sys.executable, "-c", program, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_writes_a_manifest_that_makes_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import torch\ndef model(width):\n    return torch.nn.Linear(width, 2)\n")
    done = command("manifest", "--from-torch", "mine:model", "--args", '{"width": 8}', "--seed", "5", "-o", "m.json", folder=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (0, "2 tensors, 2 rules, 0 tied")
    assert json.loads((tmp_path / "m.json").read_text())["seed"] == 5
    assert command("checkpoint", "m.json", "-o", "m.safetensors", folder=tmp_path).returncode == 0
    assert load_file(tmp_path / "m.safetensors")["weight"].shape == (2, 8)


def test_an_untraced_tensor_is_named_and_the_status_is_three(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import torch\nclass Model(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.scale = torch.nn.Parameter(torch.randn(3, 3).exp())\n        self.layer = torch.nn.Linear(3, 3)\n"
    )
    done = command("manifest", "--from-torch", "mine:Model", folder=tmp_path)
    assert done.returncode == 3
    assert "1 of 3 tensors: nothing says how they are drawn: scale" in done.stderr
    assert {row["name"] for row in json.loads(done.stdout)["tensors"]} == {"scale", "layer.weight", "layer.bias"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected one of --from-transformers"),
        (["--from-timm", "x", "--from-torch", "y:z"], "received 'from-torch, from-timm'"),
        (["--from-torch", "torch.nn:Linear", "--args", "[1]"], "a JSON object"),
        (["--from-transformers", "broken.json"], "the JSON object of a config.json"),
        (["--from-transformers", "missing.json"], "the JSON object of a config.json"),
        (["--from-safetensors", "missing.safetensors"], "a safetensors file"),
        (["--from-safetensors", "."], "a safetensors file"),
        (["--from-torch", "torch.nn:Linear", "--seed", "-1"], "an integer from 0 to 2^64 - 1"),
        (["--from-torch", "torch.nn:Linear", "--dtype", "int7"], "the name of a dtype"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "broken.json").write_text("{")
    done = command("manifest", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
