"""What an orchestrator asks a worker over HTTP: is it alive, does it take jobs, how does it do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

_TEXT = "text/plain; charset=utf-8"
_REQUEST_TIMEOUT_S = 5.0

_NO_REQUEST = (
    OSError,
    TimeoutError,
    ValueError,
    asyncio.IncompleteReadError,
    asyncio.LimitOverrunError,
)
"""A head that breaks off, comes too slowly, is no HTTP, or is larger than a stream reader takes."""


class Probes:
    """Answers ``GET /livez``, ``/readyz`` and ``/metrics``, one request a connection.

    ``/livez`` is the event loop answering at all: it says nothing of the model or Redis, since a
    restart of this process would mend neither.

    Args:
        ready: what ``/readyz`` reports.
        registry: what ``/metrics`` shows.
    """

    def __init__(self, ready: Callable[[], bool], registry: CollectorRegistry) -> None:
        self._ready = ready
        self._registry = registry

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        """Answer while inside; gives the port, which the system chooses where ``port`` is 0."""
        server = await asyncio.start_server(self._serve, host, port)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(*_NO_REQUEST):
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
            writer.write(_response(*self._answer(method, path)))
            await writer.drain()

    def _answer(self, method: str, path: str) -> tuple[HTTPStatus, str, bytes]:
        if method != "GET":
            return HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"use GET\n"
        match path:
            case "/livez":
                return HTTPStatus.OK, _TEXT, b"ok\n"
            case "/readyz" if self._ready():
                return HTTPStatus.OK, _TEXT, b"ok\n"
            case "/readyz":
                return HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, b"model or queue not ready\n"
            case "/metrics":
                return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self._registry)
            case _:
                return HTTPStatus.NOT_FOUND, _TEXT, b"try /livez, /readyz or /metrics\n"


def _response(status: HTTPStatus, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
