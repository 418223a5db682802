"""One batch on its way through the model process."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

import structlog

from service.errors import QueueUnavailable, WorkerCrashed
from service.jobqueue.lease import Beat, Canceled, Failed, Lease, Outcome, Succeeded
from service.jobqueue.queue import JobQueue
from service.jobqueue.tasks import cancel_and_wait
from service.jobs import LEAST_PROGRESS, Artifact, JobState, Stage
from service.telemetry import LogField, WorkerMetrics
from service.worker.child import Computed, Ended, Finished, Free, Progress, Showed
from service.worker.persistence import persistently
from service.worker.process import EngineDiedError, EngineProcess, Submission

_PROGRESS_INTERVAL_S = 0.25
"""Least time between two beats, so that fast steps do not flood Redis."""


class Execution:
    """Started attempts of the jobs of one batch: keeps their leases, publishes their outcomes.

    Args:
        leases: at least one; from here on they are this object's to end.
        beat_s: most time between two beats of a lease.

    Attributes:
        freed: set when the engine can take another batch, which may be before this one ends.
    """

    def __init__(
        self,
        queue: JobQueue,
        engine: EngineProcess,
        metrics: WorkerMetrics,
        leases: Sequence[Lease],
        *,
        beat_s: float,
    ) -> None:
        self._queue = queue
        self._engine = engine
        self._metrics = metrics
        self._leases = {lease.job.id: lease for lease in leases}
        self._batch = len(leases)
        self._operation = leases[0].job.operation
        self._beat_s = beat_s
        self._began = time.monotonic()
        self._reached: dict[str, tuple[Stage, float]] = {}
        self._moved = asyncio.Event()
        self._telling = asyncio.Lock()  # so that a job's record never goes back
        self.freed = asyncio.Event()

    async def run(self) -> None:
        """Let the engine, which is free, run the batch; returns when each job has an outcome.

        Raises:
            EngineDiedError: some jobs have none; call ``retry`` or ``release``.
        """
        submission = self._engine.submit(lease.job for lease in self._leases.values())
        beats = asyncio.create_task(self._beat())
        try:
            await self._follow(submission)
        finally:
            await cancel_and_wait(beats)

    def left_s(self) -> float:
        """Seconds to the end of the batch, if its slowest job goes on as it went; 0 at first."""
        reached = [self._reached[job_id][1] for job_id in self._leases if job_id in self._reached]
        progress = min(reached, default=0.0)
        if progress < LEAST_PROGRESS:
            return 0.0
        return (time.monotonic() - self._began) * (1 - progress) / progress

    def cancel(self, job_id: str) -> None:
        """Stop working on a job, if it is one of these; it then ends as canceled."""
        if job_id in self._leases:
            self._engine.cancel(job_id)

    async def retry(self, cause: str) -> None:
        """Give up the attempts that have no outcome; they count as used."""
        error = WorkerCrashed(
            f"The worker failed while it ran this job: {cause}.",
            suggestion="The input may be at fault; other jobs are not affected.",
        )
        for lease in self._take_all():
            _log(lease).warning("attempt_given_up", cause=cause)
            await persistently(self._queue.retry, lease, error.to_dict())

    async def release(self) -> None:
        """Give back the jobs that have no outcome; the attempts do not count."""
        for lease in self._take_all():
            _log(lease).info("attempt_released")
            await persistently(self._queue.release, lease)

    def _take_all(self) -> list[Lease]:
        leases = list(self._leases.values())
        self._leases.clear()
        return leases

    async def _follow(self, submission: Submission) -> None:
        while True:
            match await submission.receive():
                case Progress(job_id=job_id, stage=stage, progress=progress):
                    self._reach(job_id, stage, progress)
                case Computed(shapes=shapes):
                    self._metrics.shapes_computed.labels(op=self._operation).inc(shapes)
                case Showed(job_id=job_id, artifact=artifact):
                    await self._show(job_id, artifact)
                case Finished(job_id=job_id, outcome=outcome):
                    await self._finish(job_id, outcome)
                case Free(memory=memory):
                    for kind, used in memory.items():
                        self._metrics.gpu_memory.labels(kind=kind).set(used)
                    self.freed.set()
                case Ended():
                    break
        if self._leases:
            raise EngineDiedError("the model process left jobs without an outcome")

    def _reach(self, job_id: str, stage: Stage, progress: float) -> None:
        """A job has come further; what two threads of the engine tell may come in any order."""
        _, before = self._reached.get(job_id, (None, 0.0))
        if progress >= before:
            self._reached[job_id] = (stage, progress)
            self._moved.set()

    async def _show(self, job_id: str, artifact: Artifact) -> None:
        async with self._telling:
            if job_id in self._leases:
                stage, progress = self._reached.get(job_id, (None, 0.0))
                with contextlib.suppress(QueueUnavailable):  # nobody waits for a mesh on the way
                    await self._queue.show(
                        self._leases[job_id], artifact, stage=stage, progress=progress
                    )

    async def _finish(self, job_id: str, outcome: Outcome) -> None:
        lease = self._leases.pop(job_id, None)
        if lease is None:
            return
        published = await persistently(self._queue.finish, lease, outcome, batch=self._batch)
        if not published:
            self._metrics.results_fenced.inc()
            _log(lease).warning("result_fenced")
            return
        operation, state = self._operation, _state(outcome)
        self._metrics.jobs_finished.labels(op=operation, state=state).inc()
        for stage, spent_ms in outcome.timings_ms.items():
            self._metrics.job_run.labels(op=operation, stage=stage).observe(spent_ms / 1000)
        if isinstance(outcome, Succeeded):
            self._metrics.shapes_reused.labels(op=operation).inc(outcome.reused)
        code = outcome.error["code"] if isinstance(outcome, Failed) else None
        _log(lease).info("job_finished", state=state, **{LogField.CODE: code})

    async def _beat(self) -> None:
        """Renew the leases: at once when something moved, else every ``beat_s``."""
        pause = min(_PROGRESS_INTERVAL_S, self._beat_s)
        while True:
            self._moved.clear()
            started = time.monotonic()
            for lease in list(self._leases.values()):
                await self._beat_one(lease)
            await asyncio.sleep(pause)
            rest = self._beat_s - (time.monotonic() - started)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(rest, 0)):
                    await self._moved.wait()

    async def _beat_one(self, lease: Lease) -> None:
        try:
            async with self._telling:
                stage, progress = self._reached.get(lease.job.id, (None, 0.0))
                answer = await self._queue.beat(lease, stage=stage, progress=progress)
        except QueueUnavailable as error:
            _log(lease).warning("beat_missed", detail=error.detail)
            return
        if answer is Beat.CANCEL:
            self._engine.cancel(lease.job.id)
        elif answer is Beat.LOST and lease.job.id in self._leases:
            # Past its deadline, or taken over by another worker while this one was frozen.
            del self._leases[lease.job.id]
            self._engine.cancel(lease.job.id)
            self._metrics.results_fenced.inc()
            _log(lease).warning("lease_lost")


def _state(outcome: Outcome) -> JobState:
    match outcome:
        case Succeeded():
            return JobState.SUCCEEDED
        case Failed():
            return JobState.FAILED
        case Canceled():
            return JobState.CANCELED


def _log(lease: Lease) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger.bind(
        **{
            LogField.JOB_ID: lease.job.id,
            LogField.ATTEMPT: lease.job.attempts,
            LogField.OPERATION: lease.job.operation,
            LogField.REQUEST_ID: lease.job.request_id,
        }
    )
