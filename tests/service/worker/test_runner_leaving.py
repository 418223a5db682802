"""A worker that stops, and one that Redis leaves for a while."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from service.errors import QueueUnavailable
from service.jobqueue.queue import JobQueue
from service.jobs import JobState, Operation
from tests.service.worker import fake_engine
from tests.service.worker.jobs import new_job
from tests.service.worker.workers import (
    Hire,
    Worker,
    finished,
    process,
    running,
    until,
)


class Outage:
    """All calls of a queue fail until it is closed.

    Attributes:
        refused: the names of the calls.
    """

    def __init__(self, queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refused: set[object] = set()

        async def fail(*args: object, **options: object) -> None:
            self.refused.add(args[0])
            raise QueueUnavailable("Redis is away.")

        self._patch = monkeypatch.context()
        patch = self._patch.__enter__()
        patch.setattr(queue._connection, "run", fail)
        patch.setattr(queue._connection, "command", fail)

    def close(self) -> None:
        self._patch.__exit__(None, None, None)


async def test_stopping_waits_for_what_is_being_finished(
    queue: JobQueue, worker: Worker, tmp_path: Path
) -> None:
    marker = tmp_path / "now"
    job, _ = await queue.submit(new_job(play="finish", marker=str(marker)))
    await until(lambda: any(each.freed.is_set() for each in worker.runner._executions))
    worker.runner.stop()
    await asyncio.sleep(0.2)
    assert not worker.task.done()
    marker.touch()
    await worker.task
    assert (await finished(queue, job)).state is JobState.SUCCEEDED


async def test_stopping_finishes_what_runs_and_gives_back_what_is_held(
    queue: JobQueue, worker: Worker, tmp_path: Path
) -> None:
    marker = tmp_path / "now"
    started, _ = await queue.submit(new_job(play="work", marker=str(marker)))
    await running(queue, started)
    held, _ = await queue.submit(new_job())
    await until(lambda: worker.runner._batcher.entries != ())
    worker.runner.stop()
    await until(lambda: worker.runner._batcher.entries == ())
    assert not worker.task.done()
    marker.touch()
    await worker.task
    assert (await finished(queue, started)).state is JobState.SUCCEEDED
    waiting = await queue.get(held.id)
    assert waiting is not None
    assert waiting.state is JobState.QUEUED
    assert waiting.attempts == 0
    (taken,) = await queue.fetch("another", [Operation.GENERATE], 1)
    assert taken.job.id == held.id


async def test_what_does_not_end_within_the_drain_is_given_back(
    queue: JobQueue, hire: Hire
) -> None:
    worker = await hire(drain_s=0.3)
    job, _ = await queue.submit(new_job(play="work"))
    await running(queue, job)
    await worker.stop()
    given_back = await queue.get(job.id)
    assert given_back is not None
    assert given_back.state is JobState.QUEUED
    assert given_back.attempts == 0


async def test_a_worker_that_is_loading_stops_at_once(queue: JobQueue) -> None:
    worker = Worker(queue, process(fake_engine.load_slowly))
    await until(lambda: worker.engine.pid is not None)
    before = time.monotonic()
    await worker.stop()
    assert time.monotonic() - before < 15.0
    assert await queue.workers() == []


async def test_a_pause_of_redis_loses_nothing(
    queue: JobQueue, worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "now"
    job, _ = await queue.submit(new_job(play="work", marker=str(marker)))
    await running(queue, job)
    with contextlib.closing(Outage(queue, monkeypatch)) as outage:
        await until(lambda: not worker.runner.ready)
        marker.touch()
        await until(lambda: "finish" in outage.refused)
    assert (await finished(queue, job)).state is JobState.SUCCEEDED
    await until(lambda: worker.runner.ready)
