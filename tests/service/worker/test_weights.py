"""Jobs that were accepted for other weights than their worker has are not run by it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from service.errors import ServiceError, WeightsMismatch
from service.jobqueue.queue import JobQueue
from service.jobqueue.records import WorkerInfo
from service.jobs import Job, JobState, Operation
from tests.service.worker import fake_engine
from tests.service.worker.jobs import new_job
from tests.service.worker.workers import Worker, finished, reached, until

LOADED = str(fake_engine.MODEL["weights_sha256"])
OTHER = "ab" * 32

Submit = Callable[..., Awaitable[Job]]


@pytest.fixture
def submit(queue: JobQueue) -> Submit:
    async def submit(weights: str | None, operation: Operation = Operation.GENERATE) -> Job:
        job, _ = await queue.submit(replace(new_job(operation), weights_sha256=weights))
        return job

    return submit


def colleague(weights: str) -> WorkerInfo:
    """A worker that has the weights, and takes no job."""
    return WorkerInfo(
        id="colleague",
        device="cpu",
        slots=1,
        operations=tuple(Operation),
        model=fake_engine.MODEL | {"weights_sha256": weights},
        started_ms=0,
        beat_ms=0,
    )


@pytest.mark.parametrize("operation", Operation)
async def test_a_job_for_weights_that_nobody_has_ends_and_says_so(
    queue: JobQueue, worker: Worker, submit: Submit, operation: Operation
) -> None:
    done = await finished(queue, await submit(OTHER, operation))
    assert (done.state, done.attempts) == (JobState.FAILED, 0)
    assert done.error is not None
    error = ServiceError.from_dict(done.error)
    assert isinstance(error, WeightsMismatch)
    assert OTHER[:12] in error.detail
    assert LOADED[:12] in error.detail
    assert "Send the request again" in str(error.suggestion)
    failed = {"op": operation, "state": "failed"}
    await until(lambda: worker.sample("lagem_jobs_finished_total", **failed) == 1)


@pytest.mark.parametrize("weights", [LOADED, None])
async def test_jobs_for_the_loaded_weights_and_those_that_do_not_say_are_run(
    queue: JobQueue, worker: Worker, submit: Submit, weights: str | None
) -> None:
    assert (await finished(queue, await submit(weights))).state is JobState.SUCCEEDED


async def test_a_job_waits_for_a_live_worker_with_its_weights_at_no_cost(
    queue: JobQueue, redis: Redis, worker: Worker, submit: Submit
) -> None:
    await queue.register_worker(colleague(OTHER))
    job = await submit(OTHER)
    waiting = await reached(queue, job, lambda job: job.seq == 2)
    assert (waiting.state, waiting.attempts) == (JobState.QUEUED, 0)
    assert await redis.zcard("lg:delay") == 1
    await queue.tick()
    waiting = await reached(queue, job, lambda job: job.seq == 4)  # back in line, and put off anew
    assert (waiting.state, waiting.attempts) == (JobState.QUEUED, 0)
    await queue.unregister_worker("colleague")
    await queue.tick()
    done = await finished(queue, job)
    assert done.error is not None
    assert done.error["code"] == "weights_mismatch"


async def test_a_mate_for_other_weights_takes_no_room_in_the_batch(
    queue: JobQueue, submit: Submit, hire: Callable[[], Awaitable[Worker]]
) -> None:
    jobs = [await submit(weights) for weights in (OTHER, LOADED, LOADED)]
    await hire()
    first, *others = [await finished(queue, job) for job in jobs]
    assert first.state is JobState.FAILED
    assert [job.result and job.result["mates"] for job in others] == [2, 2]
