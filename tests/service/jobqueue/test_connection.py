"""Failures of Redis and what becomes of them."""

from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.errors import QueueUnavailable
from service.jobqueue.connection import Connection, connect
from service.jobqueue.queue import JobQueue
from service.jobs import QueueLimits
from tests.service.jobqueue.worker import new_job, take


async def test_an_absent_server_is_unavailable(tmp_path: Path) -> None:
    redis = connect(f"unix://{tmp_path}/none.sock")
    queue = JobQueue(redis, QueueLimits())
    with pytest.raises(QueueUnavailable) as caught:
        await queue.submit(new_job())
    assert caught.value.retry_after is not None
    with pytest.raises(QueueUnavailable):
        await take(queue)
    with pytest.raises(QueueUnavailable):
        await anext(queue.cancellations())
    await redis.aclose()


async def test_a_full_server_is_unavailable(queue: JobQueue, redis: Redis) -> None:
    await redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(QueueUnavailable):
            await queue.submit(new_job())
    finally:
        await redis.config_set("maxmemory", 0)
    await queue.submit(new_job())


async def test_a_defect_is_not_called_unavailable(redis: Redis) -> None:
    with pytest.raises(ResponseError):
        await Connection(redis).command("NO-SUCH-COMMAND")


async def test_scripts_are_loaded_again_after_the_server_forgot_them(
    queue: JobQueue, redis: Redis
) -> None:
    await queue.submit(new_job())
    await redis.script_flush()
    await queue.submit(new_job())
    assert len(await take(queue, count=2)) == 2
