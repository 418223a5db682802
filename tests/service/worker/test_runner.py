"""The worker over a real queue, with a model process that plays what the jobs say."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from service.errors import QueueUnavailable
from service.jobqueue.queue import JobQueue
from service.jobqueue.tasks import cancel_and_wait
from service.jobs import Job, JobState, Operation, QueueLimits
from service.settings import WorkerSettings
from service.telemetry import WorkerMetrics
from service.worker.child import BatchEngine, Ready
from service.worker.process import EngineLoadError, EngineProcess
from service.worker.runner import Runner
from tests.service.worker import fake_engine
from tests.service.worker.jobs import new_job


class WarmProcess(EngineProcess):
    """A model process that outlives its worker, to spare the next test the start."""

    def __init__(self) -> None:
        super().__init__(fake_engine.load, log_level="error")
        self._ready: Ready | None = None

    async def start(self) -> Ready:
        alive = self._process is not None and self._process.is_alive()
        if self._ready is None or not alive or self._open:
            self._ready = await super().start()
        elif self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return self._ready

    async def stop(self) -> None:
        if self._process is not None and not self._process.is_alive():
            await super().stop()
        elif self._reading is not None:  # its loop ends with the test
            await cancel_and_wait(self._reading)
            self._reading = None

    async def cool_down(self) -> None:
        await super().stop()


class Worker:
    """A runner in a task of the test's loop."""

    def __init__(self, queue: JobQueue, engine: EngineProcess, *, drain_s: float = 60.0) -> None:
        settings = WorkerSettings(lease_s=15.0, beat_s=0.2, slots=4, worker_drain_s=drain_s)
        self.engine = engine
        self.metrics = WorkerMetrics(CollectorRegistry(), version="0")
        self.runner = Runner(queue, self.engine, self.metrics, settings)
        self.task = asyncio.create_task(self.runner.run())

    async def ready(self) -> "Worker":
        await until(lambda: self.runner.ready or self.task.done())
        if self.task.done():
            self.task.result()
        return self

    async def stop(self) -> None:
        self.runner.stop()
        await self.task

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def limits() -> QueueLimits:
    return QueueLimits(lease_ms=15_000)


def process(load: Callable[[], BatchEngine], silence_s: float = 90.0) -> EngineProcess:
    return EngineProcess(load, log_level="error", silence_s=silence_s)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmProcess]:
    warm = WarmProcess()
    yield warm
    asyncio.run(warm.cool_down())


Hire = Callable[..., Awaitable[Worker]]


@pytest_asyncio.fixture
async def hire(queue: JobQueue, warm: WarmProcess) -> AsyncIterator[Hire]:
    """Starts workers that are gone after the test."""
    workers: list[Worker] = []

    async def hire(engine: EngineProcess = warm, *, drain_s: float = 60.0) -> Worker:
        workers.append(Worker(queue, engine, drain_s=drain_s))
        return await workers[-1].ready()

    yield hire
    for worker in workers:
        await until(lambda worker=worker: not worker.runner._executions or worker.task.done())
        await cancel_and_wait(worker.task)


@pytest_asyncio.fixture
async def worker(hire: Hire) -> Worker:
    return await hire()


