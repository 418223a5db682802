"""Accepting work: the one service beneath the REST skin, and any other one.

Nothing here knows of HTTP. A request arrives as its contract model and, where it has one, its
input; it is checked against the loaded model, gets its defaults, and becomes a queued job.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.latentfile import LatentFile
from service.contract import (
    DecodeRequest,
    EncodeRequest,
    GenerateRequest,
    MeshRequest,
    Model,
    Request,
    ResampleRequest,
    SamplingRequest,
)
from service.errors import ServiceError
from service.gateway.catalogue import ModelCatalogue, check_category, check_keep_level
from service.gateway.ingest import IngestedMesh, MeshIngest
from service.gateway.sources import LatentsSource, LatentsSources
from service.jobqueue.queue import JobQueue
from service.jobs import ANONYMOUS, IdempotencyKey, Job, NewJob, Operation, new_id
from service.store.blobs import BlobStore
from service.store.refs import input_latents_ref, points_ref
from service.telemetry import GatewayMetrics

_CHOSEN_SEED_BITS = 53
"""Seeds chosen here survive a JSON parser that reads numbers as doubles, as browsers do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who asks, and what every transport can say about a request beside its content."""

    tenant: str = ANONYMOUS
    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A mesh file as it came, in a temporary file.

    ``sha256`` is of its bytes; ``name`` is the caller's name for it, where there is one.
    """

    path: Path
    sha256: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """The job of a request; ``replayed``: an earlier request with the same key made it."""

    job: Job
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Input:
    """A job's input blob: a new one, or (``data`` is None) one that is in the store already."""

    ref: str
    data: bytes | None = None


class Submissions:
    """Turns checked requests into queued jobs."""

    def __init__(
        self,
        queue: JobQueue,
        blobs: BlobStore,
        catalogue: ModelCatalogue,
        ingest: MeshIngest,
        metrics: GatewayMetrics,
    ) -> None:
        self._queue = queue
        self._blobs = blobs
        self._catalogue = catalogue
        self._ingest = ingest
        self._metrics = metrics
        self._sources = LatentsSources(queue, blobs)

    async def encode(self, request: EncodeRequest, upload: Upload, call: Call) -> Submission:
        """Mesh to shape.

        Raises:
            MeshError: the upload cannot be read.
            CapacityError, IdempotencyConflict: see ``JobQueue.submit``; true of all operations.
        """
        with self._counting_refusals():
            model = await self._catalogue.model_for("encode")
            mesh = await self._ingest.read(upload.path, hint=request.filename or upload.name)
            job_id = new_id("job")
            params = _mesh_params(request, model) | {
                "normalization": mesh.normalization.model_dump(),
                "source": _source_facts(mesh, request.filename or upload.name),
            }
            params.pop("filename")
            job = NewJob(
                id=job_id,
                operation=Operation.ENCODE,
                params=params,
                input_ref=points_ref(job_id),
                batch_key=_batch_key(Operation.ENCODE, model, params),
                tenant=call.tenant,
                idempotency=_idempotency(call, "encode", request, upload.sha256),
                request_id=call.request_id,
                preprocess_ms=mesh.milliseconds,
            )
            return await self._submit(job, mesh.points)

    async def generate(self, request: GenerateRequest, call: Call) -> Submission:
        """New shapes from noise.

        Raises:
            InvalidParameter: the category is unknown.
            CapabilityMissing: the model has no diffusion cascade.
        """
        with self._counting_refusals():
            model = await self._catalogue.model_for("generate")
            check_category(model, request.category)
            params = _mesh_params(request, model) | _sampling_params(request, model)
            job = NewJob(
                operation=Operation.GENERATE,
                params=params,
                batch_key=_batch_key(Operation.GENERATE, model, params),
                tenant=call.tenant,
                idempotency=_idempotency(call, "generate", request),
                request_id=call.request_id,
            )
            return await self._submit(job)

    async def resample(
        self, request: ResampleRequest, latents: LatentFile | None, call: Call
    ) -> Submission:
        """Variants that keep the coarse levels of a shape, or of uploaded latents.

        Raises:
            NotFound: the shape is unknown or has expired.
            LatentsError: the latents do not fit the loaded model.
        """
        with self._counting_refusals():
            model = await self._catalogue.model_for("resample")
            check_keep_level(model, request.keep_level)
            source = await self._sources.one(request, latents, model)
            check_category(model, request.category)
            category = request.category or source.category_of(model)
            params = _mesh_params(request, model) | _sampling_params(request, model)
            params |= _source_params(source) | {"category": category}
            idempotency = _idempotency(call, "resample", request, source.digest)
            return await self._submit_latents(
                Operation.RESAMPLE, params, model, source, call, idempotency
            )

    async def decode(
        self, request: DecodeRequest, latents: LatentFile | None, call: Call
    ) -> Submission:
        """The mesh of a shape, of uploaded latents, or of levels of several shapes.

        Raises: as ``resample``.
        """
        with self._counting_refusals():
            model = await self._catalogue.model_for("decode")
            if request.mix:
                source = await self._sources.mixed(request, latents, model)
            else:
                source = await self._sources.one(request, latents, model)
            params = _mesh_params(request, model) | _source_params(source)
            if request.shape is not None:
                # The latents are those of a known shape: its mesh is made, not a new shape.
                params |= {"shape": request.shape}
            idempotency = _idempotency(call, "decode", request, source.digest)
            return await self._submit_latents(
                Operation.DECODE, params, model, source, call, idempotency
            )

    async def _submit_latents(
        self,
        operation: Operation,
        params: dict[str, Any],
        model: Model,
        source: LatentsSource,
        call: Call,
        idempotency: IdempotencyKey | None,
    ) -> Submission:
        job_id = new_id("job")
        job = NewJob(
            id=job_id,
            operation=operation,
            params=params,
            input_ref=source.ref or input_latents_ref(job_id),
            batch_key=_batch_key(operation, model, params),
            tenant=call.tenant,
            idempotency=idempotency,
            request_id=call.request_id,
        )
        return await self._submit(job, source.data)

    async def _submit(self, job: NewJob, data: bytes | None = None) -> Submission:
        """Queue the job; its input ``data``, where given, is stored before anyone can fetch it."""
        created = False
        try:
            if data is not None and job.input_ref is not None:
                await self._blobs.put(job.input_ref, data)
            queued, created = await self._queue.submit(job)
        finally:
            if not created and data is not None and job.input_ref is not None:
                await self._blobs.delete(job.input_ref)
        if created:
            self._metrics.jobs_submitted.labels(job.operation).inc()
        return Submission(queued, replayed=not created)

    @contextmanager
    def _counting_refusals(self) -> Iterator[None]:
        try:
            yield
        except ServiceError as error:
            self._metrics.jobs_rejected.labels(error.code).inc()
            raise
