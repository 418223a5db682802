"""Model processes that die or hang under a worker: their jobs are run again, or given up."""

import os
import signal
from pathlib import Path

import pytest

from service.jobqueue.queue import JobQueue
from service.jobs import JobState
from service.worker.process import EngineLoadError
from tests.service.worker import fake_engine
from tests.service.worker.jobs import new_job
from tests.service.worker.workers import (
    Hire,
    Worker,
    finished,
    process,
    reached,
)


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


async def test_a_hung_model_process_is_replaced(queue: JobQueue, hire: Hire) -> None:
    await hire(process(fake_engine.load, silence_s=0.5))
    hung, _ = await queue.submit(new_job(play="freeze"))
    await reached(queue, hung, lambda job: job.attempts == 2)
    await queue.cancel(hung.id)
    assert (await finished(queue, hung)).state is JobState.CANCELED


async def test_a_model_that_cannot_be_loaded_ends_the_worker(queue: JobQueue) -> None:
    worker = Worker(queue, process(fake_engine.fail_to_load))
    with pytest.raises(EngineLoadError):
        await worker.task


async def test_an_idle_model_process_that_dies_is_replaced(queue: JobQueue, worker: Worker) -> None:
    assert worker.engine.pid is not None
    os.kill(worker.engine.pid, signal.SIGKILL)
    job, _ = await queue.submit(new_job())
    assert (await finished(queue, job)).state is JobState.SUCCEEDED
