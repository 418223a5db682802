"""Jobs that cannot even be batched, or read: each fails alone, and its worker goes on."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from service.jobqueue.queue import JobQueue
from service.jobs import JobState
from tests.service.worker.jobs import new_job
from tests.service.worker.workers import Worker, finished, until


async def test_a_job_that_cannot_be_batched_fails_alone(queue: JobQueue, worker: Worker) -> None:
    bad, _ = await queue.submit(replace(new_job(), params={}))
    good, _ = await queue.submit(new_job())
    failed = await finished(queue, bad)
    assert (failed.state, failed.attempts) == (JobState.FAILED, 0)
    assert failed.error is not None
    assert failed.error["code"] == "internal"
    assert (await finished(queue, good)).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("field", "value"), [("params", "{"), ("operation", "dream"), ("attempts", "")]
)
async def test_a_record_that_cannot_be_read_fails_alone(
    queue: JobQueue, redis: Redis, worker: Worker, field: str, value: str
) -> None:
    bad = new_job()
    key = f"lg:job:{bad.id}"
    async with redis.pipeline(transaction=True) as pipe:
        pipe.hset(key, mapping={field: value, **_as_submitted(bad.id)})
        pipe.xadd("lg:q:generate:1", {"job": bad.id}, id="5-1")
        await pipe.execute()
    good, _ = await queue.submit(new_job())
    assert (await finished(queue, good)).state is JobState.SUCCEEDED
    await until(lambda: not worker.runner._batcher.entries)
    assert await redis.hmget(key, "state", "entry") == ["failed", ""]
    assert "internal" in await redis.hget(key, "error")


def _as_submitted(job_id: str) -> dict[str, str]:
    return {
        "id": job_id,
        "state": "queued",
        "tenant": "anonymous",
        "stream": "lg:q:generate:1",
        "entry": "5-1",
        "seq": "0",
        "cancel": "0",
    }
