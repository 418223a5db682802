"""The client that blocks: no event loop, so it works in scripts, threads and notebooks alike."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
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


def _blocking(
    method: Callable[Concatenate[Core, P], Steps[T]],
) -> Callable[Concatenate["LagemClient", P], T]:
    @functools.wraps(method)
    def call(self: "LagemClient", /, *args: P.args, **options: P.kwargs) -> T:
        return self._run(method(self._core, *args, **options))

    told_as(call, method, outcome)
    return call


def _iterating(
    method: Callable[Concatenate[Core, P], Steps[Any]],
) -> Callable[Concatenate["LagemClient", P], Iterator[Event]]:
    @functools.wraps(method)
    def call(self: "LagemClient", /, *args: P.args, **options: P.kwargs) -> Iterator[Event]:
        return self._iterate(method(self._core, *args, **options))

    told_as(call, method, lambda _: Iterator[Event])
    return call


class LagemClient:
    """A LaGeM server, in Python.

    A submission is sent with a key of its own, so that it runs once however often it had to be
    sent; it is sent again where the connection breaks or the server is busy (429, 503, after the
    delay it asks for). What goes wrong is raised as a leaf of ``service.errors.ServiceError``, with
    ``code``, ``detail``, ``suggestion``, ``param``, ``job`` and ``request_id``, or as one of
    ``service.client.errors``. Results are downloaded whole before they are returned. A call that is
    interrupted leaves its job running: ``jobs()`` lists it, ``cancel()`` ends it.

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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(transport=transport, **http_options(base_url, api_key))
        self._core = Core(retries or RetryPolicy(), timeout)

    encode = _blocking(Core.encode)
    generate = _blocking(Core.generate)
    resample = _blocking(Core.resample)
    decode = _blocking(Core.decode)
    submit_encode = _blocking(Core.submit_encode)
    submit_generate = _blocking(Core.submit_generate)
    submit_resample = _blocking(Core.submit_resample)
    submit_decode = _blocking(Core.submit_decode)
    wait = _blocking(Core.wait)
    watch = _iterating(Core.watch)
    job = _blocking(Core.job)
    jobs = _blocking(Core.jobs)
    cancel = _blocking(Core.cancel)
    categories = _blocking(Core.categories)
    models = _blocking(Core.models)
    shape = _blocking(Core.shape)
    tree = _blocking(Core.tree)
    mesh = _blocking(Core.mesh)
    mesh_file = _blocking(Core.mesh_file)
    latents = _blocking(Core.latents)
    fetch = _blocking(Core.fetch)
    save = _blocking(Core.save)

    @property
    def base_url(self) -> str:
        """Address of the server."""
        return str(self._http.base_url)

    def close(self) -> None:
        """Close the connections; results stay."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, steps: Steps[T]) -> T:
        with contextlib.closing(_Driver(self._http)) as driver:
            answer: Any = None
            while True:
                try:
                    effect = steps.send(answer)
                except StopIteration as end:
                    result: T = end.value
                    return result
                answer = driver.perform(effect)

    def _iterate(self, steps: Steps[Any]) -> Iterator[Event]:
        with contextlib.closing(_Driver(self._http)) as driver:
            answer: Any = None
            while True:
                try:
                    effect = steps.send(answer)
                except StopIteration:
                    return
                if isinstance(effect, Emit):
                    yield effect.event
                    answer = None
                else:
                    answer = driver.perform(effect)


class _Driver:
    """Carries effects out for one conversation; has the stream that this has open."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._stream: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def perform(self, effect: Effect) -> Any:
        try:
            match effect:
                case Send(call):
                    return self._http.send(self._request(call))
                case Open(call):
                    return self._open(call)
                case Read():
                    return next(self._chunks, None)
                case Sleep(seconds):
                    return time.sleep(seconds)
                case Work(function):
                    return function()
                case Emit():
                    return None
        except httpx.TransportError as error:
            return error

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._chunks = None, iter(())

    def _open(self, call: Call) -> httpx.Response:
        self.close()
        response = self._http.send(self._request(call), stream=True)
        self._stream, self._chunks = response, response.iter_bytes()
        if response.status_code != 200:
            response.read()
        return response

    def _request(self, call: Call) -> httpx.Request:
        return self._http.build_request(**request_options(call))
