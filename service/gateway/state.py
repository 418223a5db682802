"""What the routes of one running gateway share."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.gateway.access import Access
from service.gateway.catalogue import ModelCatalogue
from service.gateway.events import JobEvents
from service.gateway.meshes import MeshMaking
from service.gateway.shapes import ShapeService
from service.gateway.streams import OpenStreams
from service.gateway.submission import JobService
from service.jobqueue.queue import JobQueue
from service.settings import GatewaySettings
from service.telemetry import GatewayMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The services of a gateway, made by the app's lifespan.

    ``draining`` is set when the process has been told to end: nobody waits from then on.
    """

    settings: GatewaySettings
    access: Access
    metrics: GatewayMetrics
    queue: JobQueue
    catalogue: ModelCatalogue
    jobs: JobService
    shapes: ShapeService
    making: MeshMaking
    events: JobEvents
    streams: OpenStreams
    draining: asyncio.Event


def gateway_of(request: Request) -> Gateway:
    """The gateway that serves a request."""
    gateway = request.app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway


GatewayOf = Annotated[Gateway, Depends(gateway_of)]
