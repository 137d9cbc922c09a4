"""Errors as RFC 9457 problem details: one shape for every status, and one table from exceptions to statuses."""

from __future__ import annotations

import logging
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from service.contract.documents import Problem
from service.contract.errors import FieldError, InvalidRequest, field_error
from service.core.errors import Busy, InitError, InvalidValue, TooLarge, TooSlow, UnknownName, Unsupported

PROBLEM_MEDIA_TYPE = "application/problem+json"
REFUSAL = "weight_init.refusal"  # scope key for the HttpProblem of a request that the connection refuses

_log = logging.getLogger("weight_init.web")

_STATUS_OF: dict[type[InitError], HTTPStatus] = {
    InvalidValue: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnknownName: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unsupported: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooSlow: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}

_ADVICE = {
    HTTPStatus.NOT_FOUND: "The routes are /init, /checkpoint, /checkpoints, /recommend, /schemes, /activations, /healthz, /readyz, /docs.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Use one of the methods in the Allow header.",
}


class HttpProblem(Exception):
    """An error that only HTTP has, such as a body that is too large or a range outside the file."""

    def __init__(self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        super().__init__(detail)

    @property
    def response(self) -> Response:
        """The response that tells the client."""
        return problem(self.status, self.detail, headers=self.headers)


def problem(status: HTTPStatus, detail: str, *, errors: list[FieldError] | None = None, headers: dict[str, str] | None = None) -> Response:
    """Return the response for a problem."""
    content: Problem = {
        "type": f"urn:weight-init:problem:{status.name.lower().replace('_', '-')}",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
    }
    if errors:
        content["errors"] = errors
    return Response(
        orjson.dumps(content),
        status.value,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type=PROBLEM_MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Answer every known error of `app` with a problem. The middleware Watch handles unexpected exceptions."""
    app.add_exception_handler(InitError, _on_init_error)
    app.add_exception_handler(Busy, _on_busy)
    app.add_exception_handler(InvalidRequest, _on_invalid_request)
    app.add_exception_handler(HttpProblem, _on_http_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_init_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, InitError)
    return problem(_STATUS_OF[type(error)], str(error), errors=[field_error(error)])


async def _on_busy(_: Request, error: Exception) -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "1"})


async def _on_invalid_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidRequest)
    status = HTTPStatus.BAD_REQUEST if error.malformed else HTTPStatus.UNPROCESSABLE_ENTITY
    return problem(status, str(error), errors=error.errors)


async def _on_http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HttpProblem)
    return error.response


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    path = request.scope["path"]  # request.url has the Host header in it, which may be anything
    detail = f"{status.phrase}: {request.method} {path}. {_ADVICE.get(status, '')}".rstrip()
    allow = {"Allow": _allowed(request)} if status is HTTPStatus.METHOD_NOT_ALLOWED else {}
    return problem(status, detail, headers=dict(error.headers or {}) | allow)


def _allowed(request: Request) -> str:
    """Return the methods of every route with this path. The router itself reports only those of the first."""
    routes = (route for route in request.app.state.routes if route.path == request.scope["path"])
    return ", ".join(sorted({method for route in routes for method in route.methods}))


async def on_bug(request: Request, error: Exception) -> Response:
    """Log an unexpected exception, which nothing else logs, and return its response."""
    _log.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The service has a defect; the request is not the cause. The log of the service has a traceback. Please report it.",
    )
