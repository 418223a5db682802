"""HTTP on a connection: uvicorn's protocol, bounded, and with problems as its own refusals.

A refusal is counted and logged like a request, though none reached the app: ``GatewayMetrics`` are
in the state that the app's lifespan gives to the server, under ``METRICS_STATE``.
"""

import asyncio
import http
import secrets
import sys
from typing import Any, ClassVar

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.errors import MalformedRequest
from service.gateway.problem import problem_response
from service.telemetry import GatewayMetrics, LogField

METRICS_STATE = "metrics"
_UNKNOWN = "unknown"


class ProblemProtocol(HttpToolsProtocol):
    """Refuses what is no HTTP by problem+json, and heads that are large or never end.

    Attributes:
        max_head_bytes: of the request line and headers, give or take what one read brings; of
            trailers, chunk extensions and blank lines as well.
        head_timeout_s: for the whole head to arrive, counted from the connection's start where it
            is the first one.
    """

    max_head_bytes: ClassVar[int] = 64 * 1024
    head_timeout_s: ClassVar[float] = 20.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fruitless = 0  # bytes since the last head, piece of a body, or end of a message
        self._head_timer: asyncio.TimerHandle | None = None
        self._cycles: list[RequestResponseCycle] = []  # of requests not yet answered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and tell every request on it: uvicorn tells the last one alone.

        Else one that is answered while others wait behind it would write to what is closed.
        """
        self._forget_timer()
        super().connection_lost(exc)
        for cycle in self._cycles:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless that goes on without leading to anything."""
        self._fruitless += len(data)
        super().data_received(data)
        if self._fruitless > self.max_head_bytes and not self.transport.is_closing():
            self.send_400_response(
                f"The head of the request is larger than {self.max_head_bytes:,} bytes."
            )

    def on_message_begin(self) -> None:
        """A request line has begun."""
        self._fruitless = 0
        self._forget_timer()
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._too_slow)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there; of several hosts, a proxy may have trusted another one (RFC 9112)."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise MalformedRequest(f"A request has one Host header, not {hosts}.")
        self._fruitless = 0
        self._forget_timer()
        super().on_headers_complete()
        self._cycles = [cycle for cycle in self._cycles if not cycle.response_complete]
        if self.cycle is not None:
            self._cycles.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        """A piece of the body is there."""
        self._fruitless = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._fruitless = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is on the connection, and close it.

        In the middle of a response nothing can be said any more.
        """
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            request_id = f"req_{secrets.token_hex(12)}"
            error = MalformedRequest(
                _cause(sys.exception()) or msg,
                suggestion="Check the request line, the headers, and how the body is framed.",
            )
            self.transport.write(_refusal(error, request_id))
            self._record(error, request_id)
        self.transport.close()

    def _record(self, error: MalformedRequest, request_id: str) -> None:
        status = error.spec.http
        metrics: GatewayMetrics | None = self.app_state.get(METRICS_STATE)
        if metrics is not None:
            metrics.http_requests.labels(_UNKNOWN, "unmatched", str(status)).inc()
        structlog.get_logger("gateway.access").info(
            "request",
            **{LogField.REQUEST_ID: request_id, LogField.CODE: error.code},
            method=_UNKNOWN,
            status=status,
            detail=error.detail,
        )

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.send_400_response(
                f"No whole request head came within {self.head_timeout_s:g} seconds."
            )

    def _forget_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _cause(error: BaseException | None) -> str | None:
    """What the parser says of what it stopped at; None where it was not the parser."""
    match error:
        case httptools.HttpParserCallbackError(__context__=MalformedRequest(detail=detail)):
            return detail
        case httptools.HttpParserError():
            return f"This is no HTTP request: {error}."
    return None


def _refusal(error: MalformedRequest, request_id: str) -> bytes:
    response = problem_response(error, path="", request_id=request_id)
    response.headers["x-request-id"] = request_id
    response.headers["connection"] = "close"
    status = http.HTTPStatus(response.status_code)
    lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode())]
    lines += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(response.body)])
