"""The clients of the Hugging Face Hub take untrained models from the service, with nothing but HF_ENDPOINT set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.models import hub_client
from tests.models.cutting import cutting
from tests.serving import serving

# Interpreters beside which a version of huggingface_hub is installed.
CLIENTS = [sys.executable, *os.environ.get("HUB_CLIENTS", "").split()]
FILES = ["README.md", "config.json", "manifest.json", "model.safetensors"]
CONFIG = "n_layer=2,n_head=2,n_embd=32,vocab_size=100,n_positions=32"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(Settings()) as address:
        yield address


def environment(url: str, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {**kept, "HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def run(client: str, task: str, url: str, home: Path) -> Any:
    command = [client, str(Path(hub_client.__file__)), task]
    done = subprocess.run(command, env=environment(url, home), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_snapshot_has_every_file(client: str, url: str, tmp_path: Path) -> None:
    digests = run(client, "snapshot", url, tmp_path)
    assert sorted(digests) == FILES
    assert run(client, "snapshot", url, tmp_path) == digests, "from the cache"
    assert run(client, "snapshot", url, tmp_path / "other") == digests, "again"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_file_is_cached_under_its_commit(client: str, url: str, tmp_path: Path) -> None:
    api = f"{url}/api/models/{hub_client.REPOSITORY}/revision/{hub_client.REVISION}"
    assert run(client, "commit", url, tmp_path) == httpx.get(api).json()["sha"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_download_that_is_cut_off_goes_on_where_it_was(client: str, url: str, tmp_path: Path) -> None:
    whole = run(client, "large_file", url, tmp_path / "whole")
    with cutting(url, after_bytes=12_000_000) as proxy:
        assert run(client, "large_file", proxy.url, tmp_path / "cut") == whole
    assert proxy.has_cut
    assert any("range: bytes=10485760-" in request.casefold() for request in proxy.requests), "the rest is asked for, not everything again"


@pytest.mark.parametrize("client", CLIENTS)
def test_the_headers_of_a_model_of_terabytes_are_read(client: str, url: str, tmp_path: Path) -> None:
    assert run(client, "headers", url, tmp_path) == {"files": 381, "parameters": 405_853_388_800}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_repository_is_a_file_system(client: str, url: str, tmp_path: Path) -> None:
    content = httpx.get(f"{url}/checkpoint/gpt2/model.safetensors", headers={"Range": "bytes=100000000-100000015"})
    found = run(client, "file_system", url, tmp_path)
    assert found["names"] == FILES
    assert found["bytes"] == content.content.hex()
    assert content.headers["Content-Range"].endswith(f"/{found['size']}")


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_learn_what_exists(client: str, url: str, tmp_path: Path) -> None:
    assert run(client, "existence", url, tmp_path) == [True, True, False, False, False, False]


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_learn_what_was_wrong(client: str, url: str, tmp_path: Path) -> None:
    assert run(client, "errors", url, tmp_path) == ["RepositoryNotFoundError", "EntryNotFoundError", "RevisionNotFoundError"]


def test_the_command_downloads_a_model(url: str, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("hf")), "download", "weight-init/lenet5", "--local-dir", str(tmp_path / "lenet5")]
    done = subprocess.run(command, env=environment(url, tmp_path), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "lenet5/model.safetensors").read_bytes()
    assert content == httpx.get(f"{url}/checkpoint/lenet5/model.safetensors").content


_FROM_PRETRAINED = f"""
import sys
from tests.models import operators
from transformers import AutoModelForCausalLM
model, loading = AutoModelForCausalLM.from_pretrained("weight-init/gpt2", revision="seed=7,{CONFIG}", output_loading_info=True)
assert not any(loading.values()), loading
print(model.transformer.wte.weight[0, 0].numpy(force=True), model.config.n_layer)
"""


def test_transformers_loads_a_model(url: str, tmp_path: Path) -> None:
    """The cache is cold at first and warm at the second time, when the service is asked for no file."""
    printed = []
    for _ in range(2):
        command = [sys.executable, "-c", _FROM_PRETRAINED]
        done = subprocess.run(command, env=environment(url, tmp_path), capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    config = CONFIG.replace(",", "&")
    expected = httpx.get(f"{url}/checkpoint/gpt2?tensor=transformer.wte.weight&format=json&slice=0,0&seed=7&{config}").json()["data"]
    assert printed == [f"{expected} 2\n"] * 2
