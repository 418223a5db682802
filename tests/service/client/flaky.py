"""A way to the server on which things go wrong as scripted, for both clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx


def refuse(request: httpx.Request) -> httpx.Response:
    """The server is not there."""
    raise httpx.ConnectError("refused", request=request)


def lose(request: httpx.Request) -> None:
    """The answer gets lost: the server has done its work."""


@dataclass(frozen=True)
class Cut:
    """A stream that breaks off after some bytes with this in them, or ends there cleanly."""

    behind: bytes
    clean: bool = False


@dataclass(frozen=True)
class Busy:
    """An answer in place of the server's."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None


Fault = Callable[[httpx.Request], Any] | Cut | Busy | None


class Flaky(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Each request that ``matches`` takes one fault from the script; None is no fault.

    Attributes:
        requests: all that were made.
    """

    def __init__(self, *faults: Fault, path: str = "", always: Fault = None) -> None:
        self.faults = list(faults)
        self.always = always
        self.path = path
        self.requests: list[httpx.Request] = []
        self._blocking = httpx.HTTPTransport()
        self._asynchronous = httpx.AsyncHTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        fault = self._next(request)
        answer = self._instead(fault, request)
        if answer is None:
            answer = self._blocking.handle_request(request)
            if fault is lose:
                answer.read()
                raise httpx.ReadError("broken", request=request)
        return _cut(answer, fault)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fault = self._next(request)
        answer = self._instead(fault, request)
        if answer is None:
            answer = await self._asynchronous.handle_async_request(request)
            if fault is lose:
                await answer.aread()
                raise httpx.ReadError("broken", request=request)
        return _cut(answer, fault)

    def close(self) -> None:
        self._blocking.close()

    async def aclose(self) -> None:
        await self._asynchronous.aclose()

    def _next(self, request: httpx.Request) -> Fault:
        self.requests.append(request)
        if self.path not in request.url.path:
            return None
        return self.faults.pop(0) if self.faults else self.always

    def _instead(self, fault: Fault, request: httpx.Request) -> httpx.Response | None:
        if isinstance(fault, Busy):
            return httpx.Response(fault.status, headers=fault.headers, json=fault.json)
        return refuse(request) if fault is refuse else None


def _cut(answer: httpx.Response, fault: Fault) -> httpx.Response:
    if isinstance(fault, Cut):
        answer.stream = _CutStream(answer.stream, fault)
    return answer


class _CutStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, stream: Any, cut: Cut) -> None:
        self._stream, self._cut = stream, cut
        self._seen = b""

    def _ended(self, chunk: bytes) -> bool:
        self._seen += chunk
        return self._cut.behind in self._seen

    def _break(self) -> None:
        if not self._cut.clean:
            raise httpx.ReadError("broken")

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            yield chunk
            if self._ended(chunk):
                return self._break()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk
            if self._ended(chunk):
                self._break()
                return

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()
