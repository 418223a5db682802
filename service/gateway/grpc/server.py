"""The gRPC server of one gateway: opened beside the REST skin, on the same event loop."""

import asyncio
import contextlib
from typing import Self

import grpc
import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection

from service.gateway.grpc.health import Health
from service.gateway.grpc.interceptors import SERVICE, CallInterceptor
from service.gateway.grpc.servicer import LagemServicer
from service.gateway.state import Gateway
from service.pb.lagem_pb2_grpc import add_LagemServiceServicer_to_server

MAX_MESSAGE_BYTES = 4 * 2**20

_MOST_CALLS = 1000  # at once; more are refused as RESOURCE_EXHAUSTED
_KEEPALIVE_MS = 60_000
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # a port in use is an error, not a share of its calls
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),  # callers that vanished are noticed
)


class GrpcServer:
    """Serves while the context is open; ends by itself once the gateway drains.

    Then new calls are refused, waiting ones answer, streams end, and whatever still goes on has
    ``drain_s`` seconds: the same time, from the same moment, as REST has.

    Attributes:
        port: where it listens, once the context is open.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._server = grpc.aio.server(
            interceptors=[CallInterceptor(gateway)],
            options=_OPTIONS,
            maximum_concurrent_rpcs=_MOST_CALLS,
        )
        self._draining: asyncio.Task[None] | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        settings = self._gateway.settings
        add_LagemServiceServicer_to_server(LagemServicer(self._gateway), self._server)
        add_HealthServicer_to_server(Health(self._gateway), self._server)
        health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        reflection.enable_server_reflection(
            (SERVICE, health, reflection.SERVICE_NAME), self._server
        )
        self.port = self._server.add_insecure_port(_address(settings.host, settings.grpc_port))
        await self._server.start()
        self._draining = asyncio.create_task(self._drain(), name="grpc-drain")
        structlog.get_logger("gateway.grpc").info("listening", host=settings.host, port=self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._draining is not None
        if not self._gateway.draining.is_set():
            self._draining.cancel()
            await self._server.stop(None)
        with contextlib.suppress(asyncio.CancelledError):
            await self._draining

    async def _drain(self) -> None:
        await self._gateway.draining.wait()
        await self._server.stop(self._gateway.settings.drain_s)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
