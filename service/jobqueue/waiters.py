"""Waiting for jobs: one reader of the event stream per process wakes everybody who waits in it."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Self

import structlog

from service.errors import QueueUnavailable
from service.jobqueue.queue import JobQueue
from service.jobqueue.refusals import job_not_found
from service.jobqueue.tasks import cancel_and_wait
from service.jobs import Job

_REREAD_S = 5.0
_RECONNECT_S = 0.5


class JobWaiters:
    """Waits for changes of jobs without polling.

    Events are only wake-ups and may be lost; the job's record is the truth. So a waiter reads the
    record when it starts, when it is woken, and every 5 s. Use as an async context manager, or call
    ``start`` and ``stop``.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._reader: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read events; needs a running event loop."""
        self._reader = asyncio.create_task(self._read(), name="job-events")

    async def stop(self) -> None:
        """Stop reading events; those who still wait fall back to reading every 5 s."""
        if self._reader is not None:
            await cancel_and_wait(self._reader)
            self._reader = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def wait(self, job_id: str, timeout_s: float) -> Job:
        """The job as soon as it is in a terminal state, or as it is after ``timeout_s`` seconds.

        Raises:
            NotFound: there is no such job.
            QueueUnavailable: Redis could not be reached at the end of the wait.
        """
        end = time.monotonic() + timeout_s
        with self._registered(job_id) as changed:
            while True:
                changed.clear()
                left = end - time.monotonic()
                try:
                    job = await self._read_job(job_id)
                    if job.state.terminal or left <= 0:
                        return job
                except QueueUnavailable as error:
                    left = end - time.monotonic()  # it may have taken a while not to answer
                    if left <= 0:
                        error.job = job_id  # which goes on, and can be asked for later
                        raise
                await _pause(changed, min(end - time.monotonic(), _REREAD_S))

    async def changes(self, job_id: str) -> AsyncIterator[Job]:
        """A snapshot now, after each change and every 5 s, the last one terminal.

        Quick changes may merge.

        Raises:
            NotFound: there is no such job.
        """
        with self._registered(job_id) as changed:
            while True:
                changed.clear()
                with contextlib.suppress(QueueUnavailable):
                    job = await self._read_job(job_id)
                    yield job
                    if job.state.terminal:
                        return
                await _pause(changed, _REREAD_S)

    @contextlib.contextmanager
    def _registered(self, job_id: str) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._waiting[job_id].add(changed)
        try:
            yield changed
        finally:
            self._waiting[job_id].discard(changed)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def _read_job(self, job_id: str) -> Job:
        job = await self._queue.get(job_id)
        if job is None:
            raise job_not_found(job_id, self._queue.limits.job_retention_ms)
        return job

    async def _read(self) -> None:
        point: str | None = None
        while True:
            try:
                if point is None:
                    point = await self._queue.last_event()
                    # Whoever came before this moment may have missed an event.
                    self._wake(self._waiting.keys())
                point, changed_ids = await self._queue.events(point)
            except QueueUnavailable:
                await asyncio.sleep(_RECONNECT_S)
            except Exception:  # noqa: BLE001 (a defect must not leave all waiters to themselves)
                structlog.get_logger().exception("events_not_read", after=point)
                point = None
                await asyncio.sleep(_RECONNECT_S)
            else:
                self._wake(self._waiting.keys() & set(changed_ids))

    def _wake(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            for changed in self._waiting[job_id]:
                changed.set()


async def _pause(changed: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await changed.wait()
