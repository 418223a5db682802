"""The model process: start, batches, cancellation, and its various deaths."""

import os
import signal
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from service.jobqueue.lease import Canceled, Succeeded
from service.jobs import Stage
from service.worker.child import BatchEngine, Finished, Idle, Progress
from service.worker.process import EngineDiedError, EngineLoadError, EngineProcess
from tests.service.worker import fake_engine
from tests.service.worker.jobs import job


def process(load: Callable[[], BatchEngine], silence_s: float = 90.0) -> EngineProcess:
    return EngineProcess(load, log_level="error", silence_s=silence_s)


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[EngineProcess]:
    engine = process(fake_engine.load)
    await engine.start()
    yield engine
    await engine.stop()


async def test_it_tells_what_it_loaded() -> None:
    engine = process(fake_engine.load)
    ready = await engine.start()
    assert ready.model == fake_engine.MODEL
    assert engine.pid != os.getpid()
    await engine.stop()
    assert engine.pid is None


async def test_it_reports_each_job_and_then_that_it_is_idle(engine: EngineProcess) -> None:
    jobs = [job(), job()]
    engine.submit(jobs)
    for each in jobs:
        report = await engine.receive()
        assert isinstance(report, Finished)
        assert report.job_id == each.id
        assert isinstance(report.outcome, Succeeded)
        assert report.outcome.result["parent"] == os.getpid()
    assert await engine.receive() == Idle({"allocated": 5})


async def test_a_running_job_can_be_canceled(engine: EngineProcess) -> None:
    working = job(play="work")
    engine.submit([working])
    report = await engine.receive()
    assert isinstance(report, Progress)
    assert report.stage is Stage.DENOISE_L2
    engine.cancel("job_of_no_interest")
    engine.cancel(working.id)
    while isinstance(report, Progress):
        report = await engine.receive()
    assert report == Finished(working.id, Canceled())


async def test_a_late_cancellation_does_no_harm(engine: EngineProcess) -> None:
    done = job()
    engine.submit([done])
    await engine.receive()
    await engine.receive()
    engine.cancel(done.id)
    engine.submit([done])
    report = await engine.receive()
    assert isinstance(report, Finished)
    assert isinstance(report.outcome, Succeeded)


async def test_the_death_of_a_running_process_is_told_with_its_cause(engine: EngineProcess) -> None:
    engine.submit([job(play="crash")])
    with pytest.raises(EngineDiedError, match="signal 9"):
        await engine.receive()
    await engine.start()
    engine.submit([job()])
    assert isinstance(await engine.receive(), Finished)


async def test_the_death_of_an_idle_process_shows_when_it_is_used(engine: EngineProcess) -> None:
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    engine.cancel("job_of_no_interest")
    with pytest.raises(EngineDiedError):  # noqa: PT012 (the pipe may still take the batch)
        engine.submit([job()])
        await engine.receive()


async def test_a_hung_process_is_killed() -> None:
    engine = process(fake_engine.load, silence_s=0.2)
    await engine.start()
    engine.submit([job(play="freeze")])
    with pytest.raises(EngineDiedError, match="hung"):
        await engine.receive()
    await engine.stop()


async def test_a_model_that_cannot_be_loaded_is_told_by_its_error() -> None:
    with pytest.raises(EngineLoadError, match="there are no weights here"):
        await process(fake_engine.fail_to_load).start()


async def test_a_death_while_loading_is_no_load_error() -> None:
    with pytest.raises(EngineDiedError, match="signal 9"):
        await process(fake_engine.crash_while_loading).start()
