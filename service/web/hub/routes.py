"""The routes of the Hugging Face Hub that its clients ask for a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus

import orjson
from fastapi import Request
from fastapi.responses import Response

from service.checkpoints.manifest import DEFAULT_SEED
from service.checkpoints.presets import PRESETS, Model, find_preset
from service.checkpoints.request import DEFAULT_DTYPE
from service.checkpoints.shards import Shard
from service.contract.errors import InvalidRequest
from service.core.errors import InitError, UnknownName
from service.files.virtual import Literal, VirtualFile
from service.web.body import form_body
from service.web.checkpoints import S_PER_TENSOR, content_of, opened_preset
from service.web.direct import direct_router
from service.web.hub.repositories import CARD_NAME, OWNER, Repository, git_oid
from service.web.hub.revisions import MAIN, commit_of, fields_of, fields_of_commit, is_commit, unknown_commit
from service.web.problems import HttpProblem
from service.web.responses.checkpoint import checkpoint_response
from service.web.responses.conditions import is_unmodified
from service.web.responses.files import IMMUTABLE, not_modified, requested_part
from service.web.responses.streaming import StreamedResponse, file_blocks, short_pool

_MEDIA_TYPES = {"json": "application/json", "md": "text/markdown; charset=utf-8"}
_S_PER_ENTRY = 4 * S_PER_TENSOR  # of CPU time: each tensor is in a header, in two documents and in the card
_MAX_MESSAGE = 500  # characters of an error in a header
_DEFAULTS = {"seed": str(DEFAULT_SEED), "dtype": DEFAULT_DTYPE}  # of a preset

routes = direct_router()


@routes.get("/api/models", include_in_schema=False)
async def list_models(request: Request) -> Response:
    """Return every repository. Those of another author, and those without the text that is searched for, are left out."""
    author, text = request.query_params.get("author", OWNER), request.query_params.get("search", "")
    names = [f"{OWNER}/{name}" for name in PRESETS] if author == OWNER else []
    return _json([{"id": name, "modelId": name} for name in names if text.casefold() in name.casefold()], {})


@routes.get("/api/models/{owner}/{name}", include_in_schema=False)
@routes.get("/api/models/{owner}/{name}/revision/{revision}", include_in_schema=False)
async def get_model(request: Request) -> Response:
    """Return what a repository holds at a revision."""
    repository = await _repository(request)
    return _json(repository.information, hub_headers(repository))


@routes.get("/api/models/{owner}/{name}/tree/{revision}", include_in_schema=False)
@routes.get("/api/models/{owner}/{name}/tree/{revision}/{folder:path}", include_in_schema=False)
async def list_files(request: Request) -> Response:
    """Return the files of a repository. It has no folders."""
    repository = await _repository(request)
    if request.path_params.get("folder"):
        raise _no_entry(repository, request.path_params["folder"])
    return _json(await _entries(repository, request), hub_headers(repository))


@routes.post("/api/models/{owner}/{name}/paths-info/{revision}", include_in_schema=False)
async def describe_files(request: Request) -> Response:
    """Return those of the files in the body that the repository has."""
    repository = await _repository(request)
    settings = request.app.state.settings
    fields = await form_body(request, max_bytes=settings.max_body_bytes, setting="WEIGHT_INIT_MAX_BODY_BYTES")
    paths = {value for name, value in fields if name == "paths"}
    entries = await _entries(repository, request)
    return _json([entry for entry in entries if entry["path"] in paths], hub_headers(repository))


@routes.head("/{owner}/{name}/resolve/{revision}/{file:path}", include_in_schema=False)
@routes.get("/{owner}/{name}/resolve/{revision}/{file:path}", include_in_schema=False)
async def get_file(request: Request) -> Response:
    """Return a file of a repository, or a part of it."""
    repository, file_name = await _repository(request), request.path_params["file"]
    if file_name not in repository.file_names:  # such as the whole of a divided model, since clients refuse a file above 50 GB
        raise _no_entry(repository, file_name)
    content = repository.card if file_name == CARD_NAME else await content_of(repository.opened, file_name, request)
    if isinstance(content, Shard):
        response = checkpoint_response(content, repository.opened.metadata_text, request)
    else:
        response = _document_response(content, file_name, request)
    response.headers.update(hub_headers(repository))
    return response


@routes.head("/{name}/resolve/{revision}/{file:path}", include_in_schema=False)
@routes.get("/{name}/resolve/{revision}/{file:path}", include_in_schema=False)
@routes.get("/api/models/{name}", include_in_schema=False)
@routes.get("/api/models/{name}/revision/{revision}", include_in_schema=False)
@routes.get("/api/models/{name}/tree/{revision}", include_in_schema=False)
async def refuse_without_owner(request: Request) -> Response:
    """Refuse the name of a trained model, such as gpt2."""
    raise _no_repository(request.path_params["name"])


async def _repository(request: Request) -> Repository:
    """Return the repository that the path names. Raises HttpProblem 404."""
    owner, name = request.path_params["owner"], request.path_params["name"]
    revision = request.path_params.get("revision", MAIN)
    if owner != OWNER:
        raise _no_repository(f"{owner}/{name}")
    try:
        find_preset(name)
    except UnknownName:
        raise _no_repository(f"{owner}/{name}") from None
    with _revision_errors():
        fields = _fields(name, revision)
        opened = await opened_preset(request, name, fields)
        commit = commit_of(fields, opened)
        if is_commit(revision) and commit != revision:
            raise unknown_commit(revision)
    return Repository(name, commit, opened)


def _fields(name: str, revision: str) -> dict[str, str]:
    """Return the fields of a revision, without those that have their default values."""
    fields = fields_of_commit(revision, Model.of(name, {})) if is_commit(revision) else fields_of(revision)
    return {name: value for name, value in fields.items() if _DEFAULTS.get(name) != value}


async def _entries(repository: Repository, request: Request) -> list[dict[str, object]]:
    """Return the files of a repository, listed on a thread."""
    key, cost_s = (repository.id, repository.commit), len(repository.opened.checkpoint.tensors) * _S_PER_ENTRY
    entries: list[dict[str, object]] = await request.app.state.computations.run(key, repository.entries, cost_s=cost_s)
    return entries


@contextmanager
def _revision_errors() -> Iterator[None]:
    """Answer in the words of the Hub if a revision says something that a model cannot be."""
    try:
        yield
    except (InitError, InvalidRequest) as error:
        raise _not_found("RevisionNotFound", str(error)) from None


def _no_repository(name: str) -> HttpProblem:
    presets = ", ".join(list(PRESETS)[:3])
    return _not_found(
        "RepoNotFound",
        f"repository: expected {OWNER}/ and one of the models in /checkpoints, such as {presets}; received {name}. This service has only"
        f" untrained models. Ask for {OWNER}/{name.rpartition('/')[2]}, if it is there, or unset HF_ENDPOINT.",
    )


def _no_entry(repository: Repository, file_name: str) -> HttpProblem:
    names = repository.file_names
    listed = ", ".join(names if len(names) <= 8 else [*names[:7], "…"])
    return _not_found("EntryNotFound", f"file: expected one of {listed}; received {file_name}.", hub_headers(repository))


def _not_found(code: str, detail: str, headers: Mapping[str, str] | None = None) -> HttpProblem:
    message = "".join(character if " " <= character <= "~" else "?" for character in detail)
    return HttpProblem(HTTPStatus.NOT_FOUND, detail, {**(headers or {}), "X-Error-Code": code, "X-Error-Message": message[:_MAX_MESSAGE]})


def hub_headers(repository: Repository) -> dict[str, str]:
    """Return the headers that the clients of the Hub need, and the first warning about the checkpoint, which they show."""
    warnings = repository.opened.checkpoint.warnings
    warning = {"X-HF-Warning": "weight-init; " + warnings[0].encode("ascii", "replace").decode("ascii")} if warnings else {}
    return {"X-Repo-Commit": repository.commit, **warning}


def _json(content: object, headers: Mapping[str, str]) -> Response:
    return Response(orjson.dumps(content), headers={"Cache-Control": "public, max-age=3600", **headers}, media_type="application/json")


def _document_response(content: bytes, file_name: str, request: Request) -> Response:
    """Return a file that is written already, or a part of it."""
    headers = {
        "Content-Type": _MEDIA_TYPES[file_name.rpartition(".")[2]],
        "Cache-Control": IMMUTABLE,
        "Accept-Ranges": "bytes",
        "ETag": f'"{git_oid(content)}"',
    }
    if is_unmodified(request.method, request.headers, headers["ETag"]):
        return not_modified(headers)
    part, status, headers = requested_part(VirtualFile((Literal(content),)), headers, request)
    return StreamedResponse(partial(file_blocks, part, short_pool), status, headers, headers["Content-Type"])
