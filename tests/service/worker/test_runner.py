"""The worker over a real queue, with a model process that plays what the jobs say."""

import asyncio
import time
from pathlib import Path

from redis.asyncio import Redis

from service.jobqueue.queue import JobQueue
from service.jobs import JobState, Operation
from tests.service.jobqueue.clock import miss_deadline
from tests.service.worker import fake_engine
from tests.service.worker.jobs import new_job
from tests.service.worker.workers import (
    Hire,
    Worker,
    finished,
    reached,
    running,
    until,
)


async def test_a_job_succeeds(queue: JobQueue, worker: Worker) -> None:
    job, _ = await queue.submit(new_job())
    done = await finished(queue, job)
    assert done.state is JobState.SUCCEEDED
    assert done.result is not None
    assert done.result["pid"] == worker.engine.pid
    assert done.timings_ms["decode"] == 1.5
    # A job is finished for all to see before its worker counts it.
    finished_jobs = {"op": "generate", "state": "succeeded"}
    await until(lambda: worker.sample("lagem_jobs_finished_total", **finished_jobs) == 1)
    await until(
        lambda: worker.sample("lagem_job_run_seconds_count", op="generate", stage="decode") == 1
    )
    await until(lambda: worker.sample("lagem_gpu_memory_bytes", kind="allocated") == 5)


async def test_jobs_that_wait_together_run_together(queue: JobQueue, hire: Hire) -> None:
    jobs = [(await queue.submit(new_job(seed=seed)))[0] for seed in range(3)]
    worker = await hire()
    for job in jobs:
        done = await finished(queue, job)
        assert done.result is not None
        assert done.result["mates"] == 3
    assert worker.sample("lagem_batch_size_sum", op="generate") == 3


async def test_a_failing_job_leaves_its_mates_alone(queue: JobQueue, hire: Hire) -> None:
    bad, _ = await queue.submit(new_job(play="fail"))
    good, _ = await queue.submit(new_job())
    await hire()
    failed = await finished(queue, bad)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert failed.error["code"] == "empty_surface"
    assert (await finished(queue, good)).state is JobState.SUCCEEDED


async def test_the_worker_announces_itself_while_it_is_ready(
    queue: JobQueue, worker: Worker
) -> None:
    (info,) = await queue.workers()
    assert info.id == worker.runner.id
    assert info.operations == tuple(Operation(name) for name in fake_engine.MODEL["can"])
    assert await queue.models() == [fake_engine.MODEL]
    await worker.stop()
    assert await queue.workers() == []
    assert not worker.runner.ready


async def test_progress_is_told(queue: JobQueue, worker: Worker, tmp_path: Path) -> None:
    marker = tmp_path / "enough"
    job, _ = await queue.submit(new_job(play="work", seconds=60.0, marker=str(marker)))
    told = await reached(queue, job, lambda job: job.progress > 0.005)
    assert told.stage == "denoise_l2"
    marker.touch()
    assert (await finished(queue, job)).state is JobState.SUCCEEDED


async def test_a_running_job_is_canceled_at_once(queue: JobQueue, worker: Worker) -> None:
    job, _ = await queue.submit(new_job(play="work"))
    await running(queue, job)
    before = time.monotonic()
    await queue.cancel(job.id)
    assert (await finished(queue, job)).state is JobState.CANCELED
    assert time.monotonic() - before < 15.0


async def test_canceling_one_job_of_a_batch_spares_the_others(queue: JobQueue, hire: Hire) -> None:
    unwanted, _ = await queue.submit(new_job(play="work"))
    wanted, _ = await queue.submit(new_job())
    await hire()
    await running(queue, unwanted)
    await queue.cancel(unwanted.id)
    assert (await finished(queue, unwanted)).state is JobState.CANCELED
    assert (await finished(queue, wanted)).state is JobState.SUCCEEDED


async def test_a_held_job_that_is_canceled_never_starts(queue: JobQueue, worker: Worker) -> None:
    first, _ = await queue.submit(new_job(play="work"))
    await running(queue, first)
    second, _ = await queue.submit(new_job())
    await until(lambda: worker.runner._batcher.entries != ())
    await queue.cancel(second.id)
    await queue.cancel(first.id)
    assert (await finished(queue, first)).state is JobState.CANCELED
    canceled = await finished(queue, second)
    assert canceled.state is JobState.CANCELED
    assert canceled.attempts == 0


async def test_a_job_past_its_deadline_is_stopped(
    queue: JobQueue, worker: Worker, redis: Redis
) -> None:
    job, _ = await queue.submit(new_job(play="work"))
    await running(queue, job)
    await miss_deadline(redis, job.id)
    await queue.tick()
    expired = await finished(queue, job)
    assert expired.error is not None
    assert expired.error["code"] == "deadline_exceeded"
    after, _ = await queue.submit(new_job())
    assert (await finished(queue, after)).state is JobState.SUCCEEDED
    assert worker.sample("lagem_results_fenced_total") == 1


async def test_a_batch_runs_while_the_one_before_is_finished(
    queue: JobQueue, worker: Worker, tmp_path: Path
) -> None:
    marker = tmp_path / "now"
    slow, _ = await queue.submit(new_job(play="finish", marker=str(marker)))
    await until(lambda: any(each.freed.is_set() for each in worker.runner._executions))
    canceled, _ = await queue.submit(new_job(play="work", steps=2))
    await running(queue, canceled)
    await queue.cancel(canceled.id)
    assert (await finished(queue, canceled)).state is JobState.CANCELED
    # A third batch waits until the first has ended, so that no more than one is behind.
    third, _ = await queue.submit(new_job(steps=3))
    await asyncio.sleep(0.3)
    states = [await queue.get(each.id) for each in (slow, third)]
    assert [each and each.state for each in states] == [JobState.RUNNING, JobState.QUEUED]
    marker.touch()
    assert (await finished(queue, slow)).state is JobState.SUCCEEDED
    assert (await finished(queue, third)).state is JobState.SUCCEEDED


async def test_shapes_are_counted_by_whether_they_were_computed(
    queue: JobQueue, worker: Worker
) -> None:
    for computed, reused in ((2, 0), (1, 3)):
        job, _ = await queue.submit(new_job(computed=computed, reused=reused))
        await finished(queue, job)
    await until(lambda: worker.sample("lagem_shapes_reused_total", op="generate") == 3)
    assert worker.sample("lagem_shapes_computed_total", op="generate") == 3
