"""The methods of ``LagemService``: each translates, asks the service beneath, and translates back.

Method names are those of the protocol, which says what each does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, suppress
from functools import partial
from typing import Any

from model.latentfile import LatentFile
from service.contract import Artifact
from service.errors import NotFound
from service.gateway.events import JobEvent
from service.gateway.grpc import replies, translate
from service.gateway.grpc.interceptors import Context, current_call
from service.gateway.grpc.upload import in_chunks, received_chunks, received_options
from service.gateway.grpc.waiting import WaitingCall
from service.gateway.sources import read_latents
from service.gateway.state import Gateway
from service.gateway.submission import Call, Submission
from service.jobs import Job
from service.pb import lagem_pb2 as pb
from service.pb.lagem_pb2_grpc import LagemServiceServicer


class LagemServicer(LagemServiceServicer):
    """Every method raises ``ServiceError``; the interceptor tells it to the caller."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    # Submissions

    async def Encode(
        self, request_iterator: AsyncIterator[pb.EncodeRequest], context: Context
    ) -> pb.EncodeResponse:
        messages = aiter(request_iterator)
        settings, jobs = self._gateway.settings, self._gateway.jobs
        async with AsyncExitStack() as held:
            held.enter_context(self._gateway.streams.opened(current_call()))
            options = await received_options(messages, settings.upload_timeout_s)
            wanted = translate.encode_request(options)
            await jobs.check_standing(current_call())
            chunks = received_chunks(
                messages,
                max_bytes=settings.max_upload_bytes,
                max_seconds=settings.upload_timeout_s,
            )
            upload = await held.enter_async_context(chunks)

            async def submit(call: Call) -> Submission:
                try:
                    return await jobs.encode(wanted, upload, call)
                finally:
                    await held.aclose()  # neither file nor place is needed while the job is

            job = await self._waiting(options, context).job(submit)
        return pb.EncodeResponse(job=await self._view(job))

    async def Generate(self, request: pb.GenerateRequest, context: Context) -> pb.GenerateResponse:
        submit = partial(self._gateway.jobs.generate, translate.generate_request(request))
        job = await self._waiting(request, context).job(submit)
        return pb.GenerateResponse(job=await self._view(job))

    async def Resample(self, request: pb.ResampleRequest, context: Context) -> pb.ResampleResponse:
        wanted = translate.resample_request(request)
        submit = partial(self._gateway.jobs.resample, wanted, await _latents(request.latents))
        job = await self._waiting(request, context).job(submit)
        return pb.ResampleResponse(job=await self._view(job))

    async def Decode(self, request: pb.DecodeRequest, context: Context) -> pb.DecodeResponse:
        wanted = translate.decode_request(request)
        submit = partial(self._gateway.jobs.decode, wanted, await _latents(request.latents))
        job = await self._waiting(request, context).job(submit)
        return pb.DecodeResponse(job=await self._view(job))

    # Jobs

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        job = await self._gateway.jobs.get(request.id, current_call())
        return pb.GetJobResponse(job=await self._view(job))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        page = await self._gateway.jobs.list(translate.jobs_request(request), current_call())
        jobs = [replies.job_reply(job) for job in page.jobs]
        return pb.ListJobsResponse(jobs=jobs, next=page.next)

    async def CancelJob(
        self, request: pb.CancelJobRequest, context: Context
    ) -> pb.CancelJobResponse:
        job = await self._gateway.jobs.cancel(request.id, current_call())
        return pb.CancelJobResponse(job=await self._view(job))

    async def WatchJob(
        self, request: pb.WatchJobRequest, context: Context
    ) -> AsyncIterator[pb.WatchJobResponse]:
        after = request.after if request.HasField("after") else -1
        events: Any = self._gateway.events.follow(request.id, current_call(), after=after)
        with self._gateway.streams.opened(current_call()):
            async with aclosing(events):
                async for event in events:
                    for message in await self._event(event):
                        yield message

    # Shapes

    async def GetMesh(
        self, request: pb.GetMeshRequest, context: Context
    ) -> AsyncIterator[pb.GetMeshResponse]:
        shapes, making = self._gateway.shapes, self._gateway.making
        wanted = await shapes.mesh_request(
            request.shape, translate.mesh_request(request), current_call()
        )
        mesh = await shapes.cached_mesh(request.shape, wanted)
        if mesh is None:
            submit = partial(making.submit, request.shape, wanted)
            job = await self._waiting(request, context).job(submit)
            if not job.state.terminal:
                yield pb.GetMeshResponse(job=await self._view(job))
                return
            mesh = await making.made(request.shape, wanted, job)
        for chunk in in_chunks(mesh.data):
            yield pb.GetMeshResponse(chunk=chunk)

    async def GetLatents(
        self, request: pb.GetLatentsRequest, context: Context
    ) -> AsyncIterator[pb.GetLatentsResponse]:
        wanted, call = translate.latents_request(request), current_call()
        data = await self._gateway.shapes.latents(request.shape, wanted.format, call)
        for chunk in in_chunks(data):
            yield pb.GetLatentsResponse(chunk=chunk)

    async def GetShape(self, request: pb.GetShapeRequest, context: Context) -> pb.GetShapeResponse:
        return replies.shape_detail_reply(
            await self._gateway.shapes.get(request.shape, current_call())
        )

    async def GetTree(self, request: pb.GetTreeRequest, context: Context) -> pb.GetTreeResponse:
        return replies.tree_reply(await self._gateway.shapes.tree(request.shape, current_call()))

    # The deployment

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        return replies.model_reply(await self._gateway.catalogue.loaded_model())

    async def ListCategories(
        self, request: pb.ListCategoriesRequest, context: Context
    ) -> pb.ListCategoriesResponse:
        names = await self._gateway.catalogue.categories()
        return pb.ListCategoriesResponse(categories=[pb.Category(name=name) for name in names])

    def _waiting(
        self,
        request: pb.EncodeOptions
        | pb.GenerateRequest
        | pb.ResampleRequest
        | pb.DecodeRequest
        | pb.GetMeshRequest,
        context: Context,
    ) -> WaitingCall:
        wait_s = request.wait_s if request.HasField("wait_s") else None
        return WaitingCall.of(self._gateway, context, wait_s)

    async def _view(self, job: Job) -> pb.Job:
        return replies.job_reply(await self._gateway.jobs.view(job))

    async def _event(self, event: JobEvent) -> list[pb.WatchJobResponse]:
        """An event as messages; none for an artifact whose file is gone."""
        message = partial(pb.WatchJobResponse, seq=event.seq, kind=replies.kind_reply(event.kind))
        if not isinstance(event.data, Artifact):
            return [message(job=replies.job_reply(event.data))]
        artifact, call = event.data, current_call()
        with suppress(NotFound):
            data = await self._gateway.jobs.artifact(
                artifact.job, artifact.sample, artifact.resolution, artifact.format, call
            )
            told = message(artifact=replies.artifact_reply(artifact))
            return [told, *(message(chunk=chunk) for chunk in in_chunks(data))]
        return []


async def _latents(data: bytes) -> LatentFile | None:
    """Uploaded latents; None where there are none."""
    return await asyncio.to_thread(read_latents, data) if data else None
