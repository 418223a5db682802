"""The REST application: made by ``create_app`` and its lifespan, nothing at import."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import Depends, FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware.cors import CORSMiddleware

from service.gateway import problem
from service.gateway.access import Access
from service.gateway.browserguard import HostGuard, OriginGuard
from service.gateway.catalogue import ModelCatalogue
from service.gateway.events import JobEvents
from service.gateway.head import Head
from service.gateway.ingest import MeshIngest
from service.gateway.limits import IngestLimits
from service.gateway.meshes import MeshMaking
from service.gateway.middleware import Authentication, BodyLimit, Observation
from service.gateway.openapi import PROBLEMS, TAGS, document
from service.gateway.parameters import check_parameter_names
from service.gateway.preference import Preference
from service.gateway.protocol import METRICS_STATE
from service.gateway.quota import Quota
from service.gateway.routes import docs, operations, page, shapes, system
from service.gateway.routes import events as event_routes
from service.gateway.routes import jobs as job_routes
from service.gateway.shapes import ShapeService
from service.gateway.state import Gateway
from service.gateway.streams import OpenStreams
from service.gateway.submission import JobService
from service.gateway.upkeep import Upkeep
from service.jobqueue.connection import connect
from service.jobqueue.queue import JobQueue
from service.jobqueue.rates import Rates
from service.jobqueue.waiters import JobWaiters
from service.settings import GatewaySettings
from service.store.local import LocalBlobStore
from service.telemetry import GatewayMetrics

_Beside = Callable[[Gateway], AbstractAsyncContextManager[object]]
_CORS_REQUEST_HEADERS = (
    *("Accept", "Authorization", "Content-Type", "Idempotency-Key", "If-None-Match"),
    *("Last-Event-ID", "Prefer", "X-API-Key", "X-Request-Id"),
)
_CORS_RESPONSE_HEADERS = (
    *("Content-Disposition", "ETag", "Idempotent-Replayed", "Location", "Preference-Applied"),
    *("RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"),
    *("X-Lagem-Job", "X-Lagem-Seed", "X-Lagem-Shape"),
)

_DESCRIPTION = """\
Encode meshes into hierarchical latents, generate shapes, resample their details, decode them.

A submission waits for its job (30 s by default) and answers with the result; `Prefer:
respond-async` answers at once with a job to ask for. Every route also exists under `/v1`.
"""


_ROUTERS = (
    operations.router,
    shapes.router,
    job_routes.router,
    event_routes.router,
    system.router,
    docs.router,
    page.router,
)


def create_app(
    settings: GatewaySettings, draining: asyncio.Event, *, beside: _Beside | None = None
) -> FastAPI:
    """The gateway as an ASGI application.

    Args:
        settings: with a ``redis_url``.
        draining: to be set when the process is to end, so that nobody waits any longer.
        beside: another skin of the same gateway, open as long as the app lives.

    Raises:
        ValueError: there is no ``redis_url``.
    """
    if settings.redis_url is None:
        raise ValueError("redis_url is needed: set LAGEM_REDIS_URL")
    release = version("lagem")
    metrics = GatewayMetrics(CollectorRegistry(), version=release)
    access = Access(settings.api_keys, settings.caller_limits)
    app = FastAPI(
        title="LaGeM",
        summary="Shapes as hierarchical latents.",
        description=_DESCRIPTION,
        version=release,
        lifespan=partial(
            _lifespan,
            settings=settings,
            access=access,
            metrics=metrics,
            draining=draining,
            beside=beside,
        ),
        dependencies=[Depends(check_parameter_names)],
        openapi_url=None,  # service.gateway.routes.docs
        openapi_tags=TAGS,
        responses=PROBLEMS,
    )
    for router in _ROUTERS:
        app.include_router(router)
        app.include_router(router, prefix="/v1", include_in_schema=False)
    app.openapi = partial(document, app, keys=access.needs_key)  # type: ignore[method-assign]  # FastAPI's documented hook
    problem.install(app)
    _surround(app, settings, access, metrics)
    return app


def _surround(
    app: FastAPI, settings: GatewaySettings, access: Access, metrics: GatewayMetrics
) -> None:
    """Add the middleware; what is added last is the outermost."""
    app.add_middleware(Head)
    app.add_middleware(
        BodyLimit, max_bytes=settings.max_upload_bytes, max_seconds=settings.upload_timeout_s
    )
    app.add_middleware(Quota)
    app.add_middleware(Authentication, access=access)
    if not access.needs_key:
        app.add_middleware(OriginGuard, allowed=settings.cors_origins)
    if settings.local_only:
        app.add_middleware(HostGuard, allowed=settings.allowed_hosts)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "HEAD", "POST", "DELETE"),
            allow_headers=_CORS_REQUEST_HEADERS,
            expose_headers=_CORS_RESPONSE_HEADERS,
        )
    app.add_middleware(Observation, metrics=metrics)
    app.add_middleware(Preference, default_s=settings.wait_s)


@asynccontextmanager
async def _lifespan(
    app: FastAPI,
    *,
    settings: GatewaySettings,
    access: Access,
    metrics: GatewayMetrics,
    draining: asyncio.Event,
    beside: _Beside | None,
) -> AsyncIterator[dict[str, object]]:
    assert settings.redis_url is not None
    async with AsyncExitStack() as stack:
        redis = connect(settings.redis_url, settings.redis_timeout_s)
        stack.push_async_callback(redis.aclose)
        queue = JobQueue(redis, settings.queue_limits)
        blobs = LocalBlobStore(settings.blob_dir)
        waiters = await stack.enter_async_context(JobWaiters(queue))
        ingest = await stack.enter_async_context(
            MeshIngest(_ingest_limits(settings), processes=settings.ingest_processes)
        )
        await stack.enter_async_context(Upkeep(queue, blobs, metrics, settings))
        catalogue = ModelCatalogue(queue)
        rates = Rates(redis, settings.caller_limits)
        jobs = JobService(queue, waiters, blobs, catalogue, ingest, metrics, rates)
        shapes = ShapeService(queue, blobs)
        gateway = app.state.gateway = Gateway(
            settings=settings,
            access=access,
            metrics=metrics,
            queue=queue,
            catalogue=catalogue,
            jobs=jobs,
            shapes=shapes,
            making=MeshMaking(jobs, shapes),
            events=JobEvents(jobs, waiters, draining),
            streams=OpenStreams(settings.stream_cap),
            draining=draining,
        )
        if beside is not None:
            await stack.enter_async_context(beside(gateway))
        yield {METRICS_STATE: metrics}


def _ingest_limits(settings: GatewaySettings) -> IngestLimits:
    return IngestLimits(
        max_bytes=settings.max_upload_bytes,
        max_faces=settings.max_faces,
        memory_bytes=settings.parse_memory_bytes,
        timeout_s=settings.parse_timeout_s,
    )
