"""The worker's side: claims, leases, fencing, poison, retries, release."""

import asyncio
import dataclasses
import json
import time

import pytest
from redis.asyncio import Redis

from service.errors import ErrorCode, InternalError
from service.jobqueue.lease import Beat, Canceled, Failed, Succeeded
from service.jobqueue.queue import JobQueue
from service.jobs import JobState, QueueLimits, ShapeRecord, Stage, new_id
from tests.service.jobqueue.worker import new_job, start, take

LEASE_S = 0.2
"""A little longer than the lease of the ``limits`` fixture."""


def shape(*parents: str) -> ShapeRecord:
    now = int(time.time() * 1000)
    return ShapeRecord(
        id=new_id("shp"),
        meta={"seed": 7, "category": "table"},
        latents_ref="latents/x.safetensors",
        parents=parents,
        created_ms=now,
        expires_ms=now + 60_000,
    )


async def assert_nothing_is_left(redis: Redis) -> None:
    """No queue structure remembers an ended job: only its record, the index and wake-ups do."""
    assert await redis.zcard("lg:live") == 0
    assert await redis.zcard("lg:delay") == 0
    assert await redis.keys("lg:tl:*") == []
    for stream in await redis.keys("lg:q:*"):
        assert await redis.xlen(stream) == 0
        for group in await redis.xinfo_groups(stream):
            assert group["pending"] == 0


async def test_a_job_runs_and_succeeds(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job(preprocess_ms=3.0))
    lease = await start(queue)
    assert (lease.job.id, lease.job.state, lease.job.attempts) == (job.id, JobState.RUNNING, 1)
    assert not lease.redelivered
    assert await queue.beat(lease, stage=Stage.DENOISE_L2, progress=0.25) is Beat.OK
    running = await queue.get(job.id)
    assert running is not None
    assert (running.stage, running.progress) == (Stage.DENOISE_L2, 0.25)
    made = shape("shp_parent")
    outcome = Succeeded(result={"shapes": [made.id]}, shapes=(made,), timings_ms={"decode": 4.5})
    assert await queue.finish(lease, outcome)
    done = await queue.get(job.id)
    assert done is not None
    assert (done.state, done.stage, done.progress) == (JobState.SUCCEEDED, None, 1.0)
    assert done.result == {"shapes": [made.id]}
    assert done.error is None
    assert done.timings_ms.keys() == {"queue", "preprocess", "decode"}
    assert done.expires_ms == done.finished_ms + queue.limits.job_retention_ms
    assert await queue.shape(made.id) == made
    assert await queue.children("shp_parent") == [made.id]
    await assert_nothing_is_left(redis)


