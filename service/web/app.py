"""The application and its routes. What the routes do is in other modules."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from pydantic import ValidationError
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Route

from service import __version__
from service.contract import catalogue, documents
from service.contract.advice import recommendation_of
from service.contract.answer import answer
from service.contract.reading import read_json, read_text
from service.contract.request import Expression, InitRequest, RecommendRequest
from service.contract.specification import unknown_gains
from service.core.errors import TooLarge
from service.core.stream import engines
from service.files.formats import find_format
from service.settings import Settings, explain
from service.web import checkpoints, hub, problems
from service.web.body import json_body
from service.web.direct import direct_router
from service.web.monitoring import metrics
from service.web.monitoring.exchange import ANSWER
from service.web.monitoring.watch import Watch
from service.web.openapi import complete
from service.web.openapi.operations import GET_INIT, GET_RECOMMEND, LICENSE, NOT_READY, POST_INIT, SERVERS, TAGS
from service.web.problems import HttpProblem
from service.web.protection.access import FAILURES, Access, Keys
from service.web.protection.computations import Computations
from service.web.protection.headers import CORS, PrivateCaching, SecurityHeaders
from service.web.protection.limits import Permits, Rate
from service.web.protection.rates import Limiter
from service.web.responses import streaming
from service.web.responses.digests import Digests
from service.web.responses.documents import document_response, state_response
from service.web.responses.negotiation import accepted_format
from service.web.responses.tensor import tensor_response
from service.web.startup import Readiness, lifespan

_log = logging.getLogger("weight_init")


routes = direct_router()

_DESCRIPTION = (
    "Initialized weights for neural networks, for any language. **The same request returns the same bytes** on every machine, in every"
    " dtype, layout and slice. `/init` returns a tensor. `/recommend` returns the scheme that fits an activation."
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application. `settings` default to those of the environment. Raises RuntimeError without docstrings."""
    if sys.flags.optimize > 1:
        raise RuntimeError("PYTHONOPTIMIZE: expected at most 1, because 2 removes the descriptions of the API; received 2. Unset it.")
    settings = settings or Settings()
    all_routes = [*routes.routes, *checkpoints.routes.routes, *(hub.routes.routes if settings.hub == "on" else [])]
    app = FastAPIOffline(
        routes=list(all_routes),  # not with include_router, which would search for each route twice
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,  # such a redirect would repeat the Host header, which may be anything
        title="weight-init",
        version=__version__,
        description=_DESCRIPTION,
        servers=SERVERS,
        license_info=LICENSE,
        openapi_tags=TAGS,
        swagger_ui_parameters={"tryItOutEnabled": True, "defaultModelsExpandDepth": -1},
        telemetry=_telemetry(),
    )
    app.state.settings = settings
    app.state.keys = Keys(app.state.settings.key_digests)
    app.state.readiness = Readiness()
    app.state.streams = Permits(app.state.settings.max_streams, "streams", "WEIGHT_INIT_MAX_STREAMS")
    app.state.manifests = Permits(app.state.settings.max_manifests, "manifests", "WEIGHT_INIT_MAX_MANIFESTS")
    app.state.computations = Computations(
        app.state.settings.max_compute_s,
        threads=app.state.settings.max_computations,
        short_s=streaming.SHORT_S,
        short_executor=streaming.short_pool,
    )
    app.state.digests = Digests(app.state.computations)
    if app.state.settings.metrics_port is None:
        app.add_route(metrics.PATH, metrics.get_metrics, include_in_schema=False)
    app.state.checkpoints = checkpoints.CheckpointCache(2 * app.state.settings.max_checkpoint_tensors)
    app.state.routes = all_routes
    app.state.paths = frozenset(route.path for route in app.routes if isinstance(route, Route))
    metrics.set_engine()
    problems.install(app)
    complete(app, needs_key=bool(app.state.keys))
    _add_middleware(app, app.state.settings)
    return app


def create_app_or_exit() -> FastAPI:
    """Return the application of a server process. If that fails, log it in one record and exit, before the traceback is printed."""
    try:
        return create_app()
    except ValidationError as error:  # such as a file of keys that has changed since the parent of this worker read it
        _log.critical("cannot start: %s", explain(error))
    except RuntimeError as error:
        _log.critical("cannot start: %s", error)
    except Exception as error:
        _log.critical("cannot start", exc_info=error)
    sys.exit(1)


