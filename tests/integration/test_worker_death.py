"""Whole worker processes that are killed, and ended, in the middle of a job."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.jobqueue.queue import JobQueue
from service.jobs import Job, JobState, QueueLimits
from tests.service.worker.jobs import new_job


@pytest.fixture
def limits() -> QueueLimits:
    return QueueLimits(lease_ms=2000)


@pytest.fixture
def hire(redis_server: str, repo_root: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    workers: list[subprocess.Popen[bytes]] = []

    def hire() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.integration.fake_worker", redis_server]
        workers.append(subprocess.Popen(command, cwd=repo_root, stdout=subprocess.DEVNULL))
        return workers[-1]

    yield hire
    for worker in workers:
        worker.kill()
        worker.wait()


async def reached(queue: JobQueue, job: Job, condition: Callable[[Job], bool]) -> Job:
    async with asyncio.timeout(120):
        while True:
            current = await queue.get(job.id)
            assert current is not None
            if condition(current):
                return current
            await asyncio.sleep(0.02)


async def test_another_worker_finishes_the_job_of_a_killed_one(
    queue: JobQueue, hire: Callable[[], subprocess.Popen[bytes]]
) -> None:
    victim = hire()
    job, _ = await queue.submit(new_job(play="work", seconds=1.5))
    await reached(queue, job, lambda job: job.stage is not None)
    heir = hire()
    victim.send_signal(signal.SIGKILL)
    done = await reached(queue, job, lambda job: job.state.terminal)
    assert done.state is JobState.SUCCEEDED
    assert done.attempts == 2
    assert heir.poll() is None


async def test_a_worker_that_is_ended_finishes_its_job_first(
    queue: JobQueue, hire: Callable[[], subprocess.Popen[bytes]]
) -> None:
    worker = hire()
    job, _ = await queue.submit(new_job(play="work", seconds=1.0))
    await reached(queue, job, lambda job: job.stage is not None)
    worker.terminate()
    done = await reached(queue, job, lambda job: job.state.terminal)
    assert done.state is JobState.SUCCEEDED
    assert done.attempts == 1
    assert await asyncio.to_thread(worker.wait, 60) == 0
    assert await queue.workers() == []
