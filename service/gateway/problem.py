"""Every error as RFC 9457 problem+json, whoever raised it."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from service.contract import Problem
from service.errors import (
    Canceled,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    QueueUnavailable,
    ServiceError,
    Unauthenticated,
)
from service.gateway.validation import invalid_parameters

MEDIA_TYPE = "application/problem+json"

_METHODS = ("GET", "HEAD", "POST", "DELETE")
_MOST_CHARACTERS = 2000


def install(app: FastAPI) -> None:
    """Make the app answer all errors it handles itself with a problem body."""
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)


def problem_response(error: ServiceError, *, path: str, request_id: str) -> Response:
    """The response that tells ``error`` to a caller."""
    problem = Problem(
        type=f"urn:lagem:problem:{error.code}",
        title=error.spec.title,
        status=error.spec.http,
        detail=_shortened(error.detail),
        instance=path,
        code=error.code,
        suggestion=error.suggestion,
        param=None if error.param is None else _shortened(error.param),
        retryable=error.spec.retryable,
        request_id=request_id,
        job=error.job,
    )
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if error.param == "Content-Encoding":
        headers["Accept-Encoding"] = "identity"  # RFC 9110, 15.5.16
    return Response(
        problem.model_dump_json(), error.spec.http, headers=headers, media_type=MEDIA_TYPE
    )


async def refuse(error: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a problem, without asking the app: for middleware."""
    request_id = scope["state"]["request_id"]
    await problem_response(error, path=scope["path"], request_id=request_id)(scope, receive, send)


def _shortened(text: str) -> str:
    """Errors quote what came, which may be as long as a request's head."""
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."


def _respond(request: Request, error: ServiceError) -> Response:
    return problem_response(error, path=request.url.path, request_id=request.state.request_id)


async def _on_service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    request.state.unanswered = isinstance(error, QueueUnavailable)
    return _respond(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Errors of the framework's own: no such route, wrong method, unreadable form."""
    assert isinstance(error, HTTPException)
    path, method = request.url.path, "HEAD" if request.state.head else request.method
    match error.status_code:
        case 404:
            hint = "GET /docs lists the routes."
            return _respond(request, NotFound(f"There is no route {path}.", suggestion=hint))
        case 405:
            allowed = ", ".join(_allowed_methods(request))
            detail = f"{path} does not take {method}."
            response = _respond(request, MethodNotAllowed(detail, suggestion=f"Use {allowed}."))
            response.headers["Allow"] = allowed
            return response
        case status if 400 <= status < 500:
            return _respond(request, MalformedRequest(str(error.detail)))
    return _respond(request, InternalError(str(error.detail)))


def _allowed_methods(request: Request) -> list[str]:
    """The methods that some route takes at a request's path; a route by itself knows its own."""

    def taken(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    # Where there is GET there is HEAD (service.gateway.head).
    return [method for method in _METHODS if taken("GET" if method == "HEAD" else method)]


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # A location begins with where it was found: query, path, header.
    return _respond(request, invalid_parameters(error.errors(), skip=1))


async def _on_disconnect(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """The caller went away while sending: nobody reads this, but log and metrics do."""
    return _respond(request, Canceled("The caller went away before all of the body was there."))