async def test_seq_grows_with_every_visible_change(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    await queue.beat(lease, stage=Stage.DECODE, progress=0.5)
    await queue.beat(lease, stage=Stage.DECODE, progress=0.5)
    await queue.finish(lease, Succeeded(result={}))
    done = await queue.get(job.id)
    assert done is not None
    assert done.seq == 4  # queued, running, decode, succeeded


async def test_a_failed_job_keeps_its_error(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    error = InternalError("broken").to_dict()
    assert await queue.finish(lease, Failed(error=error))
    done = await queue.get(job.id)
    assert done is not None
    assert (done.state, done.error, done.result) == (JobState.FAILED, error, None)
    await assert_nothing_is_left(redis)


async def test_finish_may_be_repeated(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    assert await queue.finish(lease, Succeeded(result={"a": 1}))
    assert await queue.finish(lease, Succeeded(result={"a": 2}))
    done = await queue.get(job.id)
    assert done is not None
    assert done.result == {"a": 1}


async def test_a_held_entry_is_not_given_to_others(queue: JobQueue) -> None:
    await queue.submit(new_job())
    entries = await take(queue, "alice")
    bob = asyncio.ensure_future(take(queue, "bob"))
    for _ in range(6):
        await asyncio.sleep(LEASE_S / 2)
        await queue.hold("alice", entries)
    assert not bob.done()
    assert await queue.claim("alice", entries[0]) is not None
    assert await bob == []


async def test_holding_does_not_take_an_entry_back(queue: JobQueue) -> None:
    await queue.submit(new_job())
    old = await take(queue, "alice")
    await asyncio.sleep(LEASE_S)
    (new,) = await take(queue, "bob")
    await queue.hold("alice", old)
    assert await queue.claim("bob", new) is not None


async def test_a_silent_workers_job_goes_to_another(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    frozen = await start(queue, "alice")
    await asyncio.sleep(LEASE_S)
    (entry,) = await take(queue, "bob")
    assert entry.redelivered
    lease = await queue.claim("bob", entry)
    assert lease is not None
    assert lease.redelivered
    assert (lease.job.id, lease.job.attempts) == (job.id, 2)
    assert await queue.beat(frozen, stage=None, progress=0.1) is Beat.LOST
    late = shape()
    assert not await queue.finish(frozen, Succeeded(result={"who": "alice"}, shapes=(late,)))
    assert await queue.shape(late.id) is None
    assert await queue.finish(lease, Succeeded(result={"who": "bob"}))
    done = await queue.get(job.id)
    assert done is not None
    assert done.result == {"who": "bob"}


async def test_a_reclaimed_entry_is_found_behind_many_healthy_ones(
    redis: Redis, limits: QueueLimits
) -> None:
    queue = JobQueue(redis, dataclasses.replace(limits, queue_cap=100, tenant_cap=100))
    for _ in range(40):
        await queue.submit(new_job())
    healthy = await take(queue, "alice", count=39)
    await start(queue, "carol")
    await asyncio.sleep(LEASE_S)
    await queue.hold("alice", healthy)
    (entry,) = await take(queue, "bob")
    assert entry.redelivered


async def test_beats_keep_a_running_job(queue: JobQueue) -> None:
    await queue.submit(new_job())
    lease = await start(queue, "alice")
    for step in range(4):
        await asyncio.sleep(LEASE_S / 2)
        assert await queue.beat(lease, stage=Stage.DECODE, progress=step / 4) is Beat.OK
    assert await take(queue, "bob") == []


async def test_a_worker_that_wakes_before_its_job_is_started_elsewhere_keeps_it(
    queue: JobQueue,
) -> None:
    await queue.submit(new_job())
    lease = await start(queue, "alice")
    await asyncio.sleep(LEASE_S)
    (entry,) = await take(queue, "bob")
    assert await queue.beat(lease, stage=None, progress=0.0) is Beat.OK
    assert await queue.claim("bob", entry) is None
    assert await queue.finish(lease, Succeeded(result={}))


async def test_an_entry_taken_over_cannot_be_claimed_by_its_old_holder(queue: JobQueue) -> None:
    await queue.submit(new_job())
    (old,) = await take(queue, "alice")
    await asyncio.sleep(LEASE_S)
    (new,) = await take(queue, "bob")
    assert await queue.claim("alice", old) is None
    assert await queue.claim("bob", new) is not None


async def test_a_lost_claim_reply_does_not_cost_an_attempt(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobqueue.queue.secrets.token_hex", lambda _: "same")
    await queue.submit(new_job())
    (entry,) = await take(queue)
    first = await queue.claim("alice", entry)
    again = await queue.claim("alice", entry)
    assert first is not None
    assert again is not None
    assert (again.token, again.job.attempts) == (first.token, 1)


async def test_a_job_that_kills_its_workers_is_given_up(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    for attempt in (1, 2, 3):
        lease = await start(queue, f"worker{attempt}")
        assert lease.job.attempts == attempt
        await asyncio.sleep(LEASE_S)
    (entry,) = await take(queue, "worker4")
    assert await queue.claim("worker4", entry) is None
    done = await queue.get(job.id)
    assert done is not None
    assert (done.state, done.attempts) == (JobState.FAILED, 3)
    assert done.error is not None
    assert done.error["code"] == ErrorCode.WORKER_CRASHED
    ((_, letter),) = await redis.xrange("lg:dlq")
    assert letter["id"] == job.id
    assert json.loads(letter["error"])["code"] == ErrorCode.WORKER_CRASHED
    await assert_nothing_is_left(redis)


async def test_holding_a_job_is_no_attempt(queue: JobQueue) -> None:
    await queue.submit(new_job())
    for number in range(4):
        (entry,) = await take(queue, f"worker{number}")
        assert not entry.redelivered
        await asyncio.sleep(LEASE_S)
    assert (await start(queue, "last")).job.attempts == 1


async def test_a_retry_waits_then_runs_again(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    await queue.retry(lease, InternalError("child died").to_dict(), delay_ms=60)
    waiting = await queue.get(job.id)
    assert waiting is not None
    assert (waiting.state, waiting.started_ms) == (JobState.QUEUED, None)
    assert await queue.position(waiting) is None
    assert (await queue.tick()).retried == 0
    await asyncio.sleep(0.08)
    assert (await queue.tick()).retried == 1
    again = await start(queue)
    assert again.redelivered
    assert again.job.attempts == 2


async def test_a_retry_without_attempts_left_fails_with_its_error(
    queue: JobQueue, redis: Redis
) -> None:
    job, _ = await queue.submit(new_job())
    error = InternalError("child died").to_dict()
    for _ in range(3):
        await queue.retry(await start(queue), error, delay_ms=0)
    done = await queue.get(job.id)
    assert done is not None
    assert (done.state, done.error) == (JobState.FAILED, error)
    assert await redis.xlen("lg:dlq") == 1
    await assert_nothing_is_left(redis)


async def test_a_fenced_retry_changes_nothing(queue: JobQueue) -> None:
    await queue.submit(new_job())
    frozen = await start(queue, "alice")
    await asyncio.sleep(LEASE_S)
    lease = await start(queue, "bob")
    await queue.retry(frozen, InternalError("late").to_dict(), delay_ms=0)
    await queue.release(frozen)
    assert await queue.beat(lease, stage=None, progress=0.0) is Beat.OK


@pytest.mark.parametrize("started", [False, True])
async def test_a_released_job_is_available_at_once_and_costs_nothing(
    queue: JobQueue, started: bool
) -> None:
    job, _ = await queue.submit(new_job())
    (entry,) = await take(queue, "alice")
    lease = await queue.claim("alice", entry) if started else None
    await queue.release(lease or entry)
    again = await start(queue, "bob")
    assert (again.job.id, again.job.attempts, again.redelivered) == (job.id, 1, False)


async def test_a_queued_job_is_canceled_at_once(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    canceled = await queue.cancel(job.id)
    assert canceled.state is JobState.CANCELED
    assert await take(queue) == []
    await assert_nothing_is_left(redis)


async def test_a_held_job_that_was_canceled_cannot_be_claimed(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    (entry,) = await take(queue)
    await queue.cancel(job.id)
    assert await queue.claim("alice", entry) is None


async def test_a_job_waiting_for_its_retry_can_be_canceled(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    await queue.retry(await start(queue), InternalError("x").to_dict(), delay_ms=10_000)
    assert (await queue.cancel(job.id)).state is JobState.CANCELED
    await assert_nothing_is_left(redis)


async def test_a_running_jobs_worker_is_told_to_stop(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    asked = await queue.cancel(job.id)
    assert (asked.state, asked.cancel_requested) == (JobState.RUNNING, True)
    assert await queue.beat(lease, stage=None, progress=0.0) is Beat.CANCEL
    assert await queue.finish(lease, Canceled())
    done = await queue.get(job.id)
    assert done is not None
    assert (done.state, done.error) == (JobState.CANCELED, None)
    await assert_nothing_is_left(redis)


async def test_a_canceled_job_of_a_dead_worker_is_not_started_again(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    await start(queue, "alice")
    await queue.cancel(job.id)
    await asyncio.sleep(LEASE_S)
    (entry,) = await take(queue, "bob")
    assert await queue.claim("bob", entry) is None
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.CANCELED


async def test_cancellations_reach_workers_without_a_beat(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    await start(queue)
    cancellations = queue.cancellations()
    heard = asyncio.ensure_future(anext(cancellations))
    await asyncio.sleep(0.05)  # the subscription is on its way
    await queue.cancel(job.id)
    assert await asyncio.wait_for(heard, 1.0) == job.id
    await cancellations.aclose()


async def test_a_waiting_job_past_its_deadline_fails(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job(deadline_ms=int(time.time() * 1000) + 30))
    assert (await queue.tick()).expired == ()
    await asyncio.sleep(0.05)
    assert len((await queue.tick()).expired) == 1
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error["code"] == ErrorCode.DEADLINE_EXCEEDED
    await assert_nothing_is_left(redis)


async def test_a_running_job_past_its_deadline_is_taken_from_its_worker(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job(deadline_ms=int(time.time() * 1000) + 60))
    lease = await start(queue)
    await asyncio.sleep(0.08)
    await queue.tick()
    assert await queue.beat(lease, stage=None, progress=0.9) is Beat.LOST
    assert not await queue.finish(lease, Succeeded(result={}))
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.FAILED


async def test_a_late_job_is_not_started(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job(deadline_ms=int(time.time() * 1000) + 30))
    (entry,) = await take(queue)
    await asyncio.sleep(0.05)
    assert await queue.claim("alice", entry) is None
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.FAILED


async def test_a_new_job_wakes_an_idle_worker(queue: JobQueue) -> None:
    idle = asyncio.ensure_future(take(queue))
    await asyncio.sleep(0.1)
    begin = time.monotonic()
    await queue.submit(new_job())
    assert len(await idle) == 1
    assert time.monotonic() - begin < 0.5


async def test_cancelling_an_idle_fetch_loses_no_job(queue: JobQueue) -> None:
    idle = asyncio.ensure_future(take(queue, "alice"))
    await asyncio.sleep(0.1)
    idle.cancel()
    await queue.submit(new_job())
    assert len(await take(queue, "bob")) == 1


async def test_a_consumer_with_pending_jobs_is_kept(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue, "alice")
    await queue.close_consumer("alice", [job.operation])
    await asyncio.sleep(LEASE_S)
    (entry,) = await take(queue, "bob")
    assert entry.job.id == lease.job.id


async def test_a_consumer_without_jobs_is_forgotten(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    await queue.finish(await start(queue, "alice"), Succeeded(result={}))
    await queue.close_consumer("alice", [job.operation])
    assert await redis.xinfo_consumers("lg:q:generate:1", "w") == []


async def test_shapes_expire(queue: JobQueue) -> None:
    await queue.submit(new_job())
    made = dataclasses.replace(shape("shp_parent"), expires_ms=int(time.time() * 1000) + 40)
    await queue.finish(await start(queue), Succeeded(result={}, shapes=(made,)))
    assert await queue.shape(made.id) == made
    await asyncio.sleep(0.06)
    assert await queue.shape(made.id) is None
    assert await queue.children("shp_parent") == []


async def test_children_live_as_long_as_the_longest(queue: JobQueue) -> None:
    soon, later = shape("shp_p"), shape("shp_p")
    soon = dataclasses.replace(soon, expires_ms=int(time.time() * 1000) + 40)
    await queue.submit(new_job())
    await queue.finish(await start(queue), Succeeded(result={}, shapes=(later, soon)))
    await asyncio.sleep(0.06)
    assert later.id in await queue.children("shp_p")
