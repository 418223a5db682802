"""``grpc.health.v1``: what ``/readyz`` tells, and NOT_SERVING once the process is to end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from grpc.aio import ServicerContext
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from service.errors import CapacityError, NotFound
from service.gateway.grpc.interceptors import SERVICE
from service.gateway.readiness import check_ready
from service.gateway.state import Gateway

_LOOK_S = 1.0
_KNOWN = ("", SERVICE)


class Health(HealthServicer):
    """Looks for itself at every call, since workers come and go; watchers share their looks."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._look: asyncio.Future[bool] | None = None
        self._looked_at = 0.0

    async def Check(
        self,
        request: HealthCheckRequest,
        context: ServicerContext[Any, Any],  # noqa: ARG002 (the protocol's signature)
    ) -> HealthCheckResponse:
        """How the service is now."""
        if request.service not in _KNOWN:
            known = f"Use '' or {SERVICE!r}."
            raise NotFound("There is no such service.", suggestion=known, param="service")
        return _answer(await self._is_ready())

    async def Watch(
        self,
        request: HealthCheckRequest,
        context: ServicerContext[Any, Any],  # noqa: ARG002 (the protocol's signature)
    ) -> AsyncIterator[HealthCheckResponse]:
        """How the service is, now and whenever that changes; ends with the process."""
        if request.service not in _KNOWN:
            yield HealthCheckResponse(status="SERVICE_UNKNOWN")
            await self._gateway.draining.wait()
            return
        told = None
        while True:
            ending = self._gateway.draining.is_set()
            answer = _answer(await self._shared_look(anew=told is None))
            if answer != told:
                yield answer
                told = answer
            if ending:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gateway.draining.wait(), _LOOK_S)

    async def _shared_look(self, *, anew: bool) -> bool:
        """What the last look told, where it is no older than a second, else what a new one does."""
        if self._gateway.draining.is_set():
            return False
        now = asyncio.get_running_loop().time()
        if anew or self._look is None or now - self._looked_at >= _LOOK_S:
            self._look, self._looked_at = asyncio.ensure_future(self._is_ready()), now
        return await asyncio.shield(self._look)

    async def _is_ready(self) -> bool:
        """Nobody has asked the process to end, and a worker is alive."""
        if self._gateway.draining.is_set():
            return False
        try:
            await check_ready(self._gateway.queue)
        except CapacityError:
            return False
        return True


def _answer(ready: bool) -> HealthCheckResponse:
    return HealthCheckResponse(status="SERVING" if ready else "NOT_SERVING")
