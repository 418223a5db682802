"""Accepting work: the one service beneath the REST skin, and any other one.

Nothing here knows of HTTP. A request arrives as its contract model and, where it has one, its
input; it is checked against the loaded model, gets its defaults, and becomes a queued job.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from model.latentfile import LatentFile
from service import contract
from service.contract import (
    DecodeRequest,
    EncodeRequest,
    GenerateRequest,
    JobList,
    JobsRequest,
    MeshFormat,
    Model,
    ResampleRequest,
)
from service.errors import NotFound, QueueUnavailable, ServiceError
from service.gateway.catalogue import ModelCatalogue, check_category, check_keep_level
from service.gateway.ingest import MeshIngest
from service.gateway.jobparams import batch_key, idempotency, origin, resolved
from service.gateway.sources import LatentsSource, LatentsSources
from service.gateway.upload import Upload
from service.gateway.views import job_view
from service.jobqueue import refusals
from service.jobqueue.queue import JobQueue
from service.jobqueue.rates import Rates, Standing
from service.jobqueue.waiters import JobWaiters
from service.jobs import (
    ANONYMOUS,
    CallerLimits,
    Job,
    JobState,
    NewJob,
    Operation,
    new_id,
)
from service.store.blobs import BlobMissing, BlobStore
from service.store.refs import input_latents_ref, points_ref
from service.telemetry import GatewayMetrics, LogField


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who asks, and what every transport can say about a request beside its content.

    ``deadline_ms``: the moment after which nobody wants the result; None where there is none.
    ``peer``: the address that the caller has.
    """

    tenant: str = ANONYMOUS
    request_id: str | None = None
    idempotency_key: str | None = None
    deadline_ms: int | None = None
    peer: str = ""

    @property
    def origin(self) -> str:
        """Whom to hold to a limit of connections: a key's name, without keys an address."""
        return self.peer if self.tenant == ANONYMOUS else self.tenant


@dataclass(frozen=True, slots=True)
class Submission:
    """The job of a request; ``replayed``: an earlier request with the same key made it."""

    job: Job
    replayed: bool


