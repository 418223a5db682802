"""The register of workers and models, and the Retry-After made from it."""

import time
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from service.errors import InternalError
from service.jobqueue.lease import Canceled, Failed, Outcome, Succeeded
from service.jobqueue.queue import JobQueue
from service.jobqueue.records import WorkerInfo
from service.jobs import Operation
from tests.service.jobqueue.worker import new_job, start


def worker(name: str, *, slots: int = 4, model: str = "starter") -> WorkerInfo:
    now = int(time.time() * 1000)
    return WorkerInfo(
        id=name,
        device="cpu",
        slots=slots,
        operations=(Operation.ENCODE, Operation.DECODE),
        model={"name": model, "levels": [{"level": 3, "tokens": 32}]},
        started_ms=now,
        beat_ms=now,
    )


async def test_registered_workers_are_alive(queue: JobQueue) -> None:
    first, second = worker("w1"), worker("w2")
    await queue.register_worker(second)
    await queue.register_worker(first)
    assert await queue.workers() == [first, second]
    await queue.unregister_worker("w2")
    assert await queue.workers() == [first]


async def test_silent_workers_are_forgotten_but_their_model_is_not(
    queue: JobQueue, redis: Redis
) -> None:
    await queue.register_worker(worker("w1"))
    assert 10 < await redis.ttl("lg:w:w1") <= 15
    await redis.delete("lg:w:w1")  # as its time to live would
    assert await queue.workers() == []
    assert await redis.smembers("lg:workers") == set()
    assert await queue.models() == [worker("w1").model]


async def test_models_are_told_by_name(queue: JobQueue) -> None:
    for name in ("zeta", "alpha", "alpha"):
        await queue.register_worker(worker(f"w-{name}", model=name))
    assert [model["name"] for model in await queue.models()] == ["alpha", "zeta"]


async def test_nobody_is_there_at_first(queue: JobQueue) -> None:
    assert await queue.workers() == []
    assert await queue.models() == []


@pytest.mark.parametrize(
    ("mean_ms", "workers", "seconds"), [(2000, 1, 8), (2000, 4, 2), (1, 4, 1), (90_000, 1, 60)]
)
async def test_retry_after_is_the_time_to_work_off_the_backlog(
    queue: JobQueue, redis: Redis, mean_ms: int, workers: int, seconds: int
) -> None:
    for _ in range(4):
        await queue.submit(new_job())
    await redis.set("lg:mean_ms", mean_ms)
    for number in range(workers):
        await queue.register_worker(worker(f"w{number}"))
    assert await queue.retry_after() == seconds


async def test_who_waits_and_who_is_refused_are_told_the_same_time(
    queue: JobQueue, redis: Redis
) -> None:
    await redis.set("lg:mean_ms", 5000)
    for number in range(2):
        await queue.register_worker(worker(f"w{number}", slots=8))
    jobs = [(await queue.submit(new_job()))[0] for _ in range(4)]
    told = await queue.waits_s(jobs, {jobs[-1].id: len(jobs)})
    assert told[jobs[-1].id] - 5 == await queue.retry_after() == 10


async def test_the_mean_duration_is_a_jobs_share_of_its_batch(
    queue: JobQueue, redis: Redis
) -> None:
    await redis.set("lg:mean_ms", 1000)
    await queue.submit(new_job())
    await queue.finish(await start(queue), Succeeded(result={}))
    assert 900 <= float(await redis.get("lg:mean_ms")) < 910
    await redis.set("lg:mean_ms", 1000)
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    ago = int(await redis.hget(f"lg:job:{job.id}", "started_ms")) - 8000
    await redis.hset(f"lg:job:{job.id}", "started_ms", ago)
    await queue.finish(lease, Succeeded(result={}), batch=4)
    assert 1100 <= float(await redis.get("lg:mean_ms")) < 1110  # 0.9 * 1000 + 0.1 * 8000 / 4


@pytest.mark.parametrize(
    "outcome",
    [
        Canceled(),
        Failed(error=InternalError("no").to_dict()),
        Succeeded(result={"shapes": [{"reused": False}, {"reused": True}]}),
    ],
)
async def test_what_did_not_take_its_time_tells_nothing_of_it(
    queue: JobQueue, redis: Redis, outcome: Outcome
) -> None:
    await redis.mset({"lg:mean_ms": 1000, "lg:work_ms:generate": 100})
    await queue.submit(new_job())
    await queue.finish(await start(queue), outcome)
    assert await redis.mget("lg:mean_ms", "lg:work_ms:generate") == ["1000", "100"]


async def test_a_text_that_says_reused_is_no_reused_shape(queue: JobQueue, redis: Redis) -> None:
    await redis.set("lg:work_ms:generate", 100)
    await queue.submit(new_job())
    result = {"shapes": [{"reused": False}], "note": {"reused": True}}
    await queue.finish(await start(queue), Succeeded(result=result))
    assert float(await redis.get("lg:work_ms:generate")) < 100


async def test_the_time_to_a_jobs_end_goes_by_its_shapes_and_steps(
    queue: JobQueue, redis: Redis
) -> None:
    await redis.mset({"lg:mean_ms": 2000, "lg:work_ms:generate": 50})
    sizes = [{"n": 1, "steps": 10}, {"n": 4, "steps": 20}, {}]
    jobs = [(await queue.submit(new_job(params=params)))[0] for params in sizes]
    told = await queue.waits_s(jobs, await queue.positions(jobs))
    assert [told[job.id] for job in jobs] == pytest.approx([0.5, 2 + 4, 4 + 0.05])


async def test_the_time_of_a_step_follows_the_jobs(queue: JobQueue, redis: Redis) -> None:
    await redis.set("lg:work_ms:generate", 100)
    await queue.submit(new_job(params={"n": 2, "steps": 5, "seed": 2**64 - 1}))
    await queue.finish(await start(queue), Succeeded(result={}))
    assert 90 <= float(await redis.get("lg:work_ms:generate")) < 91


async def test_a_job_in_line_waits_for_the_first_worker_that_is_free(
    queue: JobQueue, redis: Redis
) -> None:
    await redis.mset({"lg:mean_ms": 2000, "lg:work_ms:generate": 50})
    job, _ = await queue.submit(new_job(params={"steps": 10}))
    now_ms = time.time() * 1000
    for busy_s, told_s in ((300, 300.5), (100, 100.5), (-50, 0.5)):
        busy = replace(worker(f"w{busy_s}"), busy_until_ms=round(now_ms + busy_s * 1000))
        await queue.register_worker(busy)
        assert (await queue.waits_s([job], {job.id: 0}))[job.id] == pytest.approx(told_s, abs=20)


async def test_no_time_is_told_before_any_was_measured(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    assert await queue.waits_s([job], {job.id: 3}) == {}