def _telemetry() -> TelemetryConfig:
    """Return FastAPI's telemetry settings. Without any OTEL_ variable telemetry is off, so that requests do not check for it."""
    if any(name.startswith("OTEL_") for name in os.environ):
        return {"auto_configure": True}
    return {"tracing": False, "metrics": False, "logs": False}


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the middleware that the settings need, innermost first."""
    if settings.forbids_shared_caches:
        app.add_middleware(PrivateCaching)
    limiter = None if settings.rate is None else Limiter(settings.rate, settings.rate_store)
    if limiter is not None:
        app.add_middleware(Rate, limiter=limiter)
    if app.state.keys:
        app.add_middleware(Access, keys=app.state.keys, failures=limiter or Limiter(FAILURES, None))
    if settings.cors_origins:  # outside Access, because a browser's preflight request carries no key
        app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, **CORS)
    app.add_middleware(Watch)
    app.add_middleware(SecurityHeaders)


@routes.post("/init", tags=["weights"], summary="Initialize a tensor", openapi_extra=POST_INIT)
async def post_init(request: Request) -> Response:
    """Return the tensor that a JSON object specifies."""
    body = await json_body(request, max_bytes=request.app.state.settings.max_body_bytes, setting="WEIGHT_INIT_MAX_BODY_BYTES")
    return await _init(request, read_json(InitRequest, body))


@routes.head("/init", include_in_schema=False)
@routes.get("/init", tags=["weights"], summary="Initialize a tensor", openapi_extra=GET_INIT)
async def get_init(request: Request) -> Response:
    """Return the tensor that a query specifies. The URL can be cached, resumed and shared. Scheme parameters are query fields too."""
    return await _init(request, read_text(InitRequest, request.query_params.multi_items()))


async def _init(request: Request, fields: InitRequest) -> Response:
    headers = request.headers
    file_format = accepted_format(headers.get("accept")) if fields.format is None else find_format(fields.format)
    await _know_gains(request, fields)
    tensor_answer = answer(fields, file_format, request.app.state.settings.limits)
    request.scope[ANSWER] = tensor_answer
    return tensor_response(tensor_answer, request)


async def _know_gains(request: Request, fields: InitRequest | RecommendRequest) -> None:
    """Compute the gains of the activation if they are not known yet, without blocking other requests: a formula may take a second.

    Raises ClientDisconnect if the client leaves before.
    """
    work = unknown_gains(fields)
    if work is not None:
        if isinstance(fields.activation, Expression):
            _check_seconds(work.seconds, request.app.state.settings.max_compute_s)
        running = request.app.state.computations.run(work.key, work.compute, cost_s=work.seconds)
        if not await streaming.unless_disconnected(_finished(running), request.receive):
            raise ClientDisconnect


def _check_seconds(formula_s: float, max_compute_s: float) -> None:
    if formula_s > max_compute_s:
        raise TooLarge(
            "activation.expression",
            expected=f"at most {max_compute_s:g} s of computation (WEIGHT_INIT_MAX_COMPUTE_S)",
            received=f"a formula, which may take {formula_s:g} s",
            action="Use a named activation.",
        )


async def _finished(work: Coroutine[Any, Any, object]) -> bool:
    """Wait for work, and return True."""
    await work
    return True


@routes.head("/recommend", include_in_schema=False)
@routes.get(
    "/recommend",
    tags=["advice"],
    summary="Recommend a scheme",
    response_model=documents.Recommendation,
    openapi_extra=GET_RECOMMEND,
)
async def get_recommend(request: Request) -> Response:
    """Return the scheme that fits an activation or a layer, the reason, and alternatives. With the fans, also the standard deviation."""
    fields = read_text(RecommendRequest, request.query_params.multi_items())
    await _know_gains(request, fields)
    return document_response(recommendation_of(fields), request)


@routes.head("/schemes", include_in_schema=False)
@routes.get(
    "/schemes",
    tags=["advice"],
    summary="List the schemes",
    response_model=documents.SchemeCatalogue,
)
async def get_schemes(request: Request) -> Response:
    """Return every scheme with its names, parameters, formula and reference."""
    return document_response(catalogue.schemes(), request)


@routes.head("/activations", include_in_schema=False)
@routes.get(
    "/activations",
    tags=["advice"],
    summary="List the activations",
    response_model=documents.ActivationCatalogue,
)
async def get_activations(request: Request) -> Response:
    """Return every activation with its names, parameters, gains and recommended scheme."""
    return document_response(catalogue.activations(), request)


@routes.head("/healthz", include_in_schema=False)
@routes.get(
    "/healthz",
    tags=["operation"],
    summary="Check liveness",
    response_model=documents.Health,
)
async def get_healthz(_: Request) -> Response:
    """Return 200 as long as the process responds."""
    health: documents.Health = {"status": "ok", "version": __version__}
    return state_response(health)


@routes.head("/readyz", include_in_schema=False)
@routes.get(
    "/readyz",
    tags=["operation"],
    summary="Check readiness",
    response_model=documents.Readiness,
    responses=NOT_READY,
)
async def get_readyz(request: Request) -> Response:
    """Return 503 while the kernels load and while the server shuts down, else 200. Other requests are answered in either case."""
    if reason := request.app.state.readiness.reason_not_ready:
        raise HttpProblem(HTTPStatus.SERVICE_UNAVAILABLE, reason, {"Retry-After": "1"})
    readiness: documents.Readiness = {"status": "ready", "engine": engines.current().name}
    return state_response(readiness)


@routes.head("/openapi.json", include_in_schema=False)
@routes.get("/openapi.json", include_in_schema=False)
async def get_openapi(request: Request) -> Response:
    """Return the OpenAPI document. Behind a proxy that removes a part of the path, its server has that part."""
    root_path = request.scope.get("root_path", "").rstrip("/")
    servers = {"servers": [{"url": root_path}]} if root_path else {}
    return document_response(request.app.openapi() | servers, request)


@routes.get("/", include_in_schema=False)
async def get_root(request: Request) -> Response:
    """Redirect people with a browser to the documentation."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")
