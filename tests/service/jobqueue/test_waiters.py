"""Waiting for jobs: quick, patient, and true after lost events."""

import asyncio
import contextlib
import time

import pytest
import structlog
from redis.asyncio import Redis

from service.errors import NotFound
from service.jobqueue.lease import Succeeded
from service.jobqueue.queue import JobQueue
from service.jobqueue.waiters import JobWaiters
from service.jobs import JobState, Stage
from tests.service.jobqueue.worker import new_job, start

LONG_S = 120.0
"""A wait of which no test sees the end."""


async def until_events_are_read(redis: Redis) -> None:
    """Return once the waiters' reader waits inside the server."""
    while (await redis.info("clients"))["blocked_clients"] == 0:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)


@pytest.fixture
def woken_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiters that are not woken do not look again."""
    monkeypatch.setattr("service.jobqueue.waiters._REREAD_S", LONG_S)


@pytest.mark.usefixtures("woken_only")
async def test_a_waiter_wakes_when_its_job_ends(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    async with JobWaiters(queue) as waiters:
        waiting = asyncio.ensure_future(waiters.wait(job.id, LONG_S))
        await until_events_are_read(redis)
        await queue.finish(lease, Succeeded(result={}))
        assert (await asyncio.wait_for(waiting, 20)).state is JobState.SUCCEEDED


@pytest.mark.usefixtures("woken_only")
async def test_a_hundred_waiters_wake_together(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    async with JobWaiters(queue) as waiters:
        waiting = [asyncio.ensure_future(waiters.wait(job.id, LONG_S)) for _ in range(100)]
        await until_events_are_read(redis)
        await queue.cancel(job.id)
        done = await asyncio.wait_for(asyncio.gather(*waiting), 20)
    assert {job.state for job in done} == {JobState.CANCELED}


async def test_a_wait_that_is_too_short_gives_the_job_as_it_is(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    async with JobWaiters(queue) as waiters:
        begin = time.monotonic()
        assert (await waiters.wait(job.id, 0.15)).state is JobState.QUEUED
        assert time.monotonic() - begin >= 0.15
        assert (await waiters.wait(job.id, 0.0)).state is JobState.QUEUED


async def test_a_job_that_has_ended_is_there_at_once(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    await queue.cancel(job.id)
    async with JobWaiters(queue) as waiters:
        done = await asyncio.wait_for(waiters.wait(job.id, LONG_S), 20)
    assert done.state is JobState.CANCELED


async def test_nobody_waits_for_an_unknown_job(queue: JobQueue) -> None:
    async with JobWaiters(queue) as waiters:
        with pytest.raises(NotFound):
            await waiters.wait("job_none", LONG_S)


async def test_lost_events_only_cost_time(queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.jobqueue.waiters._REREAD_S", 0.1)
    job, _ = await queue.submit(new_job())
    waiters = JobWaiters(queue)  # not started: it hears nothing
    waiting = asyncio.ensure_future(waiters.wait(job.id, LONG_S))
    await asyncio.sleep(0.05)
    await queue.cancel(job.id)
    assert (await asyncio.wait_for(waiting, 20)).state is JobState.CANCELED


@pytest.mark.usefixtures("woken_only")
async def test_waiters_survive_a_cut_connection(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    async with JobWaiters(queue) as waiters:
        waiting = asyncio.ensure_future(waiters.wait(job.id, LONG_S))
        await until_events_are_read(redis)
        with contextlib.suppress(Exception):
            await redis.execute_command("CLIENT", "KILL", "TYPE", "normal")
        await queue.cancel(job.id)
        assert (await asyncio.wait_for(waiting, 20)).state is JobState.CANCELED


async def test_the_reader_of_events_survives_a_defect_and_tells_of_it(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobqueue.waiters._RECONNECT_S", 0.01)
    job, _ = await queue.submit(new_job())
    events, failures = queue.events, [RuntimeError("a defect"), KeyError("id")]

    async def failing(after: str) -> tuple[str, list[str]]:
        if failures:
            raise failures.pop()
        return await events(after)

    monkeypatch.setattr(queue, "events", failing)
    with structlog.testing.capture_logs() as lines:
        async with JobWaiters(queue) as waiters:
            waiting = asyncio.ensure_future(waiters.wait(job.id, 10.0))
            await asyncio.sleep(0.2)
            await queue.cancel(job.id)
            # Well before the waiter would look by itself.
            assert (await asyncio.wait_for(waiting, 3.0)).state is JobState.CANCELED
    assert [line["log_level"] for line in lines] == ["error", "error"]


async def test_changes_show_every_step_and_end(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    seen = []
    async with JobWaiters(queue) as waiters:
        async for snapshot in waiters.changes(job.id):
            seen.append((snapshot.state, snapshot.stage))
            if snapshot.state is JobState.QUEUED:
                lease = await start(queue)
            elif snapshot.stage is None and not snapshot.state.terminal:
                await queue.beat(lease, stage=Stage.DECODE, progress=0.5)
            elif not snapshot.state.terminal:
                await queue.finish(lease, Succeeded(result={}))
    assert seen == [
        (JobState.QUEUED, None),
        (JobState.RUNNING, None),
        (JobState.RUNNING, Stage.DECODE),
        (JobState.SUCCEEDED, None),
    ]


async def test_nothing_is_kept_of_waiters_that_left(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    async with JobWaiters(queue) as waiters:
        await waiters.wait(job.id, 0.01)
        changes = waiters.changes(job.id)
        await anext(changes)
        await changes.aclose()  # type: ignore[attr-defined]
        assert not waiters._waiting
