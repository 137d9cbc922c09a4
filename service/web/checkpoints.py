"""The routes of checkpoints: plain files at plain URLs, and the same for a manifest in a body."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from service.checkpoints import catalogue
from service.checkpoints.checkpoint import MAX_DIFFERENT
from service.checkpoints.manifest import read_object
from service.checkpoints.opening import Opened, open_checkpoint
from service.checkpoints.presets import find_preset
from service.checkpoints.request import CheckpointRequest, request_from_object, request_from_pairs
from service.checkpoints.shards import CONFIG_NAME, INDEX_NAME, MANIFEST_NAME, WHOLE_NAME, Shard, is_shard_name
from service.contract import documents
from service.contract.answer import Limits, answer
from service.contract.reading import unique_keys
from service.core.errors import InvalidValue, UnknownName
from service.files.formats import find_format
from service.web.body import json_body
from service.web.direct import direct_router
from service.web.monitoring.exchange import ANSWER
from service.web.monitoring.metrics import count_lookup
from service.web.openapi.checkpoints import FILE, MANIFEST_SCHEMA, POST_CHECKPOINT, SUMMARY
from service.web.problems import HttpProblem
from service.web.responses import streaming
from service.web.responses.checkpoint import checkpoint_response
from service.web.responses.documents import body_response, document_response
from service.web.responses.negotiation import accepted_format
from service.web.responses.tensor import tensor_response

_PRESET_S = 0.2  # of CPU time, to list the tensors of a large preset
_S_PER_BYTE = 2e-7  # of CPU time, to read a manifest
_BYTES_OF_A_WAY, _S_OF_A_WAY = 40, 2e-4  # a tensor that is drawn in its own way: its fewest bytes, and the CPU time to resolve it
_QUICK_TENSORS = 2000  # whose header takes some milliseconds
S_PER_TENSOR = 5e-6  # of CPU time, to write the header or a document
_OF_A_TENSOR = ("tensor", "slice", "format")

routes = direct_router()


class CheckpointCache:
    """The most recent checkpoints by what determines them. Together they have at most `max_tensors` tensors, or there is only one."""

    def __init__(self, max_tensors: int) -> None:
        self._max_tensors = max_tensors
        self._opened: OrderedDict[Hashable, Opened] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Opened | None:
        """Return a checkpoint if it is there."""
        with self._lock:
            opened = self._opened.get(key)
            if opened is not None:
                self._opened.move_to_end(key)
        count_lookup("checkpoints", hit=opened is not None)
        return opened

    def put(self, key: Hashable, opened: Opened) -> None:
        """Keep a checkpoint."""
        with self._lock:
            self._opened[key] = opened
            while len(self._opened) > 1 and sum(len(other.checkpoint.tensors) for other in self._opened.values()) > self._max_tensors:
                self._opened.popitem(last=False)


@routes.head("/checkpoints", include_in_schema=False)
@routes.get("/checkpoints", tags=["checkpoints"], summary="List the models", response_model=documents.CheckpointCatalogue)
async def get_checkpoints(request: Request) -> Response:
    """Return every preset with its parameters and sizes, and every architecture with the fields of its config.json."""
    return document_response(catalogue.presets(), request)


@routes.head("/checkpoint/schema", include_in_schema=False)
@routes.get("/checkpoint/schema", include_in_schema=False)
async def get_manifest_schema(request: Request) -> Response:
    """Return the JSON Schema of a manifest."""
    return document_response(MANIFEST_SCHEMA, request)


@routes.post("/checkpoint", tags=["checkpoints"], summary="Initialize a whole model", openapi_extra=POST_CHECKPOINT)
async def post_checkpoint(request: Request) -> Response:
    """Return model.safetensors for a manifest, a config.json, or a preset. `file` and `tensor` in the query ask for another file."""
    settings = request.app.state.settings
    query = _query(request)
    file_name, shard_size = query.pop("file", None), query.pop("shard_size", None)
    of_tensor = {name: query.pop(name) for name in _OF_A_TENSOR if name in query}
    _check_nothing_left(query)
    with ExitStack() as permit:  # of a long body, until it has been read
        long = settings.max_body_bytes, lambda: permit.enter_context(request.app.state.manifests)
        body = await json_body(
            request, max_bytes=settings.max_manifest_bytes, setting="WEIGHT_INIT_MAX_MANIFEST_BYTES", before_growing=long
        )

        def read() -> CheckpointRequest:
            return request_from_object(read_object(body, max_tensors=settings.max_checkpoint_tensors))

        key = ("body", hashlib.sha256(body).digest())
        opened = await _opened(request, key, read, shard_size, cost_s=_manifest_seconds(len(body)))
    if of_tensor:
        return _tensor(opened, request, of_tensor)
    return await _file(opened, WHOLE_NAME if file_name is None else file_name, request)


@routes.head("/checkpoint/{preset}", include_in_schema=False)
@routes.get(
    "/checkpoint/{preset}",
    tags=["checkpoints"],
    summary="Describe a model, or return one of its tensors",
    response_model=documents.CheckpointSummary,
    openapi_extra=SUMMARY,
)
async def get_checkpoint(request: Request) -> Response:
    """Return what a checkpoint of a preset holds, with its files. With `tensor` in the query, return that tensor, as /init does."""
    query = _query(request)
    of_tensor = {name: query.pop(name) for name in _OF_A_TENSOR if name in query}
    opened = await _opened_in_path(request, query)
    if of_tensor:
        return _tensor(opened, request, of_tensor)
    return document_response(opened.summary, request)


@routes.head("/checkpoint/{preset}/{file}", include_in_schema=False)
@routes.get("/checkpoint/{preset}/{file}", tags=["checkpoints"], summary="Return a file of a model", openapi_extra=FILE)
async def get_checkpoint_file(request: Request) -> Response:
    """Return a file of a checkpoint: model.safetensors, a shard of it, their index, config.json or manifest.json.

    With `tensor` in the query, return that tensor, as /init does.
    """
    file_name = _check_file_name(request.path_params["file"])
    query = _query(request)
    of_tensor = {name: query.pop(name) for name in _OF_A_TENSOR if name in query}
    opened = await _opened_in_path(request, query)
    return _tensor(opened, request, of_tensor) if of_tensor else await _file(opened, file_name, request)


def _manifest_seconds(nbytes: int) -> float:
    """Return the most CPU time that a manifest of this length may take."""
    return _PRESET_S + nbytes * _S_PER_BYTE + min(nbytes / _BYTES_OF_A_WAY, MAX_DIFFERENT) * _S_OF_A_WAY


async def _opened_in_path(request: Request, query: dict[str, str]) -> Opened:
    """Return the checkpoint of the preset in the path, whose fields are in the query. Raises HttpProblem 404."""
    shard_size, preset = query.pop("shard_size", None), request.path_params["preset"]
    with _not_found():
        find_preset(preset)
    return await opened_preset(request, preset, query, shard_size)


async def opened_preset(request: Request, preset: str, fields: Mapping[str, str], shard_size: str | None = None) -> Opened:
    """Return the checkpoint of a preset, in shards of a size such as 5GB. Raises InvalidRequest, InitError, ClientDisconnect."""
    key = ("preset", preset, *sorted(fields.items()))
    return await _opened(request, key, lambda: request_from_pairs(fields.items(), preset=preset), shard_size, cost_s=_PRESET_S)


async def _opened(
    request: Request, key: Hashable, read: Callable[[], CheckpointRequest], shard_size: str | None, *, cost_s: float
) -> Opened:
    """Return a checkpoint from the cache, or open it on a thread. Raises ClientDisconnect if the client leaves before."""
    state = request.app.state
    key = (key, shard_size)
    opened: Opened | None = state.checkpoints.get(key)
    if opened is None:
        running = state.computations.run(key, partial(_open, read, state.settings.limits, shard_size), cost_s=cost_s)
        opened = await streaming.unless_disconnected(running, request.receive)
        if opened is None:
            raise ClientDisconnect
        state.checkpoints.put(key, opened)
    return opened


def _open(read: Callable[[], CheckpointRequest], limits: Limits, shard_size: str | None) -> Opened:
    opened = open_checkpoint(read(), limits, shard_size)
    opened.metadata_text  # noqa: B018  # computed on this thread, not on the event loop
    return opened


async def _file(opened: Opened, file_name: str, request: Request) -> Response:
    """Return a file."""
    content = await content_of(opened, _check_file_name(file_name), request)
    if isinstance(content, Shard):
        return checkpoint_response(content, opened.metadata_text, request)
    return body_response(content, request)


async def content_of(opened: Opened, file_name: str, request: Request) -> Shard | bytes:
    """Return a shard with its header, or the bytes of a document. What is long for many tensors is made on a thread. Raises HttpProblem."""
    tensors = len(opened.checkpoint.tensors)
    if tensors <= _QUICK_TENSORS or opened.shards.has_header(file_name):
        return written(opened, file_name)
    work = partial(written, opened, file_name)
    return await request.app.state.computations.run((id(opened), file_name), work, cost_s=tensors * S_PER_TENSOR)


def written(opened: Opened, file_name: str) -> Shard | bytes:
    """Return a shard with its header, or the bytes of a document. Raises HttpProblem 404."""
    if not is_shard_name(file_name):
        return orjson.dumps(_DOCUMENTS[file_name](opened))
    with _not_found():
        shard = opened.shards.shard(file_name)
    shard.etag  # noqa: B018  # of the header
    return shard


def _config(opened: Opened) -> Mapping[str, Any]:
    if opened.config is None:
        raise InvalidValue(
            "file",
            expected="a preset or a config.json in the body",
            received="a manifest, which has no config.json",
            action="Ask without file.",
        )
    return opened.config


_DOCUMENTS: dict[str, Callable[[Opened], Mapping[str, Any]]] = {
    INDEX_NAME: lambda opened: opened.shards.index,
    CONFIG_NAME: _config,
    MANIFEST_NAME: lambda opened: opened.manifest,
}


def _check_file_name(file_name: str) -> str:
    """Return the name of a file that a checkpoint may have. Raises HttpProblem 404."""
    if file_name not in _DOCUMENTS and not is_shard_name(file_name):
        raise HttpProblem(
            HTTPStatus.NOT_FOUND,
            f"file: expected {WHOLE_NAME}, model-00001-of-…, {', '.join(_DOCUMENTS)}; received {file_name!r}. Ask for one of these.",
        )
    return file_name


def _tensor(opened: Opened, request: Request, fields: dict[str, str]) -> Response:
    """Return one tensor, as /init does. Raises InitError."""
    if "tensor" not in fields:
        raise InvalidValue(next(iter(fields)), expected="tensor beside it", received="no tensor", action="Add tensor=NAME.")
    tensor_request = opened.checkpoint.request(fields["tensor"]).model_copy(update={"slice": fields.get("slice")})
    given = fields.get("format")
    file_format = accepted_format(request.headers.get("accept")) if given is None else find_format(given)
    tensor_answer = answer(tensor_request, file_format, request.app.state.settings.limits)
    request.scope[ANSWER] = tensor_answer
    return tensor_response(tensor_answer, request)


@contextmanager
def _not_found() -> Iterator[None]:
    """Answer 404 for a name in the path that nothing has."""
    try:
        yield
    except UnknownName as error:
        raise HttpProblem(HTTPStatus.NOT_FOUND, str(error)) from None


def _query(request: Request) -> dict[str, str]:
    """Return the fields of the query. Raises InvalidValue for one that is given twice."""
    return unique_keys(request.query_params.multi_items())


def _check_nothing_left(query: Mapping[str, str]) -> None:
    if query:
        raise InvalidValue(
            next(iter(query)),
            expected=f"file, shard_size, {', '.join(_OF_A_TENSOR)} in the query, and all else in the body",
            received=", ".join(query),
            action="Put it into the JSON object.",
        )
