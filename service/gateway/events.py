"""What happens to a job, as it happens: the one stream beneath the REST and the gRPC skin."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from enum import StrEnum

from service import contract
from service.errors import QueueUnavailable
from service.gateway.submission import Call, JobService
from service.gateway.views import artifact_view
from service.jobqueue.waiters import JobWaiters
from service.jobs import Artifact, Job, JobState, Stage


class EventKind(StrEnum):
    """What an event tells."""

    STATUS = "status"  # another state or stage, or another place in the queue
    PROGRESS = "progress"
    ARTIFACT = "artifact"  # a mesh to look at: coarse ones, at last the one that was asked for
    DONE = "done"  # the last: it succeeded
    ERROR = "error"  # the last: it failed or was canceled


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One event.

    Attributes:
        seq: the job's, to go on from later.
        data: the whole job as it is now, or the artifact.
    """

    kind: EventKind
    seq: int
    data: contract.Job | contract.Artifact


class JobEvents:
    """Follows jobs.

    Args:
        draining: set when the process is to end: every stream ends then, to be resumed elsewhere.
    """

    def __init__(self, jobs: JobService, waiters: JobWaiters, draining: asyncio.Event) -> None:
        self._jobs = jobs
        self._waiters = waiters
        self._draining = draining

    async def follow(self, job_id: str, call: Call, *, after: int = -1) -> AsyncIterator[JobEvent]:
        """What a job is, then what becomes of it, until it ends or this process does.

        Events may merge, since each tells the whole job; artifacts are told once each, and after
        the stage that they are made in.

        Args:
            job_id: of one of the caller's jobs.
            call: who asks.
            after: ``seq`` of the last event that the caller has seen: what came before is left out.

        Raises:
            NotFound: there is no such job, or it is somebody else's.
        """
        await self._jobs.get(job_id, call)
        seen, before, position = after, None, None
        async for job in _until(self._draining, self._waiters.changes(job_id)):
            try:
                view = await self._jobs.view(job)
                shown = [artifact for artifact in job.artifacts if artifact.seq > seen]
                if shown and shown[0].seq - 1 > seen and (then := _showing(job, shown[0], before)):
                    # Its change came before the artifact's, and had one of its own.
                    stage = await self._jobs.view(then)
                    yield JobEvent(EventKind.STATUS, shown[0].seq - 1, stage)
                    before = then
            except QueueUnavailable:
                continue  # Redis went away in between: the next reading tells
            for artifact in shown:
                yield JobEvent(EventKind.ARTIFACT, artifact.seq, artifact_view(job, artifact))
            news = job.seq > seen or view.queue_position != position
            if news or (job.state.terminal and job.seq != after):
                yield JobEvent(_kind(job, before), job.seq, view)
            seen, before, position = max(job.seq, seen), job, view.queue_position


def _kind(job: Job, before: Job | None) -> EventKind:
    if job.state.terminal:
        return EventKind.DONE if job.state is JobState.SUCCEEDED else EventKind.ERROR
    if before is None or (job.state, job.stage) != (before.state, before.stage):
        return EventKind.STATUS
    return EventKind.STATUS if job.state is JobState.QUEUED else EventKind.PROGRESS


def _showing(job: Job, artifact: Artifact, before: Job | None) -> Job | None:
    """The job as it was when it showed an artifact; None where the watcher knows of such a stage.

    A job that has ended is told as it was, for those who have followed it so far.
    """
    if before is not None and before.stage in (Stage.DECODE, Stage.MESH, Stage.EXPORT):
        return None
    if not job.state.terminal:
        return job
    if before is None:
        return None
    return replace(
        before,
        state=JobState.RUNNING,
        stage=Stage.EXPORT if artifact.final else Stage.DECODE,
        started_ms=job.started_ms,
        attempts=job.attempts,
    )


async def _until(end: asyncio.Event, jobs: AsyncIterator[Job]) -> AsyncIterator[Job]:
    """What comes before an event is set."""
    ended = asyncio.create_task(end.wait())
    following: asyncio.Task[Job] | None = None
    try:
        while True:
            following = asyncio.ensure_future(anext(jobs))
            await asyncio.wait({ended, following}, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                return
            try:
                job = following.result()
            except StopAsyncIteration:
                return
            yield job
    finally:
        for task in (ended, following):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                    await task
        await jobs.aclose()  # type: ignore[attr-defined]
