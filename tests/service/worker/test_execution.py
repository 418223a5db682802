"""What one batch tells the queue, whatever the order in which its engine tells it."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from service.jobqueue.lease import Beat, Lease, Outcome, Succeeded
from service.jobs import Artifact, Job, Stage
from service.telemetry import WorkerMetrics
from service.worker.child import Ended, Finished, Progress, Showed
from service.worker.execution import Execution
from service.worker.process import Submission
from tests.service.worker.jobs import entry, job

ARTIFACT = Artifact(
    sample=0, shape="shp_a", resolution=32, ref="meshes/a.glb", bytes=1, faces=1, vertices=1
)


class Queue:
    """Keeps what it is told; beats take as long as ``slow`` is cleared."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Stage | None, float]] = []
        self.batches: list[int] = []
        self.beating = asyncio.Event()
        self.slow = asyncio.Event()
        self.slow.set()

    async def beat(self, lease: Lease, *, stage: Stage | None, progress: float) -> Beat:
        self.beating.set()
        await self.slow.wait()
        self.told.append(("beat", stage, progress))
        return Beat.OK

    async def show(
        self, lease: Lease, artifact: Artifact, *, stage: Stage | None, progress: float
    ) -> bool:
        self.told.append(("show", stage, progress))
        return True

    async def finish(self, lease: Lease, outcome: Outcome, *, batch: int) -> bool:
        self.batches.append(batch)
        return True


class Engine:
    """One that says what the test lets it say."""

    def __init__(self) -> None:
        self.submission = Submission(60.0, lambda: None)

    def submit(self, jobs: Iterable[Job]) -> Submission:
        return self.submission


def execution(queue: Any, engine: Any, *running: Job) -> Execution:
    leases = [Lease(entry(each), each, "token") for each in running]
    metrics = WorkerMetrics(CollectorRegistry(), version="0")
    return Execution(queue, engine, metrics, leases, beat_s=0.01)


async def test_each_end_tells_how_many_ran_together() -> None:
    queue, engine, jobs = Queue(), Engine(), [job() for _ in range(3)]
    for each in jobs:
        engine.submission.tell(Finished(1, each.id, Succeeded(result={"shapes": []})))
    engine.submission.tell(Ended(1))
    await execution(queue, engine, *jobs).run()
    assert queue.batches == [3, 3, 3]


async def test_progress_that_comes_late_takes_nothing_back() -> None:
    queue, engine, running = Queue(), Engine(), job()
    for stage, progress in ((Stage.MESH, 0.9), (Stage.DECODE, 0.8)):
        engine.submission.tell(Progress(1, running.id, stage, progress))
    engine.submission.tell(Showed(1, running.id, ARTIFACT))
    engine.submission.tell(Finished(1, running.id, Succeeded(result={"shapes": []})))
    engine.submission.tell(Ended(1))
    await execution(queue, engine, running).run()
    assert ("show", Stage.MESH, 0.9) in queue.told
    assert {told[1:] for told in queue.told} <= {(None, 0.0), (Stage.MESH, 0.9)}


async def test_a_mesh_waits_for_a_beat_that_tells_of_an_earlier_stage() -> None:
    queue, engine, running = Queue(), Engine(), job()
    queue.slow.clear()
    task = asyncio.create_task(execution(queue, engine, running).run())
    engine.submission.tell(Progress(1, running.id, Stage.DENOISE_L1, 0.8))
    await queue.beating.wait()
    engine.submission.tell(Progress(1, running.id, Stage.DECODE, 0.9))
    engine.submission.tell(Showed(1, running.id, ARTIFACT))
    for _ in range(10):
        await asyncio.sleep(0)
    assert queue.told == []
    queue.slow.set()
    engine.submission.tell(Finished(1, running.id, Succeeded(result={"shapes": []})))
    engine.submission.tell(Ended(1))
    await task
    kinds = [kind for kind, *_ in queue.told]
    assert kinds[:2] == ["beat", "show"]
    values = [progress for *_, progress in queue.told]
    assert values == sorted(values)
    assert ("show", Stage.DECODE, 0.9) in queue.told


async def test_what_is_left_of_a_batch_goes_by_its_slowest_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue, engine, quick, slow = Queue(), Engine(), job(), job()
    batch = execution(queue, engine, quick, slow)
    monkeypatch.setattr(batch, "_began", time.monotonic() - 100)
    assert batch.left_s() == 0.0
    for running, progress in ((quick, 0.9), (slow, 0.5)):
        batch._reach(running.id, Stage.DENOISE_L1, progress)
    assert batch.left_s() == pytest.approx(100, abs=20)