async def until(condition: Callable[[], bool], timeout_s: float = 90.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (the worker knows nothing of tests)
            await asyncio.sleep(0.01)


async def finished(queue: JobQueue, job: Job, timeout_s: float = 90.0) -> Job:
    return await reached(queue, job, lambda job: job.state.terminal, timeout_s)


async def running(queue: JobQueue, job: Job) -> Job:
    return await reached(queue, job, lambda job: job.stage is not None)


async def reached(
    queue: JobQueue, job: Job, condition: Callable[[Job], bool], timeout_s: float = 90.0
) -> Job:
    async with asyncio.timeout(timeout_s):
        while True:
            current = await queue.get(job.id)
            assert current is not None
            if condition(current):
                return current
            await asyncio.sleep(0.01)


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


async def test_progress_is_told(queue: JobQueue, worker: Worker) -> None:
    job, _ = await queue.submit(new_job(play="work", seconds=1.0))
    told = await reached(queue, job, lambda job: job.progress > 0.2)
    assert told.stage == "denoise_l2"
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
    await asyncio.sleep(0.1)
    await queue.cancel(second.id)
    await queue.cancel(first.id)
    assert (await finished(queue, first)).state is JobState.CANCELED
    canceled = await finished(queue, second)
    assert canceled.state is JobState.CANCELED
    assert canceled.attempts == 0


async def test_a_job_past_its_deadline_is_stopped(queue: JobQueue, worker: Worker) -> None:
    request = new_job(play="work")
    late = type(request)(
        operation=request.operation,
        params=request.params,
        batch_key=request.batch_key,
        deadline_ms=int(time.time() * 1000) + 3000,
    )
    job, _ = await queue.submit(late)
    await running(queue, job)
    await asyncio.sleep(3.0)
    await queue.tick()
    expired = await finished(queue, job)
    assert expired.error is not None
    assert expired.error["code"] == "deadline_exceeded"
    after, _ = await queue.submit(new_job())
    assert (await finished(queue, after)).state is JobState.SUCCEEDED
    assert worker.sample("lagem_results_fenced_total") == 1


async def test_the_jobs_of_a_killed_model_process_are_run_again_alone(
    queue: JobQueue, tmp_path: Path, hire: Hire
) -> None:
    marker = str(tmp_path / "crashed")
    killer, _ = await queue.submit(new_job(play="crash_once", marker=marker))
    mate, _ = await queue.submit(new_job())
    worker = await hire()
    for job in (killer, mate):
        done = await finished(queue, job)
        assert done.state is JobState.SUCCEEDED
        assert done.attempts == 2
        assert done.result is not None
        assert done.result["mates"] == 1
    assert worker.sample("lagem_jobs_redelivered_total") == 2


async def test_a_job_that_kills_every_process_is_given_up(queue: JobQueue, worker: Worker) -> None:
    poison, _ = await queue.submit(new_job(play="crash"))
    given_up = await finished(queue, poison)
    assert given_up.state is JobState.FAILED
    assert given_up.attempts == 3
    assert given_up.error is not None
    assert given_up.error["code"] == "worker_crashed"
    assert "signal 9" in given_up.error["detail"]


async def test_a_job_without_an_outcome_is_run_again(queue: JobQueue, hire: Hire) -> None:
    await hire(process(fake_engine.load))
    forgotten, _ = await queue.submit(new_job(play="forget"))
    done = await finished(queue, forgotten)
    assert done.state is JobState.SUCCEEDED
    assert done.attempts == 2


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


async def test_jobs_whose_finishing_dies_are_run_again(queue: JobQueue, hire: Hire) -> None:
    worker = await hire(process(fake_engine.load))
    marker = Path(__file__)  # which is there: the second attempt ends at once
    job, _ = await queue.submit(new_job(play="finish", breaks=True, marker=str(marker)))
    done = await finished(queue, job)
    assert done.state is JobState.SUCCEEDED
    assert done.attempts == 2
    assert worker.sample("lagem_jobs_redelivered_total") == 1


async def test_a_death_costs_each_job_one_attempt(queue: JobQueue, hire: Hire) -> None:
    marker = str(Path(__file__))
    jobs = [
        (await queue.submit(new_job(play="finish", breaks=True, marker=marker)))[0]
        for _ in range(4)
    ]
    await hire(process(fake_engine.load))
    assert [(await finished(queue, job)).attempts for job in jobs] == [2, 2, 2, 2]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", [True, False])
async def test_a_job_that_kills_the_finishing_takes_no_other_with_it(
    queue: JobQueue, hire: Hire, together: bool, first: bool
) -> None:
    marker = str(Path(__file__))
    poison = new_job(play="finish", poison=True, marker=marker)
    others = [new_job(play="work", seconds=0.5, steps=18 if together else 2 + i) for i in range(3)]
    requests = [poison, *others] if first else [*others, poison]
    jobs = [(await queue.submit(request))[0] for request in requests]
    await hire(process(fake_engine.load))
    ends = {job.params.get("poison", False): [] for job in jobs}  # type: dict[bool, list[Job]]
    for job in jobs:
        ends[job.params.get("poison", False)].append(await finished(queue, job))
    assert all(job.state is JobState.SUCCEEDED for job in ends[False])
    (dead,) = ends[True]
    assert dead.error is not None
    assert (dead.error["code"], dead.attempts) == ("worker_crashed", 3)


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


async def test_a_hung_model_process_is_replaced(queue: JobQueue, hire: Hire) -> None:
    await hire(process(fake_engine.load, silence_s=0.5))
    hung, _ = await queue.submit(new_job(play="freeze"))
    await reached(queue, hung, lambda job: job.attempts == 2)
    await queue.cancel(hung.id)
    assert (await finished(queue, hung)).state is JobState.CANCELED


async def test_stopping_finishes_what_runs_and_gives_back_what_is_held(
    queue: JobQueue, worker: Worker
) -> None:
    started, _ = await queue.submit(new_job(play="work", seconds=1.0))
    await running(queue, started)
    held, _ = await queue.submit(new_job())
    await asyncio.sleep(0.1)
    await worker.stop()
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


async def test_a_model_that_cannot_be_loaded_ends_the_worker(queue: JobQueue) -> None:
    worker = Worker(queue, process(fake_engine.fail_to_load))
    with pytest.raises(EngineLoadError):
        await worker.task


async def test_an_idle_model_process_that_dies_is_replaced(queue: JobQueue, worker: Worker) -> None:
    assert worker.engine.pid is not None
    os.kill(worker.engine.pid, signal.SIGKILL)
    job, _ = await queue.submit(new_job())
    assert (await finished(queue, job)).state is JobState.SUCCEEDED


async def test_a_pause_of_redis_loses_nothing(
    queue: JobQueue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = await queue.submit(new_job(play="work", seconds=0.5))
    await running(queue, job)
    with contextlib.closing(Outage(queue, monkeypatch)):
        await asyncio.sleep(1.0)
        assert not worker.runner.ready
    assert (await finished(queue, job)).state is JobState.SUCCEEDED
    await until(lambda: worker.runner.ready)


class Outage:
    """All calls of a queue fail until it is closed."""

    def __init__(self, queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
        async def fail(*args: object) -> None:
            raise QueueUnavailable("Redis is away.")

        self._patch = monkeypatch.context()
        patch = self._patch.__enter__()
        patch.setattr(queue._connection, "run", fail)
        patch.setattr(queue._connection, "command", fail)

    def close(self) -> None:
        self._patch.__exit__(None, None, None)
