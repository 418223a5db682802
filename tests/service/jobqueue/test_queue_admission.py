"""Admission: records, idempotency, caps, order, positions."""

import asyncio
import dataclasses

import pytest
from redis.asyncio import Redis

from service.errors import IdempotencyConflict, QueueFull, RateLimited
from service.jobqueue.lease import Succeeded
from service.jobqueue.queue import JobQueue
from service.jobs import IdempotencyKey, Job, JobState, Operation, QueueLimits
from tests.service.jobqueue.clock import outlive_job
from tests.service.jobqueue.worker import new_job, start, take


async def test_a_submitted_job_is_queued_as_asked(queue: JobQueue) -> None:
    job, created = await queue.submit(
        new_job(
            params={"category": "Stühle", "guidance": 1.5, "seed": 2**64 - 1},
            input_ref="points/a.npy",
            tenant="acme",
            priority=0,
            deadline_ms=4_000_000_000_000,
            request_id="req-1",
            preprocess_ms=12.25,
        )
    )
    assert created
    assert await queue.get(job.id) == job
    assert job.state is JobState.QUEUED
    assert job.params == {"category": "Stühle", "guidance": 1.5, "seed": 2**64 - 1}
    assert (job.input_ref, job.tenant, job.priority) == ("points/a.npy", "acme", 0)
    assert (job.deadline_ms, job.request_id) == (4_000_000_000_000, "req-1")
    assert job.timings_ms == {"preprocess": 12.25}
    assert (job.started_ms, job.finished_ms, job.expires_ms) == (None, None, None)
    assert (job.attempts, job.progress, job.stage, job.result, job.error) == (
        0,
        0.0,
        None,
        None,
        None,
    )


async def test_an_unknown_job_is_none(queue: JobQueue) -> None:
    assert await queue.get("job_none") is None


async def test_the_same_key_and_request_give_the_same_job(queue: JobQueue) -> None:
    key = IdempotencyKey("k", "hash")
    first, created = await queue.submit(new_job(idempotency=key))
    second, created_again = await queue.submit(new_job(idempotency=key))
    assert (created, created_again) == (True, False)
    assert second.id == first.id
    assert len(await take(queue, count=5)) == 1


async def test_racing_submissions_with_one_key_make_one_job(queue: JobQueue) -> None:
    key = IdempotencyKey("k", "hash")
    answers = await asyncio.gather(*(queue.submit(new_job(idempotency=key)) for _ in range(10)))
    assert len({answer.id for answer, _ in answers}) == 1
    assert [created for _, created in answers].count(True) == 1


async def test_the_same_key_with_another_request_is_refused(queue: JobQueue) -> None:
    first, _ = await queue.submit(new_job(idempotency=IdempotencyKey("k", "hash")))
    with pytest.raises(IdempotencyConflict) as caught:
        await queue.submit(new_job(idempotency=IdempotencyKey("k", "other")))
    assert caught.value.job == first.id


async def test_keys_of_different_tenants_do_not_meet(queue: JobQueue) -> None:
    key = IdempotencyKey("k", "hash")
    first, _ = await queue.submit(new_job(idempotency=key, tenant="a"))
    second, created = await queue.submit(new_job(idempotency=key, tenant="b"))
    assert created
    assert second.id != first.id


async def test_a_tenant_may_have_so_many_live_jobs(queue: JobQueue) -> None:
    for _ in range(5):
        await queue.submit(new_job())
    with pytest.raises(RateLimited) as caught:
        await queue.submit(new_job())
    assert caught.value.retry_after is not None
    await queue.submit(new_job(tenant="other"))
    lease = await start(queue)
    assert await queue.finish(lease, Succeeded(result={}))
    await queue.submit(new_job())


async def test_the_deployment_may_have_so_many_live_jobs(queue: JobQueue) -> None:
    for number in range(20):
        await queue.submit(new_job(tenant=f"t{number}"))
    with pytest.raises(QueueFull) as caught:
        await queue.submit(new_job(tenant="late"))
    assert caught.value.retry_after == 20  # 20 jobs, no worker yet: one second each


