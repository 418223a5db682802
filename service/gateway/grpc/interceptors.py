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
from grpc.aio import ServerInterceptor, ServicerContext

from service.errors import QueueUnavailable, ServiceError
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
from service.gateway.submission import Call
from service.pb import lagem_pb2
from service.telemetry import LogField

SERVICE = lagem_pb2.DESCRIPTOR.services_by_name["LagemService"].full_name

_SUBMISSIONS = ("Encode", "Generate", "Resample", "Decode", "GetMesh")
"""Calls that count against a limit of the caller's."""

_LINGER_S = 2.0

Context = ServicerContext[Any, Any]
Messages = AsyncIterable[Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in the stubs alone

_current_call: ContextVar[Call] = ContextVar("current_call")


def current_call() -> Call:
    """Who asks; within a call of the service only."""
    return _current_call.get()


class CallInterceptor(ServerInterceptor):
    """Surrounds the calls of ``LagemService``; those of health and reflection pass untouched."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._log = structlog.get_logger("gateway.grpc")

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """The handler of the call, with all that surrounds it."""
        handler = await continuation(handler_call_details)
        service, _, method = handler_call_details.method.lstrip("/").partition("/")
        if handler is None or service != SERVICE:
            return handler
        return _within(handler, partial(self._surrounding, method))

    @asynccontextmanager
    async def _surrounding(
        self, method: str, context: Context, messages: Messages | None
    ) -> AsyncIterator[None]:
        headers, call = headers_of(context), None
        request_id = accepted_request_id(headers.get(REQUEST_ID, ""))
        code, started = grpc.StatusCode.OK, time.perf_counter()
        with structlog.contextvars.bound_contextvars(**{LogField.REQUEST_ID: request_id}):
            try:
                await context.send_initial_metadata(((REQUEST_ID, request_id),))
                call = await self._call(headers, request_id, context.peer())
                _current_call.set(call)
                yield
            except asyncio.CancelledError:
                code = _how_it_was_left(context)
                raise
            except Exception as error:
                if context.cancelled():  # there is nobody left to tell: a write failed of that
                    code = _how_it_was_left(context)
                    raise asyncio.CancelledError from error
                told = error if isinstance(error, ServiceError) else unexpected_error()
                if told is not error:
                    self._log.exception("call failed", method=method)
                code = status_code(told)
                if messages is not None:
                    await _read_out(messages)
                status = grpc_status(told, request_id=request_id, call=call)
                left = await self._left(method, call, told)
                await context.abort(status.code, status.details, (*status.trailing_metadata, *left))
            finally:
                self._record(method, code, time.perf_counter() - started)

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
            peer=peer_address(peer),
        )

    def _record(self, method: str, code: grpc.StatusCode, seconds: float) -> None:
        self._gateway.metrics.grpc_requests.labels(method, code.name).inc()
        self._log.info("call", method=method, code=code.name, duration_ms=round(seconds * 1000, 1))


def _within(
    handler: "Handler",
    surrounding: Callable[[Context, Messages | None], AbstractAsyncContextManager[None]],
) -> "Handler":
    """The handler, run within a context; streams are closed before that ends."""
    inner: Any = handler.unary_unary or handler.stream_unary or handler.unary_stream

    async def unary(request: Any, context: Context) -> Any:
        async with surrounding(context, request if handler.request_streaming else None):
            return await inner(request, context)

    async def streaming(request: Any, context: Context) -> None:
        async with surrounding(context, None), aclosing(inner(request, context)) as messages:
            async for message in messages:
                await context.write(message)

    makers: dict[tuple[bool, bool], tuple[Any, Any]] = {
        (False, False): (grpc.unary_unary_rpc_method_handler, unary),
        (True, False): (grpc.stream_unary_rpc_method_handler, unary),
        (False, True): (grpc.unary_stream_rpc_method_handler, streaming),
    }
    make, behaviour = makers[handler.request_streaming, handler.response_streaming]
    wrapped: Handler = make(behaviour, handler.request_deserializer, handler.response_serializer)
    return wrapped


async def _read_out(messages: Messages) -> None:
    """Read for a while what the caller still sends, so that the status of a refusal arrives.

    A client that is told while it writes may take the failed write for the outcome of its call.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            async for _ in messages:
                pass


def _how_it_was_left(context: Context) -> grpc.StatusCode:
    """Why the caller is not there any more."""
    left = context.time_remaining()
    late = left is not None and left <= 0
    return grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
