"""The application: its routes, and nothing that a route does."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service import __version__
from service.contract import catalogue, documents
from service.contract.advice import recommendation_of
from service.contract.answer import answer
from service.contract.reading import read_json, read_text
from service.contract.request import Expression, InitRequest, RecommendRequest
from service.core.activations import expressed
from service.core.stream import engines
from service.files.formats import find_format
from service.settings import Settings
from service.web import problems
from service.web.body import json_body
from service.web.monitoring import metrics
from service.web.monitoring.exchange import ANSWER
from service.web.monitoring.watch import Watch
from service.web.openapi import complete
from service.web.openapi.operations import GET_INIT, GET_RECOMMEND, NOT_READY, POST_INIT
from service.web.problems import HttpProblem
from service.web.protection.access import Access
from service.web.protection.headers import CORS, SecurityHeaders
from service.web.protection.limits import Computations, Permits, Rate
from service.web.responses.digests import Digests
from service.web.responses.negotiation import accepted_format
from service.web.responses.tensor import answered, json_response
from service.web.startup import Readiness, lifespan


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and makes the response: FastAPI has nothing to resolve, to check, to write or to close."""

    def __init__(self, path: str, endpoint: Callable[[Request], Coroutine[Any, Any, Response]], **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        self.app = _direct(endpoint)


def _direct(endpoint: Callable[[Request], Coroutine[Any, Any, Response]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return app


# their names are what generated clients call their methods
routes = APIRouter(route_class=DirectRoute, generate_unique_id_function=lambda route: route.name)

_DESCRIPTION = (
    "Initialized weights for neural networks, from any language: **the same bytes for the same request**, on every machine, in every"
    " dtype, layout and slice. Ask `/init` for a tensor, `/recommend` for the scheme that fits an activation."
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service under `settings`, by default those of the environment."""
    app = FastAPIOffline(
        routes=routes.routes,  # not included as a router, which would be searched twice
        redoc_url=None,
        lifespan=lifespan,
        title="weight-init",
        version=__version__,
        description=_DESCRIPTION,
        swagger_ui_parameters={"tryItOutEnabled": True, "defaultModelsExpandDepth": -1},
        telemetry=_telemetry(),
    )
    app.state.settings = settings or Settings()
    app.state.digests = Digests()
    app.state.readiness = Readiness()
    app.state.streams = Permits(app.state.settings.max_streams, "answers being sent", "WEIGHT_INIT_MAX_STREAMS")
    app.state.computations = Computations(app.state.settings.max_computations)
    if app.state.settings.metrics_port is None:
        app.add_route(metrics.PATH, metrics.answer_metrics, include_in_schema=False)
    app.state.routes = routes.routes
    app.state.paths = frozenset(route.path for route in app.routes if isinstance(route, Route))
    metrics.set_engine()
    problems.install(app)
    complete(app, needs_key=bool(app.state.settings.key_digests))
    _install_layers(app, app.state.settings)
    return app


def _telemetry() -> TelemetryConfig:
    """FastAPI's own: traces go to OTEL_EXPORTER_OTLP_ENDPOINT. Where nothing of the kind is set, no request asks whether it is."""
    if any(name.startswith("OTEL_") for name in os.environ):
        return {"auto_configure": True}
    return {"tracing": False, "metrics": False, "logs": False}


def _install_layers(app: FastAPI, settings: Settings) -> None:
    """The last one added is the outermost. What is not wanted is not there, and costs nothing."""
    if settings.rate is not None:
        app.add_middleware(Rate, rate=settings.rate, store=settings.rate_store)
    if settings.key_digests:
        app.add_middleware(Access, digests=settings.key_digests)
    if settings.cors_origins:  # outside Access, since a browser asks whether it may send a key without sending it
        app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, **CORS)
    app.add_middleware(Watch)
    app.add_middleware(SecurityHeaders)


@routes.post("/init", tags=["weights"], summary="Initialize a tensor", openapi_extra=POST_INIT)
async def post_init(request: Request) -> Response:
    """A tensor from a JSON specification."""
    body = await json_body(request, request.app.state.settings)
    return await _init(request, read_json(InitRequest, body))


@routes.head("/init", include_in_schema=False)
@routes.get("/init", tags=["weights"], summary="Initialize a tensor", openapi_extra=GET_INIT)
async def get_init(request: Request) -> Response:
    """The same from a query: a plain URL, which can be cached, resumed and shared. The scheme's parameters stand beside the fields."""
    return await _init(request, read_text(InitRequest, request.query_params.multi_items()))


async def _init(request: Request, wanted: InitRequest) -> Response:
    headers = request.headers
    file_format = accepted_format(headers.get("accept")) if wanted.format is None else find_format(wanted.format)
    await _gains(request, wanted)
    made = answer(wanted, file_format, request.app.state.settings.limits)
    request.scope[ANSWER] = made
    return answered(made, request)


async def _gains(request: Request, wanted: InitRequest | RecommendRequest) -> None:
    """Those of a formula that a user wrote take up to a second, in which others are served; then they are known."""
    if isinstance(wanted.activation, Expression):
        formula = wanted.activation.expression
        await request.app.state.computations.run(formula, expressed, formula)


@routes.head("/recommend", include_in_schema=False)
@routes.get(
    "/recommend",
    tags=["advice"],
    summary="Recommend a scheme",
    response_model=documents.Recommendation,
    response_description=documents.Recommendation.__doc__ or "",
    openapi_extra=GET_RECOMMEND,
)
async def get_recommend(request: Request) -> Response:
    """The scheme that fits an activation, why, and what else may serve; with the fans, its standard deviation and bound too."""
    wanted = read_text(RecommendRequest, request.query_params.multi_items())
    await _gains(request, wanted)
    return json_response(recommendation_of(wanted))


@routes.head("/schemes", include_in_schema=False)
@routes.get(
    "/schemes",
    tags=["advice"],
    summary="List the schemes",
    response_model=documents.SchemeCatalogue,
    response_description=documents.SchemeCatalogue.__doc__ or "",
)
async def get_schemes(_: Request) -> Response:
    """Every scheme: its names, parameters, formula and reference."""
    return json_response(catalogue.schemes())


@routes.head("/activations", include_in_schema=False)
@routes.get(
    "/activations",
    tags=["advice"],
    summary="List the activations",
    response_model=documents.ActivationCatalogue,
    response_description=documents.ActivationCatalogue.__doc__ or "",
)
async def get_activations(_: Request) -> Response:
    """Every activation: its names, parameters, gains and recommended scheme."""
    return json_response(catalogue.activations())


@routes.head("/healthz", include_in_schema=False)
@routes.get(
    "/healthz",
    tags=["operation"],
    summary="Is the process alive?",
    response_model=documents.Health,
    response_description=documents.Health.__doc__ or "",
)
async def get_healthz(_: Request) -> Response:
    """Always 200 while the process can answer."""
    return json_response({"status": "ok", "version": __version__}, cache=False)


@routes.head("/readyz", include_in_schema=False)
@routes.get(
    "/readyz",
    tags=["operation"],
    summary="May it get requests?",
    response_model=documents.Readiness,
    response_description=documents.Readiness.__doc__ or "",
    responses=NOT_READY,
)
async def get_readyz(request: Request) -> Response:
    """200 when requests are welcome; 503 while the kernels are being loaded, and before the end. Requests are answered then too."""
    if obstacle := request.app.state.readiness.obstacle:
        raise HttpProblem(HTTPStatus.SERVICE_UNAVAILABLE, obstacle, {"Retry-After": "1"})
    return json_response({"status": "ready", "engine": engines.current().name}, cache=False)


@routes.get("/", include_in_schema=False)
async def get_root(_: Request) -> Response:
    """A person with a browser wants the documentation."""
    return RedirectResponse("/docs")
