"""A server that accepts connections and does not answer: nobody waits long, nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from service.errors import QueueUnavailable
from service.jobqueue.connection import connect
from service.jobqueue.embedded import EmbeddedServer
from service.jobqueue.lease import Canceled
from service.jobqueue.queue import JobQueue
from service.jobqueue.tasks import cancel_and_wait
from service.jobqueue.waiters import JobWaiters
from service.jobs import IdempotencyKey, JobState, Operation, QueueLimits
from service.settings import WorkerSettings
from service.telemetry import WorkerMetrics
from service.worker.process import EngineProcess
from service.worker.runner import Runner
from tests.service.frozen import deaf_server, frozen
from tests.service.jobqueue.worker import start
from tests.service.worker import fake_engine
from tests.service.worker.jobs import new_job

LIMIT_S = 0.2
"""How long a queue waits for a server that is known to be hung."""

PATIENT_S = 20.0
"""How long it waits otherwise: the machine may be busy."""

FAR_LESS_THAN_RETRIES_S = 15.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("hung")) as server:
        yield server


@pytest_asyncio.fixture
async def queue(server: EmbeddedServer) -> AsyncIterator[JobQueue]:
    redis = connect(server.url, PATIENT_S)
    await redis.flushall()
    yield JobQueue(redis, QueueLimits())
    await redis.aclose()


@contextmanager
def hung(server: EmbeddedServer, queue: JobQueue) -> Iterator[None]:
    """Nothing is answered while inside, and the queue does not wait for long."""
    queue._connection._timeout_s = LIMIT_S
    with frozen(server):
        yield
    queue._connection._timeout_s = PATIENT_S


async def reached(queue: JobQueue, job_id: str, state: JobState) -> None:
    """Return once a job is in this state; soon, or the test fails."""
    async with asyncio.timeout(PATIENT_S):
        while (job := await queue.get(job_id)) is None or job.state is not state:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_call_has_one_time_limit_whatever_it_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.jobqueue.connection._LONGEST_BLOCK_S", 60.0)  # for the sockets
    with deaf_server() as url:
        redis = connect(url, LIMIT_S)
        queue = JobQueue(redis, QueueLimits())
        calls = [queue.submit(new_job()) for _ in range(100)]  # more than there are connections
        async with asyncio.timeout(FAR_LESS_THAN_RETRIES_S):
            answers = await asyncio.gather(
                *calls,
                queue.get("job_1"),
                queue.fetch("alice", list(Operation), 1),
                queue.events("0-0"),
                anext(queue.cancellations()),
                return_exceptions=True,
            )
        assert {type(answer) for answer in answers} == {QueueUnavailable}
        assert all(answer.retry_after for answer in answers)  # type: ignore[union-attr]
        await redis.aclose()


async def test_waiting_inside_the_server_is_not_counted(queue: JobQueue) -> None:
    queue._connection._timeout_s = 0.9
    assert await queue.fetch("alice", list(Operation), 1) == []  # after a second
    assert (await queue.events("0-0"))[1] == []


async def test_a_wait_ends_with_the_id_of_the_job_that_goes_on(
    queue: JobQueue, server: EmbeddedServer
) -> None:
    job, _ = await queue.submit(new_job())
    async with JobWaiters(queue) as waiters:
        waiting = asyncio.ensure_future(waiters.wait(job.id, 0.3))
        with hung(server, queue), pytest.raises(QueueUnavailable) as caught:
            async with asyncio.timeout(FAR_LESS_THAN_RETRIES_S):
                await waiting
        assert caught.value.job == job.id
        assert (await waiters.wait(job.id, 0)).state is JobState.QUEUED


async def test_a_submission_that_was_not_answered_is_there_afterwards(
    queue: JobQueue, server: EmbeddedServer
) -> None:
    request = new_job()
    keyed = replace(new_job(), idempotency=IdempotencyKey("k", "hash"))
    first, _ = await queue.submit(new_job())  # the script and a connection are there: what is
    for unanswered in (request, keyed):  # sent lies in the server's socket
        with hung(server, queue), pytest.raises(QueueUnavailable):
            await queue.submit(unanswered)
        await reached(queue, unanswered.id, JobState.QUEUED)
    await queue.submit(request)  # safe to repeat
    found, _ = await queue.submit(replace(new_job(), idempotency=keyed.idempotency))
    assert found.id == keyed.id
    assert {job.id for job in await queue.list_jobs(tenant="anonymous")} == {
        first.id,
        request.id,
        keyed.id,
    }


async def test_a_claim_that_was_not_answered_costs_no_attempt(
    queue: JobQueue, server: EmbeddedServer
) -> None:
    for _ in range(2):
        await queue.submit(new_job())
    await start(queue)  # the script and a connection are there
    (entry,) = await queue.fetch("alice", list(Operation), 1)
    with hung(server, queue), pytest.raises(QueueUnavailable):
        await queue.claim("alice", entry)
    await reached(queue, entry.job.id, JobState.RUNNING)
    lease = await queue.claim("alice", entry)
    assert lease is not None
    assert lease.job.attempts == 1
    assert await queue.finish(lease, Canceled())


async def test_who_waits_and_who_watches_go_on_when_it_answers_again(
    queue: JobQueue, server: EmbeddedServer
) -> None:
    job, _ = await queue.submit(new_job())
    async with JobWaiters(queue) as waiters:
        waiting = asyncio.ensure_future(waiters.wait(job.id, 30.0))
        changes = waiters.changes(job.id)
        assert (await anext(changes)).state is JobState.QUEUED
        with hung(server, queue):
            await asyncio.sleep(3 * LIMIT_S)
        assert not waiting.done()
        await queue.cancel(job.id)
        async with asyncio.timeout(FAR_LESS_THAN_RETRIES_S):
            assert (await waiting).state is JobState.CANCELED
            assert (await anext(changes)).state is JobState.CANCELED
        await changes.aclose()  # type: ignore[attr-defined]


async def test_a_worker_goes_on_when_it_answers_again(
    queue: JobQueue, server: EmbeddedServer
) -> None:
    settings = WorkerSettings(beat_s=0.1, slots=1)
    engine = EngineProcess(fake_engine.load, log_level="error")
    runner = Runner(queue, engine, WorkerMetrics(CollectorRegistry(), version="0"), settings)
    working = asyncio.create_task(runner.run())
    try:
        running, _ = await queue.submit(new_job(play="work", seconds=0.5))
        waiting, _ = await queue.submit(new_job())
        async with JobWaiters(queue) as waiters:
            async for job in waiters.changes(running.id):
                if job.state is JobState.RUNNING:
                    break
            with hung(server, queue):
                await asyncio.sleep(1.0)  # the model is through meanwhile; beats and results fail
            ended = [await waiters.wait(job.id, 20.0) for job in (running, waiting)]
        assert [(job.state, job.attempts) for job in ended] == [(JobState.SUCCEEDED, 1)] * 2
        runner.stop()
        await working
    finally:
        await cancel_and_wait(working)


async def test_a_frozen_server_loses_no_lease_of_a_worker_that_comes_back(
    queue: JobQueue, server: EmbeddedServer
) -> None:
    await queue.submit(new_job())
    lease = await start(queue)
    with hung(server, queue), pytest.raises(QueueUnavailable):
        await queue.beat(lease, stage=None, progress=0.5)
    assert await queue.beat(lease, stage=None, progress=0.5) == "ok"
