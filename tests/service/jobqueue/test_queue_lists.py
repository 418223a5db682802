"""Lists of a caller's jobs: pages, states, cursors that hold while jobs change."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from service.errors import InternalError
from service.jobqueue.lease import Canceled, Failed, Succeeded
from service.jobqueue.queue import JobQueue
from service.jobs import JobState, QueueLimits, new_id
from tests.service.jobqueue.clock import end_pause
from tests.service.jobqueue.worker import new_job, start


async def submitted(queue: JobQueue, count: int) -> list[str]:
    """Ids of new jobs, the oldest first, each of a millisecond of its own."""
    jobs = [new_job(id=new_id("job", now_ms=1_700_000_000_000 + n)) for n in range(count)]
    return [(await queue.submit(job))[0].id for job in jobs]


async def ids(queue: JobQueue, **arguments: object) -> list[str]:
    jobs = await queue.list_jobs(tenant="anonymous", **arguments)  # type: ignore[arg-type]
    return [job.id for job in jobs]


async def states(queue: JobQueue) -> dict[str, list[str]]:
    """What each list by state holds, where it holds anything."""
    lists = {state.value: await ids(queue, state=state, order="asc") for state in JobState}
    return {state: found for state, found in lists.items() if found}


@pytest.fixture
def roomy(redis: Redis, limits: QueueLimits) -> JobQueue:
    """A queue that admits hundreds of one caller's jobs."""
    return JobQueue(redis, replace(limits, queue_cap=500, tenant_cap=500, lease_ms=15_000))


async def test_listing_pages_through_a_tenants_jobs(queue: JobQueue) -> None:
    ids = await submitted(queue, 5)
    await queue.submit(new_job(tenant="other"))

    async def page(**arguments: object) -> list[str]:
        jobs = await queue.list_jobs(tenant="anonymous", **arguments)  # type: ignore[arg-type]
        return [job.id for job in jobs]

    assert await page() == ids[::-1]
    assert await page(order="asc", limit=2) == ids[:2]
    assert await page(order="asc", limit=2, after=ids[1]) == ids[2:4]
    assert await page(limit=2, after=ids[1]) == ids[:1]
    lease = await start(queue)
    assert await page(state=JobState.RUNNING) == [lease.job.id]
    assert len(await page(state=JobState.QUEUED)) == 4


async def test_a_list_is_limited(queue: JobQueue) -> None:
    with pytest.raises(ValueError, match=r"1\.\.101"):
        await queue.list_jobs(tenant="anonymous", limit=102)


async def test_a_job_is_in_the_list_of_its_state_and_in_no_other(
    redis: Redis, limits: QueueLimits
) -> None:
    queue = JobQueue(redis, replace(limits, retry_pause_ms=60_000))
    await submitted(queue, 1)
    (job_id,) = (await states(queue))["queued"]
    lease = await start(queue)
    assert await states(queue) == {"running": [job_id]}
    await queue.release(lease)
    assert await states(queue) == {"queued": [job_id]}
    await queue.retry(await start(queue), InternalError("x").to_dict())
    assert await states(queue) == {"queued": [job_id]}
    await end_pause(redis, job_id)
    await queue.tick()
    await queue.finish(await start(queue), Succeeded(result={}))
    assert await states(queue) == {"succeeded": [job_id]}


async def test_each_end_has_its_list(queue: JobQueue) -> None:
    canceled, failed, stopped, late = await submitted(queue, 4)
    await queue.cancel(canceled)
    await queue.finish(await start(queue), Failed(error=InternalError("x").to_dict()))
    await queue.finish(await start(queue), Canceled())
    await queue.cancel(late)
    assert await states(queue) == {"failed": [failed], "canceled": [canceled, stopped, late]}


async def test_pages_by_state_hold_while_jobs_change(roomy: JobQueue) -> None:
    jobs = await submitted(roomy, 9)
    assert await ids(roomy, state=JobState.QUEUED, limit=3) == jobs[:5:-1]
    await roomy.cancel(jobs[6])  # the cursor itself leaves the list,
    await roomy.cancel(jobs[7])  # and one before it: neither moves the next page
    assert await ids(roomy, state=JobState.QUEUED, limit=3, after=jobs[6]) == jobs[5:2:-1]
    await roomy.cancel(jobs[4])
    page = await ids(roomy, state=JobState.QUEUED, limit=3, after=jobs[2], order="asc")
    assert page == [jobs[3], jobs[5], jobs[8]]
    assert await ids(roomy, state=JobState.CANCELED, order="asc") == [jobs[4], jobs[6], jobs[7]]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_page_by_state_reads_no_more_than_it_shows(
    roomy: JobQueue, redis: Redis, order: str
) -> None:
    jobs = await submitted(roomy, 300)
    for job_id in (jobs[0], jobs[299]):
        await roomy.cancel(job_id)
    await redis.config_resetstat()
    found = await ids(roomy, state=JobState.CANCELED, order=order)
    assert sorted(found) == [jobs[0], jobs[299]]
    assert (await redis.info("commandstats"))["cmdstat_hgetall"]["calls"] == 2
    assert len(await ids(roomy, state=JobState.QUEUED, limit=100, order=order)) == 100
    assert (await redis.info("commandstats"))["cmdstat_hgetall"]["calls"] == 102


async def test_jobs_that_expired_a_moment_ago_leave_no_gap(roomy: JobQueue, redis: Redis) -> None:
    jobs = await submitted(roomy, 6)
    for job_id in jobs[1:5]:
        await redis.delete(f"lg:job:{job_id}")  # as it expires; the next tick has not come
    assert await ids(roomy, limit=2, order="asc") == [jobs[0], jobs[5]]
    assert await ids(roomy, limit=2, state=JobState.QUEUED) == [jobs[5], jobs[0]]


async def test_many_positions_are_told_at_once(roomy: JobQueue, redis: Redis) -> None:
    jobs = await roomy.list_jobs(tenant="anonymous")
    assert await roomy.positions(jobs) == {}
    expected = await submitted(roomy, 50)
    jobs = await roomy.list_jobs(tenant="anonymous", limit=50)
    assert await roomy.positions(jobs) == {job_id: n for n, job_id in enumerate(expected)}
