"""Downloads models with huggingface_hub, of whatever version is installed beside the interpreter. Prints what it got as JSON.

HF_ENDPOINT and HF_HOME are in the environment. The argument is the name of one of the functions below.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import huggingface_hub as hub
from huggingface_hub.utils import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

REPOSITORY = "weight-init/gpt2"
REVISION = "seed=7,n_layer=2,n_head=2,n_embd=32,vocab_size=100"


def snapshot() -> dict[str, str]:
    """Download a repository. Return the SHA-256 of each file."""
    folder = Path(hub.snapshot_download(REPOSITORY, revision=REVISION))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def commit() -> str:
    """Return the folder in the cache, which has the name of the commit."""
    return Path(hub.hf_hub_download(REPOSITORY, "config.json", revision=REVISION)).parent.name


def large_file() -> str:
    """Download a file of 17 MB. Return its SHA-256.

    Version 0.36 fails if the connection is cut off, and goes on at the next call. Later ones go on by themselves.
    """
    asked = {"repo_id": "weight-init/lenet5", "filename": "model.safetensors", "revision": "num_classes=50000"}
    try:
        path = hub.hf_hub_download(**asked)
    except OSError:
        path = hub.hf_hub_download(**asked)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def headers() -> dict[str, int]:
    """Return the numbers of files and of parameters of a model of 1.6 TB, from the headers of its files."""
    found = hub.get_safetensors_metadata("weight-init/llama-3-405b")
    return {"files": len(found.files_metadata), "parameters": sum(found.parameter_count.values())}


def file_system() -> dict[str, Any]:
    """Read parts of a repository as a file system."""
    files = hub.HfFileSystem()
    path = f"{REPOSITORY}/model.safetensors"
    return {
        "names": sorted(name.rpartition("/")[2] for name in files.ls(REPOSITORY, detail=False)),
        "size": files.info(path)["size"],
        "bytes": files.read_block(path, 100_000_000, 16).hex(),
    }


def existence() -> list[bool]:
    """Return whether some things exist: the first two do."""
    api = hub.HfApi()
    return [
        api.file_exists(REPOSITORY, "config.json"),
        api.revision_exists(REPOSITORY, REVISION),
        api.file_exists(REPOSITORY, "adapter_config.json"),
        api.revision_exists(REPOSITORY, "master"),
        api.repo_exists("openai/gpt2"),
        api.repo_exists("gpt2"),
    ]


def errors() -> list[str]:
    """Return the names of the errors for a missing repository, a missing file and a wrong revision."""
    wrong = [("gpt2", "config.json", "main"), (REPOSITORY, "none", "main"), (REPOSITORY, "config.json", "n_layr=2")]
    kinds = (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError)
    found = []
    for repository, file_name, revision in wrong:
        try:
            hub.hf_hub_download(repository, file_name, revision=revision)
        except kinds as error:
            found.append(next(kind.__name__ for kind in kinds if isinstance(error, kind)))
    return found


if __name__ == "__main__":
    function = {task.__name__: task for task in (snapshot, commit, large_file, headers, file_system, existence, errors)}[sys.argv[1]]
    print(json.dumps(function()))
