"""The client to await: for programs, and notebooks, that run an event loop."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from service.client.address import http_options, request_options
from service.client.core import Core
from service.client.effects import Call, Effect, Emit, Open, Read, Send, Sleep, Steps, Work
from service.client.events import Event
from service.client.retries import RetryPolicy
from service.client.signatures import outcome, told_as

P = ParamSpec("P")
T = TypeVar("T")


def _awaiting(
    method: Callable[Concatenate[Core, P], Steps[T]],
) -> Callable[Concatenate["AsyncLagemClient", P], Coroutine[Any, Any, T]]:
    @functools.wraps(method)
    async def call(self: "AsyncLagemClient", /, *args: P.args, **options: P.kwargs) -> T:
        return await self._run(method(self._core, *args, **options))

    told_as(call, method, outcome)
    return call


def _iterating(
    method: Callable[Concatenate[Core, P], Steps[Any]],
) -> Callable[Concatenate["AsyncLagemClient", P], AsyncIterator[Event]]:
    @functools.wraps(method)
    def call(
        self: "AsyncLagemClient", /, *args: P.args, **options: P.kwargs
    ) -> AsyncIterator[Event]:
        return self._iterate(method(self._core, *args, **options))

    told_as(call, method, lambda _: AsyncIterator[Event])
    return call


class AsyncLagemClient:
    """As ``LagemClient``: each method is awaited, ``watch`` is gone through by ``async for``.

    Files are read, and meshes written and read, in threads, so that the loop goes on.

    Args:
        base_url: address of the server; default: ``LAGEM_URL``, else http://localhost:8000.
        api_key: sent as ``Authorization: Bearer``; default: ``LAGEM_API_KEY``, else none.
        timeout: seconds that ``encode`` and so on wait for their job; None: until it ends.
        retries: how often a call is tried, and how long.
        transport: another way to the server than a socket, as httpx has it.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | None = None,
        retries: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(transport=transport, **http_options(base_url, api_key))
        self._core = Core(retries or RetryPolicy(), timeout)

    encode = _awaiting(Core.encode)
    generate = _awaiting(Core.generate)
    resample = _awaiting(Core.resample)
    decode = _awaiting(Core.decode)
    submit_encode = _awaiting(Core.submit_encode)
    submit_generate = _awaiting(Core.submit_generate)
    submit_resample = _awaiting(Core.submit_resample)
    submit_decode = _awaiting(Core.submit_decode)
    wait = _awaiting(Core.wait)
    watch = _iterating(Core.watch)
    job = _awaiting(Core.job)
    jobs = _awaiting(Core.jobs)
    cancel = _awaiting(Core.cancel)
    categories = _awaiting(Core.categories)
    models = _awaiting(Core.models)
    shape = _awaiting(Core.shape)
    tree = _awaiting(Core.tree)
    mesh = _awaiting(Core.mesh)
    mesh_file = _awaiting(Core.mesh_file)
    latents = _awaiting(Core.latents)
    fetch = _awaiting(Core.fetch)
    save = _awaiting(Core.save)

    @property
    def base_url(self) -> str:
        """Address of the server."""
        return str(self._http.base_url)

    async def close(self) -> None:
        """Close the connections; results stay."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, steps: Steps[T]) -> T:
        driver, answer = _Driver(self._http), None
        try:
            while True:
                try:
                    effect = steps.send(answer)
                except StopIteration as end:
                    result: T = end.value
                    return result
                answer = await driver.perform(effect)
        finally:
            await driver.close()

    async def _iterate(self, steps: Steps[Any]) -> AsyncIterator[Event]:
        driver, answer = _Driver(self._http), None
        try:
            while True:
                try:
                    effect = steps.send(answer)
                except StopIteration:
                    return
                if isinstance(effect, Emit):
                    yield effect.event
                    answer = None
                else:
                    answer = await driver.perform(effect)
        finally:
            await driver.close()


class _Driver:
    """Carries effects out for one conversation; has the stream that this has open."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._stream: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def perform(self, effect: Effect) -> Any:
        try:
            match effect:
                case Send(call):
                    return await self._http.send(self._request(call))
                case Open(call):
                    return await self._open(call)
                case Read():
                    assert self._chunks is not None
                    return await anext(self._chunks, None)
                case Sleep(seconds):
                    return await asyncio.sleep(seconds)
                case Work(function):
                    return await asyncio.to_thread(function)
                case Emit():
                    return None
        except httpx.TransportError as error:
            return error

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()
        self._stream = self._chunks = None

    async def _open(self, call: Call) -> httpx.Response:
        await self.close()
        response = await self._http.send(self._request(call), stream=True)
        self._stream, self._chunks = response, response.aiter_bytes()
        if response.status_code != 200:
            await response.aread()
        return response

    def _request(self, call: Call) -> httpx.Request:
        return self._http.build_request(**request_options(call))