async def test_urgent_jobs_come_first_then_older_ones(queue: JobQueue) -> None:
    ids = {p: (await queue.submit(new_job(priority=p)))[0].id for p in (2, 1, 0)}
    later, _ = await queue.submit(new_job(priority=1))
    entries = await take(queue, count=9)
    assert [entry.job.id for entry in entries] == [ids[0], ids[1], later.id, ids[2]]


async def test_every_eighth_fetch_begins_with_the_least_urgent(queue: JobQueue) -> None:
    for number in range(9):
        await queue.submit(new_job(priority=0, tenant=f"t{number}"))
    patient, _ = await queue.submit(new_job(priority=2))
    order = [(await take(queue))[0].job.id for _ in range(8)]
    assert order.index(patient.id) == 7


async def test_a_worker_gets_only_its_operations(queue: JobQueue) -> None:
    await queue.submit(new_job(operation=Operation.GENERATE))
    encode, _ = await queue.submit(new_job(operation=Operation.ENCODE))
    entries = await queue.fetch("alice", [Operation.ENCODE, Operation.DECODE], 5)
    assert [entry.job.id for entry in entries] == [encode.id]


async def test_fetch_never_gives_more_than_asked_for(queue: JobQueue) -> None:
    for operation in Operation:
        await queue.submit(new_job(operation=operation))
    assert len(await take(queue, count=3)) == 3
    assert len(await take(queue, count=3)) == 1


async def places(queue: JobQueue, *jobs: Job) -> list[int | None]:
    positions = await queue.positions(jobs)
    return [positions.get(job.id) for job in jobs]


async def test_positions_count_the_waiting_jobs_ahead(queue: JobQueue) -> None:
    first, second = [(await queue.submit(new_job()))[0] for _ in range(2)]
    urgent, _ = await queue.submit(new_job(priority=0))
    patient, _ = await queue.submit(new_job(priority=2))
    await queue.submit(new_job(operation=Operation.ENCODE))
    line = (urgent, first, second, patient)
    assert await places(queue, *line) == [0, 1, 2, 3]
    fetched = await queue.fetch("alice", [Operation.GENERATE], 2)
    assert await places(queue, *line[2:]) == [2, 3]  # these wait as well
    for entry in fetched:
        assert await queue.claim("alice", entry)
    assert await places(queue, *line[2:]) == [0, 1]


async def test_a_running_job_has_no_position(queue: JobQueue) -> None:
    await queue.submit(new_job())
    lease = await start(queue)
    assert await places(queue, lease.job) == [None]


async def test_ended_jobs_are_forgotten_in_time(redis: Redis, limits: QueueLimits) -> None:
    queue = JobQueue(redis, dataclasses.replace(limits, job_retention_ms=60_000))
    job, _ = await queue.submit(new_job())
    await queue.cancel(job.id)
    assert 0 < await redis.pttl(f"lg:job:{job.id}") <= 60_000
    await outlive_job(redis, "anonymous", job.id)
    await queue.tick()
    assert await queue.get(job.id) is None
    assert await queue.list_jobs(tenant="anonymous") == []
    for state in ("queued", "canceled"):
        assert await queue.list_jobs(tenant="anonymous", state=JobState(state)) == []
    left = set(await redis.keys("lg:*"))
    assert left <= {"lg:ev", "lg:q:generate:1"}


async def test_depths_tell_the_load_of_each_stream(queue: JobQueue) -> None:
    await queue.submit(new_job(priority=0))
    await asyncio.sleep(0.02)
    loads = {(load.operation, load.priority): load for load in await queue.depths()}
    assert len(loads) == 12
    assert loads[Operation.GENERATE, 0].entries == 1
    assert loads[Operation.GENERATE, 0].oldest_age_s > 0.015
    assert loads[Operation.GENERATE, 1].entries == 0


async def test_a_job_has_the_id_its_request_was_given(queue: JobQueue) -> None:
    request = new_job()
    job, _ = await queue.submit(request)
    again, _ = await queue.submit(request)
    assert job.id == again.id == request.id
    assert len(await take(queue, count=5)) == 1
