"""What surrounds every request: its id, its log line, its metrics, its caller, its body's limit."""

import asyncio
import re
import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import InternalError, MalformedRequest, Unauthenticated
from service.gateway.access import Access
from service.gateway.problem import problem_response, refuse
from service.gateway.routes.docs import ASSETS_PATH as DOCS_PATH
from service.gateway.routes.page import ASSETS_PATH as PAGE_PATH
from service.gateway.upload import upload_too_large
from service.telemetry import GatewayMetrics, LogField

REQUEST_ID_HEADER = "X-Request-Id"

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})

_OPEN = _PROBES | {"/", "/docs", "/openapi.json"}
"""Paths that need no key: probes, which have none to send, and pages, which say no more than the
public documentation does; a browser cannot send a key when it opens one."""

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class Observation:
    """Gives each request an id, and tells log and metrics how it ended.

    The id is the caller's ``X-Request-Id`` where that is well formed, else a new one; it is in
    ``request.state.request_id``, in every log line and on every response. An exception that nobody
    handled becomes a problem+json 500 here, so that it carries the id as well.
    """

    def __init__(self, app: ASGIApp, *, metrics: GatewayMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = structlog.get_logger("gateway.access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = accepted_request_id(Headers(scope=scope).get(REQUEST_ID_HEADER, ""))
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request_id
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(**{LogField.REQUEST_ID: request_id}):
            try:
                await self._app(scope, receive, send_observed)
            except Exception:  # noqa: BLE001 - the last resort of every request
                self._log.exception("request failed", path=scope["path"])
                if status == 0:
                    response = _internal_problem(scope["path"], request_id)
                    await response(scope, receive, send_observed)
            finally:
                self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # Only the route's pattern is a label: paths hold ids, and callers can invent any.
        route = getattr(scope.get("route"), "path", "unmatched")
        labels = (scope["method"], route)
        self._metrics.http_requests.labels(*labels, str(status)).inc()
        self._metrics.http_request_duration.labels(*labels).observe(seconds)
        if scope["path"] not in _PROBES:
            caller = scope["state"].get("caller")
            self._log.info(
                "request",
                **({} if caller is None else {LogField.TENANT: caller.name}),
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=round(seconds * 1000, 1),
            )


class Authentication:
    """Puts the caller into ``request.state.caller``, or answers 401 before the body is read."""

    def __init__(self, app: ASGIApp, *, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            scope["state"]["caller"] = await self._access.caller(Headers(scope=scope))
        except Unauthenticated as error:
            await refuse(error, scope, receive, send)
            return

        async def send_private(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A cache on the way must not hand one caller's shapes to another.
                MutableHeaders(scope=message).setdefault("Cache-Control", "private")
            await send(message)

        await self._app(scope, receive, send_private if self._access.needs_key else send)


class BodyLimit:
    """Refuses bodies above a size, by ``Content-Length`` or while they stream, and slow ones."""

    def __init__(self, app: ASGIApp, *, max_bytes: int, max_seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            await refuse(upload_too_large(self._max_bytes), scope, receive, send)
            return
        end = asyncio.get_running_loop().time() + self._max_seconds
        received, complete, late = 0, False, False

        async def receive_counted() -> Message:
            nonlocal received, complete, late
            try:
                async with asyncio.timeout_at(None if complete else end):
                    message = await receive()
            except TimeoutError:
                late = True
                raise self._too_slow() from None
            complete = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise upload_too_large(self._max_bytes)
            return message

        async def send_closing(message: Message) -> None:
            if late and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive_counted, send_closing)

    def _too_slow(self) -> MalformedRequest:
        return MalformedRequest(
            f"The body took more than {self._max_seconds:g} seconds to arrive.",
            suggestion="Send all of it, at a better connection, or as a smaller file.",
        )


def _is_open(path: str) -> bool:
    path = path.removeprefix("/v1")
    return path in _OPEN or path.startswith((DOCS_PATH, PAGE_PATH))


def accepted_request_id(given: str) -> str:
    """The caller's id where it is well formed, else a new one."""
    return given if _ACCEPTED_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"


def unexpected_error() -> InternalError:
    """What a caller is told of a defect: nothing of its cause, which is in the log."""
    return InternalError(
        "An unexpected error occurred; it has been logged under this request id.",
        suggestion="Report the request id if it happens again.",
    )


def _internal_problem(path: str, request_id: str) -> ASGIApp:
    return problem_response(unexpected_error(), path=path, request_id=request_id)
