"""What a gateway does on its own: keep the queue moving, show its load, forget old blobs."""

import asyncio
from datetime import timedelta
from typing import Self

import structlog

from service.errors import QueueUnavailable
from service.gateway.upload import sweep_uploads
from service.jobqueue.queue import JobQueue
from service.jobqueue.tasks import cancel_and_wait
from service.settings import GatewaySettings
from service.store.blobs import BlobStore
from service.store.refs import INPUTS, LATENTS, MESHES
from service.telemetry import GatewayMetrics

_TICK_S = 1.0
_SWEEP_S = 300.0
_UPLOAD_LIFE_S = 3600.0
"""After its last byte; one that lives waits to be read, or is."""


class Upkeep:
    """Two loops in the background, as an async context manager; both outlive failures."""

    def __init__(
        self,
        queue: JobQueue,
        blobs: BlobStore,
        metrics: GatewayMetrics,
        settings: GatewaySettings,
    ) -> None:
        self._queue = queue
        self._blobs = blobs
        self._metrics = metrics
        self._lives = {
            INPUTS: timedelta(seconds=settings.job_retention_s),
            MESHES: timedelta(seconds=settings.mesh_retention_s),
            LATENTS: timedelta(seconds=settings.latents_retention_s),
        }
        self._upload_life_s = _UPLOAD_LIFE_S + settings.upload_timeout_s
        self._tasks: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger("gateway.upkeep")

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._keep_ticking(), name="queue-tick"),
            asyncio.create_task(self._keep_sweeping(), name="blob-sweep"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(cancel_and_wait(task) for task in self._tasks))

    async def tick(self) -> None:
        """One round: due retries and deadlines, then the gauges of the queue's load."""
        await self._queue.tick()
        oldest: dict[str, float] = {}
        for depth in await self._queue.depths():
            labels = (depth.operation, str(depth.priority))
            self._metrics.queue_entries.labels(*labels).set(depth.entries)
            known = oldest.get(depth.operation, 0.0)
            oldest[depth.operation] = max(known, depth.oldest_age_s)
        for operation, age_s in oldest.items():
            self._metrics.queue_oldest_age.labels(operation).set(age_s)

    async def _keep_ticking(self) -> None:
        while True:
            try:
                await self.tick()
            except QueueUnavailable as error:
                self._log.warning("queue unavailable", error=error.detail)
            except Exception:  # noqa: BLE001 - a defect must not stop all deadlines and retries
                self._log.exception("tick failed")
            await asyncio.sleep(_TICK_S)

    async def sweep(self) -> None:
        """One round: remove the files that have been kept long enough, each kind by its life."""
        await asyncio.to_thread(sweep_uploads, self._upload_life_s)
        for folder, life in self._lives.items():
            try:
                removed = await self._blobs.sweep(folder, life)
            except OSError:
                self._log.exception("sweep failed", folder=folder)
            else:
                if removed:
                    self._log.info("blobs expired", folder=folder, count=removed)

    async def _keep_sweeping(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(_SWEEP_S)
