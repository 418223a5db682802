"""Processes are killed while they work; no job is lost and none has two outcomes."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.jobqueue.connection import connect
from service.jobqueue.embedded import EmbeddedServer
from service.jobqueue.queue import JobQueue
from service.jobqueue.waiters import JobWaiters
from service.jobs import JobState, NewJob, Operation
from tests.chaos.worker import LIMITS


class Workers:
    """Worker processes, each with a fresh name; their output is in files."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._started = 0

    def start(self) -> str:
        name = f"worker{self._started}"
        self._started += 1
        with (self._folder / name).open("wb") as output:
            command = [sys.executable, "-m", "tests.chaos.worker", self._url, name]
            self.running[name] = subprocess.Popen(command, stdout=output)
        return name

    def kill(self, name: str) -> None:
        worker = self.running.pop(name)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()

    def stop(self) -> None:
        for name in list(self.running):
            self.kill(name)

    def lines(self, verb: str) -> Counter[str]:
        words = [
            line.split()
            for file in self._folder.iterdir()
            for line in file.read_text().splitlines()
        ]
        return Counter(line[1] for line in words if line[0] == verb)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path / "server") as running:
        yield running


@pytest.fixture
def workers(server: EmbeddedServer, tmp_path: Path) -> Iterator[Workers]:
    folder = tmp_path / "workers"
    folder.mkdir()
    started = Workers(server.url, folder)
    yield started
    started.stop()


def job(seconds: float) -> NewJob:
    return NewJob(operation=Operation.DECODE, params={"seconds": seconds}, batch_key="k")


async def until_started(workers: Workers, job_id: str) -> None:
    async with asyncio.timeout(20):
        while not workers.lines("start")[job_id]:  # noqa: ASYNC110 - another process's output
            await asyncio.sleep(0.02)


async def test_a_killed_workers_job_is_done_by_another(
    server: EmbeddedServer, workers: Workers
) -> None:
    redis = connect(server.url)
    queue = JobQueue(redis, LIMITS)
    victim = workers.start()
    submitted, _ = await queue.submit(job(1.0))
    await until_started(workers, submitted.id)
    workers.kill(victim)
    heir = workers.start()
    async with JobWaiters(queue) as waiters:
        done = await waiters.wait(submitted.id, 20.0)
    await redis.aclose()
    assert (done.state, done.attempts) == (JobState.SUCCEEDED, 2)
    assert done.result == {"worker": heir}
    assert workers.lines("done") == {submitted.id: 1}


async def test_a_frozen_workers_result_is_refused(server: EmbeddedServer, workers: Workers) -> None:
    redis = connect(server.url)
    queue = JobQueue(redis, LIMITS)
    victim = workers.start()
    submitted, _ = await queue.submit(job(0.5))
    await until_started(workers, submitted.id)
    os.kill(workers.running[victim].pid, signal.SIGSTOP)
    heir = workers.start()
    async with JobWaiters(queue) as waiters:
        done = await waiters.wait(submitted.id, 20.0)
    os.kill(workers.running[victim].pid, signal.SIGCONT)
    await asyncio.sleep(1.0)
    assert await queue.get(submitted.id) == done
    await redis.aclose()
    assert done.result == {"worker": heir}
    assert workers.lines("done") == {submitted.id: 1}


@pytest.mark.slow
async def test_every_job_ends_once_whoever_dies(server: EmbeddedServer, workers: Workers) -> None:
    """300 jobs; for as long as they run, a worker or the server is killed every half second."""
    dice = random.Random(0)
    redis = connect(server.url)
    queue = JobQueue(redis, LIMITS)
    ids = [(await queue.submit(job(dice.uniform(0.0, 0.5))))[0].id for _ in range(300)]
    for _ in range(4):
        workers.start()
    end = time.monotonic() + 240
    rounds = 0
    while time.monotonic() < end and await redis.zcard("lg:live"):
        await asyncio.sleep(0.5)
        rounds += 1
        if rounds % 7 == 0:
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            server.stop()
            server.start()
        elif rounds % 3 == 0:
            workers.kill(dice.choice(list(workers.running)))
            workers.start()
    records = [await queue.get(job_id) for job_id in ids]
    assert {record.state for record in records if record} == {JobState.SUCCEEDED}
    assert None not in records
    assert max(workers.lines("done").values()) == 1
    assert await redis.xlen("lg:q:decode:1") == 0
    assert await redis.keys("lg:tl:*") == []
    assert (await redis.xinfo_groups("lg:q:decode:1"))[0]["pending"] == 0
    await redis.aclose()
