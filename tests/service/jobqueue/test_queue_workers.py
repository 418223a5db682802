"""The register of workers and models, and the Retry-After made from it."""

import time

import pytest
from redis.asyncio import Redis

from service.jobqueue.lease import Succeeded
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
    ("mean_ms", "slots", "seconds"), [(2000, 1, 8), (2000, 4, 2), (1, 4, 1), (90_000, 1, 60)]
)
async def test_retry_after_is_the_time_to_work_off_the_backlog(
    queue: JobQueue, redis: Redis, mean_ms: int, slots: int, seconds: int
) -> None:
    for _ in range(4):
        await queue.submit(new_job())
    await redis.set("lg:mean_ms", mean_ms)
    await queue.register_worker(worker("w1", slots=slots))
    assert await queue.retry_after() == seconds


async def test_the_mean_duration_follows_the_jobs(queue: JobQueue, redis: Redis) -> None:
    await redis.set("lg:mean_ms", 1000)
    await queue.submit(new_job())
    await queue.finish(await start(queue), Succeeded(result={}))
    assert 900 <= float(await redis.get("lg:mean_ms")) < 910


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
    await redis.set("lg:work_ms:generate", 100)
    await queue.submit(new_job())
    await queue.finish(await start(queue), Succeeded(result={"shapes": [{"reused": True}]}))
    assert float(await redis.get("lg:work_ms:generate")) == 100
