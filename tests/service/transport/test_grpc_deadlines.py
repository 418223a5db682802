"""Deadlines of calls, and what they mean for the jobs."""

from __future__ import annotations

import time
from typing import Any

import grpc
import grpc.aio
import pytest

from service.errors import ErrorCode
from service.jobqueue.queue import JobQueue
from service.jobqueue.waiters import JobWaiters
from service.jobs import ANONYMOUS, Job, JobState
from service.pb import lagem_pb2 as pb
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import sphere_bytes
from tests.service.transport.drivers import GrpcDriver, encode_messages


async def begun(worker: FakeWorker, count: int) -> str:
    """Id of the worker's job of this number, once it has begun."""
    for _ in range(1000):
        if len(worker.seen) >= count:
            return worker.seen[count - 1].id
        await asyncio.sleep(0.01)
    pytest.fail("the worker does not get the job")


async def ended(queue: JobQueue, job_id: str) -> Job:
    async with JobWaiters(queue) as waiters:
        return await waiters.wait(job_id, 30)


async def exceeded(call: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def to_the_end(messages: Any) -> None:
    async for _ in messages:
        pass


@pytest.mark.parametrize("method", ["Encode", "Generate", "Resample", "Decode", "GetMesh"])
async def test_a_deadline_that_ends_the_wait_is_the_jobs_too(
    over_grpc: GrpcDriver, worker: FakeWorker, own_queue: JobQueue, method: str
) -> None:
    (shape,) = (await over_grpc.submit("encode", body=sphere_bytes()))["shapes"]
    worker.open.clear()
    mesh = pb.MeshOptions(resolution=99)
    requests = {
        "Encode": encode_messages(sphere_bytes()),
        "Generate": pb.GenerateRequest(),
        "Resample": pb.ResampleRequest(shape=shape["id"]),
        "Decode": pb.DecodeRequest(shape=shape["id"]),
        "GetMesh": pb.GetMeshRequest(shape=shape["id"], mesh=mesh),
    }
    end_ms = (time.time() + 1.5) * 1000
    call = getattr(over_grpc.stub, method)(requests[method], timeout=1.5)
    await exceeded(anext(aiter(call)) if method == "GetMesh" else call)
    job = await ended(own_queue, await begun(worker, 2))
    assert job.deadline_ms is not None
    assert end_ms - 100 < job.deadline_ms <= time.time() * 1000
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert job.error is not None
    assert job.error["code"] == ErrorCode.DEADLINE_EXCEEDED


async def test_a_deadline_ends_a_job_that_still_waits_for_a_worker(
    over_grpc: GrpcDriver, worker: FakeWorker, own_queue: JobQueue
) -> None:
    worker.open.clear()
    await over_grpc.submit("generate", wait_s=0)
    await begun(worker, 1)
    await exceeded(over_grpc.stub.Generate(pb.GenerateRequest(), timeout=1))
    (late,) = await own_queue.list_jobs(tenant=ANONYMOUS, limit=1)
    job = await ended(own_queue, late.id)
    assert (job.state, job.attempts) == (JobState.FAILED, 0)
    assert job.error is not None
    assert job.error["code"] == ErrorCode.DEADLINE_EXCEEDED


async def test_a_deadline_of_a_call_that_only_looks_ends_the_call_alone(
    over_grpc: GrpcDriver, worker: FakeWorker, own_queue: JobQueue
) -> None:
    worker.open.clear()
    job_id = (await over_grpc.submit("generate", wait_s=0))["id"]
    await begun(worker, 1)
    watching = aiter(over_grpc.stub.WatchJob(pb.WatchJobRequest(id=job_id), timeout=0.5))
    assert (await anext(watching)).job.state == pb.JOB_STATE_RUNNING
    await exceeded(to_the_end(watching))
    assert (await over_grpc.job(job_id))["state"] == "running"
    worker.open.set()
    assert (await ended(own_queue, job_id)).state is JobState.SUCCEEDED


@pytest.mark.parametrize(("wait_s", "key"), [(0, None), (1, None), (None, "mine")])
async def test_a_job_that_outlives_its_call_has_no_deadline(
    over_grpc: GrpcDriver,
    worker: FakeWorker,
    own_queue: JobQueue,
    wait_s: int | None,
    key: str | None,
) -> None:
    metadata = () if key is None else (("idempotency-key", key),)
    await over_grpc.stub.Generate(pb.GenerateRequest(wait_s=wait_s), timeout=5, metadata=metadata)
    async with JobWaiters(own_queue) as waiters:
        (job_id,) = [job.id for job in await own_queue.list_jobs(tenant=ANONYMOUS)]
        job = await waiters.wait(job_id, 30)
    assert (job.deadline_ms, job.state) == (None, JobState.SUCCEEDED)
