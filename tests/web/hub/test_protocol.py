"""What the clients of the Hugging Face Hub need of each answer. tests/models/test_hub.py runs the clients themselves."""

from __future__ import annotations

import hashlib
import re

import httpx
import pytest

from service.checkpoints.opening import open_checkpoint
from service.checkpoints.request import request_from_object
from service.contract.answer import Limits
from service.settings import Settings
from service.web.hub.repositories import Repository
from service.web.hub.routes import hub_headers
from tests.serving import serving

REPOSITORY = "/api/models/weight-init/lenet5"
FILES = "/weight-init/lenet5/resolve"
FIELDS = "seed=7,dtype=bfloat16,num_classes=3"


def commit(http: httpx.Client, revision: str = "main") -> str:
    return str(http.get(f"{REPOSITORY}/revision/{revision}").json()["sha"])


def fail(response: httpx.Response, code: str, text: str) -> None:
    assert response.status_code == 404
    assert response.headers["X-Error-Code"] == code
    assert text in response.headers["X-Error-Message"]
    assert response.headers["Cache-Control"] == "no-store"


def test_the_head_of_a_file_has_what_clients_need(http: httpx.Client) -> None:
    response = http.head(f"{FILES}/main/model.safetensors", headers={"Accept-Encoding": "identity"})
    assert response.status_code == 200
    assert re.fullmatch("[0-9a-f]{40}", response.headers["X-Repo-Commit"])
    assert response.headers["Content-Length"] == str(len(http.get(f"{FILES}/main/model.safetensors").content))
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "X-Xet-Hash" not in response.headers


def test_etags_are_file_names_and_no_digests_that_a_client_would_check(http: httpx.Client) -> None:
    for entry in http.get(f"{REPOSITORY}/tree/main").json():
        etag = http.head(f"{FILES}/main/{entry['path']}").headers["ETag"]
        assert re.fullmatch('"[0-9a-f]{32}"|"[0-9a-f]{40}"', etag), "64 digits would be taken for the SHA-256 of the content"


def test_the_bytes_are_those_of_the_checkpoint(http: httpx.Client) -> None:
    expected = http.get("/checkpoint/lenet5/model.safetensors?seed=7&dtype=bfloat16&num_classes=3").content
    assert http.get(f"{FILES}/{FIELDS}/model.safetensors").content == expected
    assert http.get(f"{FILES}/{FIELDS.replace('=', '%3D').replace(',', '%2C')}/model.safetensors").content == expected


def test_a_commit_is_a_revision_with_the_same_bytes(http: httpx.Client) -> None:
    digits = commit(http, FIELDS)
    by_name, by_commit = (http.get(f"{FILES}/{revision}/model.safetensors") for revision in (FIELDS, digits))
    assert by_name.content == by_commit.content
    assert http.get(f"{FILES}/{FIELDS}/README.md").content == http.get(f"{FILES}/{digits}/README.md").content
    assert by_name.headers["X-Repo-Commit"] == by_commit.headers["X-Repo-Commit"] == digits


def test_main_is_seed_0(http: httpx.Client) -> None:
    assert commit(http) == commit(http, "seed=0") == commit(http, "dtype=float32,seed=0")
    assert commit(http) != commit(http, "seed=1")


@pytest.mark.parametrize("file", ["config.json", "README.md", "manifest.json", "model.safetensors"])
def test_a_part_of_any_file_can_be_asked_for(http: httpx.Client, file: str) -> None:
    whole = http.get(f"{FILES}/main/{file}").content
    part = http.get(f"{FILES}/main/{file}", headers={"Range": "bytes=0-0"})
    assert part.status_code == 206
    assert part.headers["Content-Range"] == f"bytes 0-0/{len(whole)}"
    assert part.content == whole[:1]
    assert part.headers["X-Repo-Commit"] == commit(http)
    rest = http.get(f"{FILES}/main/{file}", headers={"Range": "bytes=5-"})
    assert part.content + whole[1:5] + rest.content == whole


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_client_that_has_the_file_is_told_so(http: httpx.Client, file: str) -> None:
    etag = http.head(f"{FILES}/main/{file}").headers["ETag"]
    response = http.get(f"{FILES}/main/{file}", headers={"If-None-Match": etag})
    assert response.status_code == 304
    assert response.headers["X-Repo-Commit"] == commit(http)


def test_the_listings_agree_with_the_files(http: httpx.Client) -> None:
    entries = http.get(f"{REPOSITORY}/tree/main").json()
    siblings = http.get(REPOSITORY).json()["siblings"]
    assert [entry["path"] for entry in entries] == [sibling["rfilename"] for sibling in siblings]
    for entry in entries:
        assert entry["type"] == "file"
        assert entry["size"] == int(http.head(f"{FILES}/main/{entry['path']}").headers["Content-Length"])
        assert re.fullmatch("[0-9a-f]{40}", entry["oid"])


