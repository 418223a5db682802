"""What it gains that shapes are finished beside the model: docs/decisions/0016."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from benchmarks.comparison import Bench, Table, seconds, times
from service.jobqueue.lease import Outcome, Succeeded
from service.jobs import Artifact, Job, JobState, Operation, Stage, new_id
from service.settings import WorkerSettings
from service.store.local import LocalBlobStore
from service.worker.engine import Engine
from service.worker.finishing import FinishingProcess

JOBS = 6


class Quiet:
    """A reporter that only makes sure that jobs succeed."""

    def progress(self, job_id: str, stage: Stage, progress: float) -> None:
        pass

    def computed(self, shapes: int) -> None:
        pass

    def showed(self, job_id: str, artifact: Artifact) -> None:
        pass

    def finished(self, job_id: str, outcome: Outcome) -> None:  # noqa: ARG002 (a reporter's)
        assert isinstance(outcome, Succeeded), outcome

    def canceled(self, job_id: str) -> bool:  # noqa: ARG002 (a reporter's)
        return False


def tables(bench: Bench) -> Iterator[Table]:
    cases = ((128, None), (256, None), (256, 20_000), (512, None), (512, 20_000))
    with tempfile.TemporaryDirectory() as folder:
        settings = WorkerSettings(data_dir=Path(folder))
        store, finish = LocalBlobStore(settings.blob_dir), FinishingProcess(settings)
        engine = Engine(bench.pipeline, store, finish, settings)
        wall(engine, jobs(bench, 32, None), beside=True)  # a warm-up
        rows = []
        for resolution, faces in bench.pick(cases, ((32, None), (32, 200))):
            spent = {True: float("inf"), False: float("inf")}
            for _ in range(bench.pick(2, 1)):
                for beside in (False, True):
                    each = wall(engine, jobs(bench, resolution, faces), beside=beside)
                    spent[beside] = min(spent[beside], each)
            rows.append(
                [
                    f"{resolution}^3 cells" + (f", {faces:,} faces" if faces else ""),
                    seconds(spent[False]),
                    seconds(spent[True]),
                    times(spent[False] / spent[True]),
                ]
            )
        engine.close()
        finish.close()
    yield Table(
        "Overlap: shapes finished beside the model",
        ["wall time a job", "one after the other", "beside each other", "ratio"],
        rows,
        f"{JOBS} jobs of one shape, the better of two runs; a second core has to be free.",
    )


def wall(engine: Engine, batches: list[Job], *, beside: bool) -> float:
    """Seconds of wall time a job, each a batch of its own."""
    started = time.perf_counter()
    ends: list[Future[None]] = []
    for job in batches:
        ends.append(engine.run([job], Quiet()))
        if not beside:
            ends[-1].result()
    for end in ends:
        end.result()
    return (time.perf_counter() - started) / len(batches)


def jobs(bench: Bench, resolution: int, faces: int | None) -> list[Job]:
    """Generations, as the queue would hand them over, of a new caller: nothing is reused."""
    tenant = new_id("job")
    defaults = bench.pipeline.info.defaults
    count = bench.pick(JOBS, 2)
    params: dict[str, Any] = {
        "category": "chair",
        "n": 1,
        "steps": bench.pick(defaults.steps, 2),
        "guidance": defaults.guidance,
        "resolution": resolution,
        "target_faces": faces,
        "format": "glb",
    }
    return [
        Job(
            id=new_id("job"),
            operation=Operation.GENERATE,
            state=JobState.RUNNING,
            stage=None,
            progress=0.0,
            params=params | {"seed": seed},
            input_ref=None,
            tenant=tenant,
            priority=1,
            batch_key="",
            attempts=1,
            seq=1,
            created_ms=0,
            started_ms=0,
            finished_ms=None,
            expires_ms=None,
            deadline_ms=None,
            cancel_requested=False,
            request_id=None,
            result=None,
            error=None,
            timings_ms={},
        )
        for seed in range(count)
    ]
