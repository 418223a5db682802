"""``grpc.health.v1``: what ``/readyz`` tells, and NOT_SERVING once the process is to end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc.aio import ServicerContext
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from service.errors import CapacityError
from service.gateway.grpc.interceptors import SERVICE
from service.gateway.readiness import check_ready
from service.gateway.state import Gateway

_LOOK_S = 1.0
_KNOWN = ("", SERVICE)


class Health(HealthServicer):
    """Looks for itself at every call, since workers come and go."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def Check(
        self, request: HealthCheckRequest, context: ServicerContext[Any, Any]
    ) -> HealthCheckResponse:
        """How the service is now."""
        if request.service not in _KNOWN:
            known = f"Use '' or {SERVICE!r}."
            await context.abort(grpc.StatusCode.NOT_FOUND, f"There is no such service. {known}")
        return await self._answer()

    async def Watch(
        self,
        request: HealthCheckRequest,
        context: ServicerContext[Any, Any],  # noqa: ARG002 (the protocol's signature)
    ) -> AsyncIterator[HealthCheckResponse]:
        """How the service is, now and whenever that changes; ends with the process."""
        told = None
        while True:
            ending = self._gateway.draining.is_set()
            answer = await self._answer()
            if request.service not in _KNOWN:
                answer = HealthCheckResponse(status="SERVICE_UNKNOWN")
            if answer != told:
                yield answer
                told = answer
            if ending:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gateway.draining.wait(), _LOOK_S)

    async def _answer(self) -> HealthCheckResponse:
        serving = await self._is_serving()
        return HealthCheckResponse(status="SERVING" if serving else "NOT_SERVING")

    async def _is_serving(self) -> bool:
        """Nobody has asked the process to end, and a worker is alive."""
        if self._gateway.draining.is_set():
            return False
        try:
            await check_ready(self._gateway.queue)
        except CapacityError:
            return False
        return True