class JobService:
    """Turns checked requests into queued jobs, and looks after these."""

    def __init__(
        self,
        queue: JobQueue,
        waiters: JobWaiters,
        blobs: BlobStore,
        catalogue: ModelCatalogue,
        ingest: MeshIngest,
        metrics: GatewayMetrics,
        rates: Rates,
    ) -> None:
        self._queue = queue
        self._waiters = waiters
        self._blobs = blobs
        self._catalogue = catalogue
        self._ingest = ingest
        self._metrics = metrics
        self._rates = rates
        self._sources = LatentsSources(queue, blobs)
        self._log = structlog.get_logger("gateway.jobs")

    async def check_standing(self, call: Call) -> None:
        """Before a body is read: whether the caller may submit anything now. Counts nothing.

        A key may stand for a job that is there: then live jobs do not matter yet.

        Raises:
            RateLimited: the caller's rate is used up, or they have as many live jobs as one may.
        """
        async with self._counting_refusals():
            standing, limits = await self.standing(call), self.caller_limits
            if standing.submissions == 0:
                raise refusals.too_fast(limits.per_minute, standing.next_s)
            if standing.live_jobs == 0 and call.idempotency_key is None:
                raise refusals.tenant_full(limits.live_jobs, await self.retry_after())

    async def encode(self, request: EncodeRequest, upload: Upload, call: Call) -> Submission:
        """Mesh to shape.

        Raises:
            MeshError: the upload cannot be read.
            CapacityError, IdempotencyConflict: see ``JobQueue.submit`` and ``Rates.take``; true
                of all operations.
        """
        async with self._admitting(call):
            model = await self._catalogue.model_for("encode")
            name = request.filename or upload.name
            mesh = await self._ingest.read(upload.path, hint=name or upload.hint)
            params = resolved(request, model) | {
                "normalization": mesh.normalization.model_dump(),
                "source": {
                    "filename": name,
                    "vertices": mesh.vertices,
                    "faces": mesh.faces,
                    "bounds": mesh.bounds,
                },
            }
            job_id = new_id("job")
            job = NewJob(
                id=job_id,
                operation=Operation.ENCODE,
                params=params,
                input_ref=points_ref(job_id),
                batch_key=batch_key(Operation.ENCODE, params, model),
                weights_sha256=model.weights_sha256,
                tenant=call.tenant,
                idempotency=idempotency(
                    Operation.ENCODE, request, upload.sha256, call.idempotency_key
                ),
                request_id=call.request_id,
                deadline_ms=call.deadline_ms,
                preprocess_ms=mesh.milliseconds,
            )
            return await self._submit(job, mesh.points)

    async def generate(self, request: GenerateRequest, call: Call) -> Submission:
        """New shapes from noise.

        Raises:
            InvalidParameter: the category is unknown.
            CapabilityMissing: the model has no diffusion cascade.
        """
        async with self._admitting(call):
            model = await self._catalogue.model_for("generate")
            check_category(model, request.category)
            params = resolved(request, model)
            job = NewJob(
                operation=Operation.GENERATE,
                params=params,
                batch_key=batch_key(Operation.GENERATE, params, model),
                weights_sha256=model.weights_sha256,
                tenant=call.tenant,
                idempotency=idempotency(Operation.GENERATE, request, "", call.idempotency_key),
                request_id=call.request_id,
                deadline_ms=call.deadline_ms,
            )
            return await self._submit(job, None)

    async def resample(
        self, request: ResampleRequest, latents: LatentFile | None, call: Call
    ) -> Submission:
        """Variants that keep the coarse levels of a shape, or of uploaded latents.

        Raises:
            NotFound: the shape is unknown or has expired.
            LatentsError: the latents do not fit the loaded model.
        """
        async with self._admitting(call):
            model = await self._catalogue.model_for("resample")
            check_keep_level(model, request.keep_level)
            check_category(model, request.category)
            source = await self._sources.one(request, latents, model, call.tenant)
            params = resolved(request, model) | origin(source)
            if request.category is None and source.category in model.categories:
                params["category"] = source.category
            return await self._submit_latents(
                Operation.RESAMPLE, request, params, source, model, call
            )

    async def decode(
        self,
        request: DecodeRequest,
        latents: LatentFile | None,
        call: Call,
        *,
        counted: bool = False,
    ) -> Submission:
        """The mesh of a shape, of uploaded latents, or of levels of several shapes.

        ``counted``: against the caller's rate, by an earlier call of this.

        Raises: as ``resample``.
        """
        async with self._admitting(call, counted=counted):
            model = await self._catalogue.model_for("decode")
            if request.mix:
                source = await self._sources.mixed(request, latents, model, call.tenant)
            else:
                source = await self._sources.one(request, latents, model, call.tenant)
            params = resolved(request, model) | origin(source)
            if source.shape is not None:
                # The latents are those of a known shape: it gets a mesh, and no new shape is made.
                params |= {"shape": source.shape.id, "parents": source.shape.parents}
            return await self._submit_latents(
                Operation.DECODE, request, params, source, model, call
            )

    async def get(self, job_id: str, call: Call) -> Job:
        """A job of the caller's.

        Raises:
            NotFound: there is no such job, or it is somebody else's.
        """
        job = await self._queue.get(job_id)
        if job is None or job.tenant != call.tenant:
            raise refusals.job_not_found(job_id, self._queue.limits.job_retention_ms)
        return job

    async def artifact(
        self, job_id: str, sample: int, resolution: int, format_: MeshFormat, call: Call
    ) -> bytes:
        """The file of a job's artifact.

        Raises:
            NotFound: as ``get``; or there is no such artifact (any more).
        """
        job = await self.get(job_id, call)
        for artifact in job.artifacts:
            key = artifact.sample, artifact.resolution, artifact.format
            if key == (sample, resolution, format_):
                with suppress(BlobMissing):
                    return await self._blobs.get(artifact.ref)
        raise NotFound(
            f"The job has no artifact {sample}-{resolution}.",
            suggestion="Its events name those it has; the final mesh is its shape's.",
            job=job_id,
        )

    async def list(self, request: JobsRequest, call: Call) -> JobList:
        """A page of the caller's jobs."""
        jobs = await self._queue.list_jobs(
            tenant=call.tenant,
            after=request.after,
            limit=request.limit + 1,
            order=request.order,
            state=None if request.state is None else JobState(request.state),
        )
        page = jobs[: request.limit]
        views = await self._views(page)
        return JobList(jobs=views, next=page[-1].id if len(jobs) > len(page) else None)

    async def cancel(self, job_id: str, call: Call) -> Job:
        """Cancel a queued job at once; ask the worker of a running one to stop.

        Raises:
            NotFound: as ``get``.
            JobFinal: the job has already ended.
        """
        return await self._queue.cancel((await self.get(job_id, call)).id)

    async def wait(self, job: Job, seconds: float) -> Job:
        """The job once it has ended, or as it is after this many seconds."""
        if seconds <= 0 or job.state.terminal:
            return job
        return await self._waiters.wait(job.id, seconds)

    async def view(self, job: Job) -> contract.Job:
        """The public form of a job, with its place in the queue."""
        (view,) = await self._views([job])
        return view

    async def _views(self, jobs: Sequence[Job]) -> tuple[contract.Job, ...]:
        positions = await self._queue.positions(jobs)
        waits_s = await self._queue.waits_s(jobs, positions)
        return tuple(
            job_view(job, position=positions.get(job.id), wait_s=waits_s.get(job.id))
            for job in jobs
        )

    @property
    def caller_limits(self) -> CallerLimits:
        """What each caller may ask for."""
        return self._rates.limits

    async def standing(self, call: Call) -> Standing:
        """What the caller may still submit."""
        return await self._rates.standing(call.tenant)

    async def retry_after(self) -> int:
        """Seconds after which it is worth to look at a job again."""
        return await self._queue.retry_after()

    async def _submit_latents(
        self,
        operation: Operation,
        request: ResampleRequest | DecodeRequest,
        params: dict[str, Any],
        source: LatentsSource,
        model: Model,
        call: Call,
    ) -> Submission:
        job_id = new_id("job")
        job = NewJob(
            id=job_id,
            operation=operation,
            params=params,
            input_ref=source.ref or input_latents_ref(job_id),
            batch_key=batch_key(operation, params, model),
            weights_sha256=model.weights_sha256,
            tenant=call.tenant,
            idempotency=idempotency(operation, request, source.digest, call.idempotency_key),
            request_id=call.request_id,
            deadline_ms=call.deadline_ms,
        )
        return await self._submit(job, source.data)

    async def _submit(self, job: NewJob, data: bytes | None) -> Submission:
        """Queue the job; its input, where it is new, is stored before anyone can fetch the job."""
        stored = job.input_ref if data is not None else None
        if stored is not None and data is not None:
            await self._blobs.put(stored, data)
        try:
            queued, created = await self._queue.submit(job)
        except QueueUnavailable:
            raise  # the job may have been queued all the same: its input must stay
        except ServiceError:
            await self._forget(stored)
            raise
        if created:
            self._metrics.jobs_submitted.labels(job.operation).inc()
            fields = {LogField.JOB_ID: queued.id, LogField.OPERATION: queued.operation}
            self._log.info("job submitted", **fields)
        else:
            await self._forget(stored)
        return Submission(queued, replayed=not created)

    async def _forget(self, ref: str | None) -> None:
        if ref is not None:
            await self._blobs.delete(ref)

    @asynccontextmanager
    async def _admitting(self, call: Call, *, counted: bool = False) -> AsyncIterator[None]:
        """Around a submission: counts it against the caller's rate first, and any refusal."""
        async with self._counting_refusals():
            if not counted:
                await self._rates.take(call.tenant)
            yield

    @asynccontextmanager
    async def _counting_refusals(self) -> AsyncIterator[None]:
        try:
            yield
        except ServiceError as error:
            self._metrics.jobs_rejected.labels(error.code).inc()
            raise