def test_the_oid_of_a_document_is_the_one_of_git(http: httpx.Client) -> None:
    content = http.get(f"{FILES}/main/config.json").content
    (oid,) = [entry["oid"] for entry in http.get(f"{REPOSITORY}/tree/main").json() if entry["path"] == "config.json"]
    assert oid == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def test_files_are_described_by_their_paths(http: httpx.Client) -> None:
    described = http.post(f"{REPOSITORY}/paths-info/main", data={"paths": ["config.json", "none"], "expand": "false"}).json()
    assert described == [entry for entry in http.get(f"{REPOSITORY}/tree/main").json() if entry["path"] == "config.json"]
    assert http.post(f"{REPOSITORY}/paths-info/main", json={"paths": ["config.json"]}).status_code == 415


def test_a_large_model_is_divided_into_files_that_clients_accept(http: httpx.Client) -> None:
    entries = {entry["path"]: entry["size"] for entry in http.get("/api/models/weight-init/llama-3-405b/tree/main").json()}
    shards = [path for path in entries if path.endswith(".safetensors")]
    assert len(shards) == 381
    assert max(entries.values()) < 50 * 10**9
    weight_map = http.get("/weight-init/llama-3-405b/resolve/main/model.safetensors.index.json").json()["weight_map"]
    assert sorted(set(weight_map.values())) == shards
    fail(http.head("/weight-init/llama-3-405b/resolve/main/model.safetensors"), "EntryNotFound", "model.safetensors")


def test_the_card_says_that_the_model_is_untrained(http: httpx.Client) -> None:
    card = http.get(f"{FILES}/seed=7/README.md")
    assert card.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert "untrained" in card.text
    assert "| seed | 7 |" in card.text


def test_a_file_that_is_missing_has_the_commit_so_that_clients_remember_it(http: httpx.Client) -> None:
    for response in (http.head(f"{FILES}/main/adapter_config.json"), http.get(f"{REPOSITORY}/tree/main/folder")):
        fail(response, "EntryNotFound", "config.json")
        assert response.headers["X-Repo-Commit"] == commit(http)


@pytest.mark.parametrize("name", ["gpt2", "openai/gpt2", "weight-init/none"])
def test_a_repository_of_a_trained_model_is_refused(http: httpx.Client, name: str) -> None:
    fail(http.head(f"/{name}/resolve/main/config.json"), "RepoNotFound", "untrained models")
    for path in ("", "/revision/main", "/tree/main"):
        fail(http.get(f"/api/models/{name}{path}"), "RepoNotFound", "untrained models")


@pytest.mark.parametrize(
    ("revision", "text"),
    [
        ("master", "expected main"),
        ("seed=-1", "seed"),
        ("seed=7,seed=8", "seed"),
        ("num_clases=3", "num_classes"),
        ("variant=best", "variant"),
        ("dtype=int8", "dtype"),
        ("model_type=gpt2", "model_type"),
        ("architectures=x", "architectures"),
        ("torch_dtype=float16", "torch_dtype"),
        ("preset=gpt2", "preset"),
        (f"num_classes={'9' * 5000}", "num_classes"),
        (f"variant={'9' * 5000}", "variant"),
        ("0" * 40, "a commit of this repository"),
        (f"seed={2**64 - 1},num_classes=300,variant=recommended", "fewer fields"),
    ],
)
def test_a_wrong_revision_is_explained(http: httpx.Client, revision: str, text: str) -> None:
    fail(http.get(f"{FILES}/{revision}/config.json"), "RevisionNotFound", text)
    fail(http.get(f"{REPOSITORY}/revision/{revision}"), "RevisionNotFound", text)


def test_a_commit_of_another_repository_is_refused(http: httpx.Client) -> None:
    other = http.get("/api/models/weight-init/alexnet").json()["sha"]
    fail(http.get(f"{FILES}/{other}/config.json"), "RevisionNotFound", "a commit of this repository")


def test_a_message_fits_into_a_header(http: httpx.Client) -> None:
    fail(http.get(f"{FILES}/{'é%0A' * 200}/config.json"), "RevisionNotFound", "expected main")


def test_a_warning_about_the_checkpoint_reaches_the_user() -> None:
    manifest = {
        "tensors": [{"name": "weight", "shape": [2, 2]}],
        "rules": [{"match": "bias", "scheme": "zeros"}],
        "defaults": {"scheme": "he_normal"},
    }
    opened = open_checkpoint(request_from_object(manifest), Limits())
    (warning,) = opened.checkpoint.warnings
    headers = hub_headers(Repository("lenet5", "0" * 40, opened))
    assert headers["X-HF-Warning"] == f"weight-init; {warning}", "the form is: topic; message"


def test_repositories_are_listed(http: httpx.Client) -> None:
    names = [model["id"] for model in http.get("/api/models").json()]
    assert "weight-init/gpt2" in names
    assert http.get("/api/models?search=LENET").json() == [{"id": "weight-init/lenet5", "modelId": "weight-init/lenet5"}]
    assert http.get("/api/models?author=openai").json() == []


def test_the_protocol_can_be_switched_off() -> None:
    with serving(Settings(hub="off")) as url:
        assert httpx.get(f"{url}{REPOSITORY}").status_code == 404
        assert "X-Error-Code" not in httpx.head(f"{url}{FILES}/main/config.json").headers
