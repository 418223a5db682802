"""A submission over HTTP: what the caller prefers, the wait for the job, the answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request
from fastapi.responses import Response

from service.contract import IDEMPOTENCY_KEY_LENGTH, MeshRequest
from service.errors import Canceled, JobFinal
from service.gateway.negotiation import (
    JSON,
    MESH_TYPES,
    ZIP,
    Representation,
    Waiting,
    accept_of,
    preferred_representation,
)
from service.gateway.shapes import MeshFile
from service.gateway.state import Gateway, GatewayOf
from service.gateway.submission import Call, Submission
from service.gateway.upload import Upload, has_body, received_upload
from service.gateway.views import failure_of
from service.jobs import Job

_AnyMeshRequest = TypeVar("_AnyMeshRequest", bound=MeshRequest)


def call_of(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=IDEMPOTENCY_KEY_LENGTH,
            description="Same key and request, same job (24 h): safe to send again.",
        ),
    ] = None,
) -> Call:
    """Who asks, and what the headers say of it."""
    return Call(
        tenant=request.state.caller.tenant,
        request_id=request.state.request_id,
        idempotency_key=idempotency_key,
        peer="" if request.client is None else request.client.host,
    )


def waiting_of(
    request: Request,
    prefer: Annotated[  # noqa: ARG001 (for the OpenAPI document)
        list[str] | None,
        Header(
            alias="Prefer",
            description="`respond-async`: answer 202 at once. `wait=N`: wait up to N seconds.",
        ),
    ] = None,
) -> Waiting:
    """How long the caller wants to wait, from the headers."""
    waiting: Waiting = request.state.waiting  # read by service.gateway.preference
    return waiting


CallOf = Annotated[Call, Depends(call_of)]
WaitingOf = Annotated[Waiting, Depends(waiting_of)]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One submission and its answer."""

    request: Request
    gateway: Gateway
    call: Call
    waiting: Waiting

    def negotiate(self, wanted: _AnyMeshRequest) -> tuple[_AnyMeshRequest, Representation]:
        """The request with the mesh format that ``Accept`` asks for, and the answer's form.

        Raises: as ``preferred_representation``; before any work is done.
        """
        given = wanted.format if "format" in wanted.model_fields_set else None
        accept = accept_of(self.request.headers)
        shown = preferred_representation(accept, given, getattr(wanted, "n", 1))
        if shown.mesh_format is not None:
            wanted = wanted.model_copy(update={"format": shown.mesh_format})
        return wanted, shown

    @asynccontextmanager
    async def upload(self) -> AsyncIterator[Upload]:
        """The body, which is gone when the context ends.

        Till then it is one of the streams that the caller may have: large bodies wait on the disk
        for a process that reads them. Who may not submit anything now need not send it.

        Raises: as ``received_upload``, ``OpenStreams.opened`` and ``JobService.check_standing``.
        """
        with contextlib.ExitStack() as held:
            if has_body(self.request):
                held.enter_context(self.gateway.streams.opened(self.call))
                await self.gateway.jobs.check_standing(self.call)
            async with received_upload(self.request) as upload:
                yield upload

    async def answer(self, submission: Submission, shown: Representation) -> Response:
        """Wait for the job as long as the caller wants to, then tell how it is.

        Raises:
            ServiceError: the job's own, where it failed or was canceled.
        """
        job = await self.finished(submission)
        if job.state.terminal:
            response = await self._result(job, shown)
        else:
            response = await self.accepted(job)
        response.headers["Vary"] = "Accept, Prefer"
        return response

    async def finished(self, submission: Submission) -> Job:
        """The job when it has ended, or as it is after the time the caller wants to wait.

        The wait also ends when this process is to end. When the caller goes away, the job is
        canceled, unless an idempotency key says that they mean to come back for it.

        Raises:
            ServiceError: the job's own, where it failed or was canceled.
        """
        job = submission.job
        waited = asyncio.create_task(self.gateway.jobs.wait(job, self.waiting.seconds))
        gone = asyncio.create_task(_disconnected(self.request))
        draining = asyncio.create_task(self.gateway.draining.wait())
        try:
            await asyncio.wait({waited, gone, draining}, return_when=asyncio.FIRST_COMPLETED)
            if waited.done():
                job = waited.result()
            elif gone.done():
                raise await self._abandoned(job)
            else:
                job = await self.gateway.jobs.get(job.id, self.call)
        finally:
            for task in (waited, gone, draining):
                task.cancel()
        failure = failure_of(job)
        if failure is not None:
            raise failure
        self.request.state.replayed = submission.replayed  # told by service.gateway.quota
        return job

    async def accepted(self, job: Job) -> Response:
        """202: the job goes on, and where to ask for it."""
        view = await self.gateway.jobs.view(job)
        return Response(
            view.model_dump_json(),
            status_code=202,
            headers={
                "Location": view.links["self"],
                "Retry-After": str(await self.gateway.jobs.retry_after()),
            },
            media_type=JSON,
        )

    async def _result(self, job: Job, shown: Representation) -> Response:
        """200: the succeeded job, its mesh, or everything it made."""
        if shown.mesh_format is not None:
            (mesh,) = await self.gateway.shapes.job_meshes(job)
            response = mesh_response(mesh)
            response.headers["X-Lagem-Job"] = job.id
            response.headers["X-Lagem-Shape"] = mesh.shape_id
            if "seed" in job.params:
                response.headers["X-Lagem-Seed"] = str(job.params["seed"])
            return response
        view = await self.gateway.jobs.view(job)
        if shown.media_type == ZIP:
            archive = await self.gateway.shapes.archive(job, view)
            return file_response(archive, ZIP, f"{job.id}.zip")
        return Response(view.model_dump_json(), media_type=JSON)

    async def _abandoned(self, job: Job) -> Canceled:
        if self.call.idempotency_key is None:
            with contextlib.suppress(JobFinal):
                await self.gateway.jobs.cancel(job.id, self.call)
        return Canceled("The caller went away before the job had ended.", job=job.id)


def exchange_of(request: Request, gateway: GatewayOf, call: CallOf, waiting: WaitingOf) -> Exchange:
    """The exchange that a request begins."""
    request.state.may_submit = True
    return Exchange(request, gateway, call, waiting)


ExchangeOf = Annotated[Exchange, Depends(exchange_of)]


def mesh_response(mesh: MeshFile) -> Response:
    """A mesh as the body."""
    return file_response(mesh.data, MESH_TYPES[mesh.format], mesh.name)


def file_response(data: bytes, media_type: str, name: str) -> Response:
    """Bytes to be saved under a name."""
    disposition = f'attachment; filename="{name}"'
    return Response(data, media_type=media_type, headers={"Content-Disposition": disposition})


async def _disconnected(request: Request) -> None:
    """Return when the caller has gone away; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
