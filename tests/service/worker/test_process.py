"""The model process: start, batches, cancellation, and its various deaths."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from service.jobqueue.lease import Canceled, Succeeded
from service.jobs import Stage
from service.worker.child import BatchEngine, Ended, Finished, Free, Progress
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


async def test_it_reports_each_job_then_that_it_is_free_and_the_end(engine: EngineProcess) -> None:
    jobs = [job(), job()]
    batch = engine.submit(jobs)
    for each in jobs:
        report = await batch.receive()
        assert isinstance(report, Finished)
        assert report.job_id == each.id
        assert isinstance(report.outcome, Succeeded)
        assert report.outcome.result["parent"] == os.getpid()
    free, ended = await batch.receive(), await batch.receive()
    assert isinstance(free, Free)
    assert free.memory == {"allocated": 5}
    assert isinstance(ended, Ended)


async def test_a_batch_runs_while_the_one_before_is_finished(
    engine: EngineProcess, tmp_path: Path
) -> None:
    marker = tmp_path / "now"
    slow, fast = job(play="finish", marker=str(marker)), job()
    before = engine.submit([slow])
    assert isinstance(await before.receive(), Free)
    after = engine.submit([fast])
    reports = [await after.receive(), await after.receive()]
    assert [type(report) for report in reports] == [Finished, Free]
    marker.touch()
    finished, ended = await before.receive(), await before.receive()
    assert isinstance(finished, Finished)
    assert finished.job_id == slow.id
    assert isinstance(ended, Ended)
    assert isinstance(await after.receive(), Ended)


async def test_a_batch_that_cannot_be_finished_ends_the_process(engine: EngineProcess) -> None:
    batch = engine.submit([job(play="finish", breaks=True, attempts=1)])
    assert isinstance(await batch.receive(), Free)
    with pytest.raises(EngineDiedError, match=r"the finishing process ended \(signal 9\)"):
        await batch.receive()
    with pytest.raises(EngineDiedError):
        await engine.submit([job()]).receive()


async def test_a_running_job_can_be_canceled(engine: EngineProcess) -> None:
    working = job(play="work")
    batch = engine.submit([working])
    report = await batch.receive()
    assert isinstance(report, Progress)
    assert report.stage is Stage.DENOISE_L2
    engine.cancel("job_of_no_interest")
    engine.cancel(working.id)
    while isinstance(report, Progress):
        report = await batch.receive()
    assert isinstance(report, Finished)
    assert (report.job_id, report.outcome) == (working.id, Canceled())


async def test_a_late_cancellation_does_no_harm(engine: EngineProcess) -> None:
    done = job()
    batch = engine.submit([done])
    while not isinstance(await batch.receive(), Ended):
        pass
    engine.cancel(done.id)
    report = await engine.submit([done]).receive()
    assert isinstance(report, Finished)
    assert isinstance(report.outcome, Succeeded)


async def test_the_death_of_a_running_process_is_told_with_its_cause(engine: EngineProcess) -> None:
    batch = engine.submit([job(play="crash")])
    with pytest.raises(EngineDiedError, match="signal 9"):
        await batch.receive()
    await engine.start()
    assert isinstance(await engine.submit([job()]).receive(), Finished)


async def test_the_death_of_an_idle_process_shows_when_it_is_used(engine: EngineProcess) -> None:
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    engine.cancel("job_of_no_interest")
    with pytest.raises(EngineDiedError):
        await engine.submit([job()]).receive()


async def test_a_hung_process_is_killed() -> None:
    engine = process(fake_engine.load, silence_s=0.2)
    await engine.start()
    batch = engine.submit([job(play="freeze")])
    with pytest.raises(EngineDiedError, match="hung"):
        await batch.receive()
    await engine.stop()


async def test_a_model_that_cannot_be_loaded_is_told_by_its_error() -> None:
    with pytest.raises(EngineLoadError, match="there are no weights here"):
        await process(fake_engine.fail_to_load).start()


async def test_a_death_while_loading_is_no_load_error() -> None:
    with pytest.raises(EngineDiedError, match="signal 9"):
        await process(fake_engine.crash_while_loading).start()
