"""What surrounds every call: its request id, who asks, its log line and metrics, its errors."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc.aio import ServerInterceptor, ServicerContext

from service.errors import MalformedRequest, QueueUnavailable, RateLimited, ServiceError
from service.gateway.grpc.metadata import (
    REQUEST_ID,
    Metadata,
    headers_of,
    idempotency_key,
    peer_address,
    quota_metadata,
)
from service.gateway.grpc.status import grpc_status, status_code
from service.gateway.middleware import accepted_request_id, unexpected_error
from service.gateway.state import Gateway
from service.gateway.streams import OpenStreams
from service.gateway.submission import Call
from service.pb import lagem_pb2
from service.telemetry import LogField

SERVICE = lagem_pb2.DESCRIPTOR.services_by_name["LagemService"].full_name

_SUBMISSIONS = ("Encode", "Generate", "Resample", "Decode", "GetMesh")
"""Calls that count against a limit of the caller's."""

MOST_KEYLESS = 100
"""Calls that need no key, at a time: of each kind, and far below what the server takes."""

_LINGER_S = 2.0
_KEYLESS_MESSAGE_S = 5.0

Context = ServicerContext[Any, Any]
Messages = AsyncIterable[Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in the stubs alone

_current_call: ContextVar[Call] = ContextVar("current_call")


def current_call() -> Call:
    """Who asks; within a call of the service only."""
    return _current_call.get()


class CallInterceptor(ServerInterceptor):
    """Surrounds every call. Those of health and reflection need no key, but are counted.

    Else whoever needs no key could hold all the calls that the server takes. Looks at health are
    counted apart, so that nobody's streams make a probe fail.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        cap = gateway.settings.stream_cap
        self._checks = OpenStreams(cap, in_all=MOST_KEYLESS)
        self._keyless = OpenStreams(cap, in_all=MOST_KEYLESS)
        self._lingering = OpenStreams(cap, in_all=MOST_KEYLESS)
        self._log = structlog.get_logger("gateway.grpc")

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """The handler of the call, with all that surrounds it."""
        handler = await continuation(handler_call_details)
        service, _, method = handler_call_details.method.lstrip("/").partition("/")
        if handler is None:
            return None
        own = service == SERVICE
        seconds = self._gateway.settings.upload_timeout_s if own else _KEYLESS_MESSAGE_S
        return _within(handler, partial(self._surrounding, service, method), seconds)

    @asynccontextmanager
    async def _surrounding(
        self, service: str, method: str, context: Context, messages: Messages
    ) -> AsyncIterator[None]:
        headers, call = headers_of(context), None
        request_id = accepted_request_id(headers.get(REQUEST_ID, ""))
        peer = peer_address(context.peer())
        code, started = grpc.StatusCode.OK, time.perf_counter()
        with structlog.contextvars.bound_contextvars(**{LogField.REQUEST_ID: request_id}):
            try:
                await context.send_initial_metadata(((REQUEST_ID, request_id),))
                if service != SERVICE:
                    with self._places(method).opened(Call(peer=peer)):
                        yield
                    return
                call = await self._call(headers, request_id, peer)
                _current_call.set(call)
                yield
            except asyncio.CancelledError:
                code = _how_it_was_left(context)
                raise
            except Exception as error:
                if context.cancelled():  # there is nobody left to tell: a write failed of that
                    code = _how_it_was_left(context)
                    raise asyncio.CancelledError from error
                told = self._told(method, error)
                code = status_code(told)
                await self._read_out(messages, peer)
                status = grpc_status(told, request_id=request_id, call=call)
                left = await self._left(method, call, told)
                await context.abort(status.code, status.details, (*status.trailing_metadata, *left))
            finally:
                self._record(service, method, code, time.perf_counter() - started)

    def _places(self, method: str) -> OpenStreams:
        return self._checks if method == "Check" else self._keyless

    def _told(self, method: str, error: Exception) -> ServiceError:
        """What the caller is told of an error; a defect is logged."""
        if isinstance(error, ServiceError):
            return error
        if isinstance(error, DecodeError):
            return MalformedRequest(
                f"A message of the call is none that {method} takes.",
                suggestion="Send what the protocol (protos/, reflection) says, as protobuf.",
            )
        self._log.exception("call failed", method=method)
        return unexpected_error()

    async def _read_out(self, messages: Messages, peer: str) -> None:
        """Read for a while what the caller still sends, so that the status of a refusal arrives.

        A client that is told while it writes may take the failed write for the outcome of its call.
        """
        with (
            contextlib.suppress(TimeoutError, RateLimited, DecodeError),
            self._lingering.opened(Call(peer=peer)),
        ):
            async with asyncio.timeout(_LINGER_S):
                async for _ in messages:
                    pass

    async def _left(self, method: str, call: Call | None, told: ServiceError) -> Metadata:
        """What is left of the caller's limits after a refusal; a silent Redis is not asked."""
        if call is None or method not in _SUBMISSIONS or isinstance(told, QueueUnavailable):
            return ()
        return await quota_metadata(self._gateway.jobs, call)

    async def _call(self, headers: dict[str, str], request_id: str, peer: str) -> Call:
        """Who asks, from the metadata; the one place where a gRPC caller becomes a tenant.

        Raises:
            Unauthenticated: as ``Access.caller``, before a stream of the caller's is read.
        """
        caller = await self._gateway.access.caller(headers)
        structlog.contextvars.bind_contextvars(**{LogField.TENANT: caller.name})
        return Call(
            tenant=caller.tenant,
            request_id=request_id,
            idempotency_key=idempotency_key(headers),
            peer=peer,
        )

    def _record(self, service: str, method: str, code: grpc.StatusCode, seconds: float) -> None:
        self._gateway.metrics.grpc_requests.labels(method, code.name).inc()
        if service == SERVICE:
            duration_ms = round(seconds * 1000, 1)
            self._log.info("call", method=method, code=code.name, duration_ms=duration_ms)


def _within(
    handler: "Handler",
    surrounding: Callable[[Context, Messages], AbstractAsyncContextManager[None]],
    seconds: float,
) -> "Handler":
    """The handler, run within a context; streams are closed before that ends.

    All handlers take a stream, also where the protocol has one message: gRPC would wait for that
    without end, and before anything here runs. It is waited for within the context, this long.
    """
    inner: Any = (
        handler.unary_unary or handler.stream_unary or handler.unary_stream or handler.stream_stream
    )

    async def request_of(messages: Messages) -> Any:
        return messages if handler.request_streaming else await _only(messages, seconds)

    async def unary(messages: Messages, context: Context) -> Any:
        async with surrounding(context, messages):
            return await inner(await request_of(messages), context)

    async def streaming(messages: Messages, context: Context) -> None:
        async with (
            surrounding(context, messages),
            aclosing(inner(await request_of(messages), context)) as answers,
        ):
            async for answer in answers:
                await context.write(answer)

    make, behaviour = (
        (grpc.stream_stream_rpc_method_handler, streaming)
        if handler.response_streaming
        else (grpc.stream_unary_rpc_method_handler, unary)
    )
    wrapped: Handler = make(behaviour, handler.request_deserializer, handler.response_serializer)
    return wrapped


async def _only(messages: Messages, seconds: float) -> Any:
    """The message of a call that has one.

    Raises:
        MalformedRequest: it is not there, or not in time.
    """
    try:
        async with asyncio.timeout(seconds):
            message = await anext(aiter(messages), None)
    except TimeoutError:
        raise MalformedRequest(
            f"The call's message did not come within {seconds:g} seconds.",
            suggestion="Send it with the call, at a better connection.",
        ) from None
    if message is None:
        raise MalformedRequest("The call has no message.", suggestion="It may be an empty one.")
    return message


def _how_it_was_left(context: Context) -> grpc.StatusCode:
    """Why the caller is not there any more."""
    left = context.time_remaining()
    late = left is not None and left <= 0
    return grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
