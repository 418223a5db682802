"""Model processes that die while they have nothing to do, or before they take a batch."""

import asyncio
import os
import signal
from collections.abc import Iterable

import pytest

from service.jobqueue.queue import JobQueue
from service.jobs import Job, JobState
from service.worker.process import EngineDiedError, EngineGoneError, EngineProcess, Submission
from tests.service.worker import fake_engine
from tests.service.worker.jobs import job, new_job
from tests.service.worker.workers import Hire, Worker, finished, process, until


async def kill(engine: EngineProcess) -> int:
    """Kill the child and wait for its end; returns its process id."""
    child = engine._process
    assert child is not None
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    await asyncio.to_thread(child.join)
    return child.pid


async def test_a_process_that_dies_idle_is_replaced_before_a_job_comes(worker: Worker) -> None:
    assert worker.runner.ready
    dead = await kill(worker.engine)
    await until(lambda: not worker.runner.ready, timeout_s=10.0)
    await until(lambda: worker.runner.ready and worker.engine.pid not in (None, dead))


async def test_a_job_that_comes_after_an_idle_death_pays_no_attempt(
    queue: JobQueue, worker: Worker
) -> None:
    await kill(worker.engine)
    waiting, _ = await queue.submit(new_job())
    done = await finished(queue, waiting)
    assert (done.state, done.attempts) == (JobState.SUCCEEDED, 1)


class Gone(EngineProcess):
    """A process that is found dead by the first batch."""

    batches = 0

    def submit(self, jobs: Iterable[Job]) -> Submission:
        self.batches += 1
        if self.batches == 1:
            raise EngineGoneError("the model process has closed its pipe")
        return super().submit(jobs)


async def test_a_job_whose_process_was_dead_before_it_began_pays_no_attempt(
    queue: JobQueue, hire: Hire
) -> None:
    engine = Gone(fake_engine.load, log_level="error")
    await hire(engine)
    waiting, _ = await queue.submit(new_job())
    done = await finished(queue, waiting)
    assert (done.state, done.attempts) == (JobState.SUCCEEDED, 1)
    assert engine.batches == 2


async def test_a_process_tells_how_it_ended_and_takes_no_batch_then() -> None:
    engine = process(fake_engine.load)
    await engine.start()
    ended = asyncio.create_task(engine.ended())
    await asyncio.sleep(0)
    assert not ended.done()
    await kill(engine)
    with pytest.raises(EngineGoneError):  # noticed or not
        engine.submit([job()])
    assert "signal 9" in await ended
    with pytest.raises(EngineGoneError):
        engine.submit([job()])
    await engine.stop()


async def test_a_process_that_dies_with_a_batch_is_not_gone_before_it() -> None:
    engine = process(fake_engine.load)
    await engine.start()
    batch = engine.submit([job(play="crash")])
    with pytest.raises(EngineDiedError) as caught:
        await batch.receive()
    assert not isinstance(caught.value, EngineGoneError)
    await engine.stop()
