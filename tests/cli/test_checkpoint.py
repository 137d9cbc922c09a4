"""`weight-init checkpoint` and `weight-init checkpoints`, run as separate processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from safetensors.numpy import load, load_file

COMMAND = [sys.executable, "-m", "service"]
SMALL = ["--set", "n_layer=1", "--set", "n_embd=32", "--set", "n_head=2", "--set", "vocab_size=50", "--set", "n_positions=16"]
MANIFEST = {"tensors": [{"name": "a", "shape": [8, 8]}], "defaults": {"scheme": "he_normal"}, "seed": 3}


def run(*arguments: str | Path, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, env=os.environ | environment, check=False)


def checkpoint(*arguments: str | Path, given: bytes = b"") -> bytes:
    done = run("checkpoint", *arguments, "--quiet", given=given)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout


def refused(*arguments: str | Path) -> str:
    done = run("checkpoint", *arguments)
    assert done.returncode == 2, done.stdout
    assert done.stdout == b""
    return done.stderr.decode()


def test_a_pipe_gets_the_bytes_of_the_service(http: httpx.Client) -> None:
    url = "/checkpoint/gpt2/model.safetensors?n_layer=1&n_embd=32&n_head=2&vocab_size=50&n_positions=16&dtype=bfloat16&seed=5"
    assert checkpoint("gpt2", *SMALL, "--dtype", "bfloat16", "--seed", "5") == http.get(url).content


def test_a_folder_has_the_config_that_makes_the_same_checkpoint(tmp_path: Path) -> None:
    done = run("checkpoint", "gpt2", *SMALL, "-o", tmp_path / "model")
    assert done.stderr.decode() == "gpt2: 16 tensors, 59.5 kB, float32, seed 0\n"
    assert sorted(os.listdir(tmp_path / "model")) == ["config.json", "model.safetensors"]
    content = (tmp_path / "model" / "model.safetensors").read_bytes()
    assert load(checkpoint(tmp_path / "model" / "config.json")).keys() == load(content).keys()
    again = checkpoint(tmp_path / "model")
    assert again == content
    assert checkpoint("-", given=(tmp_path / "model" / "config.json").read_bytes()) == content


def test_a_file_and_a_manifest(tmp_path: Path, http: httpx.Client) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    checkpoint(tmp_path / "manifest.json", "-o", tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == http.post("/checkpoint", json=MANIFEST).content
    other = load(checkpoint(tmp_path / "manifest.json", "--seed", "4", "--dtype", "float16"))
    assert other["a"].tobytes() == http.get("/init?shape=8,8&scheme=he_normal&name=a&seed=4&dtype=float16&format=raw").content


def test_shards_have_an_index(tmp_path: Path) -> None:
    checkpoint("mlp", "--set", "layer_sizes=784,1000,10", "--shard-size", "1MB", "-o", tmp_path)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_bytes())
    found = {name: path.name for path in tmp_path.glob("*.safetensors") for name in load_file(path)}
    assert index["weight_map"] == found
    assert len(set(found.values())) == 2


@pytest.mark.slow
def test_a_killed_run_leaves_no_checkpoint_and_goes_on(tmp_path: Path) -> None:
    arguments = ["gpt2", "--set", "n_layer=4", "--shard-size", "30MB", "--quiet", "-o", str(tmp_path)]
    process = subprocess.Popen([*COMMAND, "checkpoint", *arguments])
    while not list(tmp_path.glob("model-*.safetensors")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    process.wait()
    whole = sorted(path.name for path in tmp_path.iterdir())
    assert process.returncode == 0 or not ({"config.json", "model.safetensors.index.json"} & set(whole))
    assert all(name.startswith("model-") for name in whole) or process.returncode == 0
    first = next(tmp_path.glob("model-*.safetensors"))
    written = first.stat().st_mtime_ns
    done = run("checkpoint", *arguments[:-3], "-o", tmp_path)
    assert done.returncode == 0
    assert "files were there" in done.stderr.decode()
    assert first.stat().st_mtime_ns == written
    assert (tmp_path / "config.json").exists()


def test_a_dry_run_prints_the_rules_and_writes_nothing(tmp_path: Path) -> None:
    summary: dict[str, Any] = json.loads(checkpoint("gpt2", "--dry-run", "-o", tmp_path / "model"))
    assert summary["parameters"] == 124_439_808
    assert summary["rules"][0]["match"] == "*.c_proj.weight"
    assert not (tmp_path / "model").exists()


def test_the_list_has_the_largest_model() -> None:
    presets = json.loads(run("checkpoints").stdout)["presets"]
    assert max(presets, key=lambda row: int(row["parameters"]))["name"] == "llama-3-405b"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gtp2"], "Did you mean 'gpt2'"),
        (["gpt2", "--set", "n_layers=2"], "Did you mean 'n_layer'"),
        (["gpt2", "--set", "n_layer"], "set: expected FIELD=VALUE; received 'n_layer'"),
        (["gpt2", "--set", "n_head=7"], "a divisor of n_embd 768"),
        (["gpt2", "--set", "n_layer=1", "--set", "n_layer=2"], "n_layer: expected each field once"),
        (["gpt2", "--dtype", "int8"], "dtype: expected the name of a dtype"),
        (["gpt2", "--seed", "x"], "seed: expected an integer"),
        (["gpt2", "--variant", "mine"], "variant: expected the name of a"),
        (["gpt2", "--shard-size", "5"], "shard_size: expected a size"),
    ],
)
def test_a_mistake_is_named(arguments: list[str], message: str) -> None:
    assert message in refused(*arguments)


def test_a_missing_file_and_a_broken_one(tmp_path: Path) -> None:
    assert "expected a preset, or a file that exists" in refused(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    assert "expected valid JSON" in refused(tmp_path / "broken.json")
    (tmp_path / "other.json").write_text('{"model_type": "mamba9"}')
    assert "weight-init manifest --from-transformers" in refused(tmp_path / "other.json")
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    assert "expected a preset or a config.json, which has this field" in refused(tmp_path / "manifest.json", "--set", "n_layer=2")


def test_a_folder_of_another_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoint("gpt2", *SMALL, "-o", tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    assert "--force" in refused("gpt2", *SMALL, "--seed", "1", "-o", tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    checkpoint("gpt2", *SMALL, "--seed", "1", "-o", tmp_path, "--force")
    assert (tmp_path / "model.safetensors").read_bytes() != before
