"""The application: its routes, and nothing that a route does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from service import __version__
from service.contract import catalogue
from service.contract.advice import recommend
from service.contract.answer import answer
from service.contract.request import Expression, InitRequest, RecommendRequest
from service.core import engines
from service.files.formats import find_format
from service.settings import Settings
from service.web import problems
from service.web.digests import Digests
from service.web.negotiation import accepted_format
from service.web.openapi import GET_INIT, GET_RECOMMEND, POST_INIT, complete
from service.web.problems import HttpProblem
from service.web.reading import json_body
from service.web.responses import answered, json_response
from service.web.startup import lifespan

P = ParamSpec("P")
R = TypeVar("R")


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and makes the response: FastAPI has nothing to resolve, to check or to write."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint itself."""
        return self.endpoint


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
    )
    app.state.settings = settings or Settings()
    app.state.digests = Digests()
    app.state.is_ready = lambda: True
    app.state.routes = routes.routes
    problems.install(app)
    complete(app)
    return app


@routes.post("/init", tags=["weights"], summary="Initialize a tensor", openapi_extra=POST_INIT)
async def post_init(request: Request) -> Response:
    """A tensor from a JSON specification."""
    body = await json_body(request, request.app.state.settings.max_body_bytes)
    return await _init(request, InitRequest.from_json(body))


@routes.head("/init", include_in_schema=False)
@routes.get("/init", tags=["weights"], summary="Initialize a tensor", openapi_extra=GET_INIT)
async def get_init(request: Request) -> Response:
    """The same from a query: a plain URL, which can be cached, resumed and shared. The scheme's parameters stand beside the fields."""
    return await _init(request, InitRequest.from_text(request.query_params.multi_items()))


async def _init(request: Request, wanted: InitRequest) -> Response:
    headers = request.headers
    file_format = accepted_format(headers.get("accept")) if wanted.format is None else find_format(wanted.format)
    made = await _aside(wanted, answer, wanted, file_format, request.app.state.settings.limits)
    return answered(made, request)


async def _aside(wanted: InitRequest | RecommendRequest, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do it at once; but the gains of a formula that a user wrote take up to a second, in which others are served."""
    if isinstance(wanted.activation, Expression):
        return await run_in_threadpool(work, *args, **kwargs)
    return work(*args, **kwargs)


@routes.head("/recommend", include_in_schema=False)
@routes.get("/recommend", tags=["advice"], summary="Recommend a scheme", openapi_extra=GET_RECOMMEND)
async def get_recommend(request: Request) -> Response:
    """The scheme that fits an activation, why, and what else may serve; with the fans, its standard deviation and bound too."""
    wanted = RecommendRequest.from_text(request.query_params.multi_items())
    return json_response(await _aside(wanted, recommend, wanted))


@routes.head("/schemes", include_in_schema=False)
@routes.get("/schemes", tags=["advice"], summary="List the schemes")
async def get_schemes(_: Request) -> Response:
    """Every scheme: its names, parameters, formula and reference."""
    return json_response({"schemes": catalogue.schemes()})


@routes.head("/activations", include_in_schema=False)
@routes.get("/activations", tags=["advice"], summary="List the activations")
async def get_activations(_: Request) -> Response:
    """Every activation: its names, parameters, gains and recommended scheme."""
    return json_response({"activations": catalogue.activations()})


@routes.head("/healthz", include_in_schema=False)
@routes.get("/healthz", tags=["operation"], summary="Is the process alive?")
async def get_healthz(_: Request) -> Response:
    """Always 200 while the process can answer."""
    return json_response({"status": "ok", "version": __version__}, cache=False)


@routes.head("/readyz", include_in_schema=False)
@routes.get("/readyz", tags=["operation"], summary="May it get requests?", responses={503: {"description": "Kernels are being loaded."}})
async def get_readyz(request: Request) -> Response:
    """200 when requests are welcome; 503 while the kernels are being loaded. Requests are answered then too, more slowly."""
    if not request.app.state.is_ready():
        raise HttpProblem(HTTPStatus.SERVICE_UNAVAILABLE, "The kernels are being loaded. Ask again in a second.", {"Retry-After": "1"})
    return json_response({"status": "ready", "engine": engines.current().name}, cache=False)


@routes.get("/", include_in_schema=False)
async def get_root(_: Request) -> Response:
    """A person with a browser wants the documentation."""
    return RedirectResponse("/docs")
