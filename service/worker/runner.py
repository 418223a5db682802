"""The worker: fetches jobs, starts them in batches, and leaves none behind when it goes."""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any

import structlog

from service.errors import QueueUnavailable, ServiceError
from service.jobqueue.lease import Entry, Lease
from service.jobqueue.queue import JobQueue
from service.jobqueue.records import WorkerInfo
from service.jobqueue.refusals import other_weights, unusable
from service.jobqueue.tasks import cancel_and_wait
from service.jobs import JobState, Operation
from service.settings import WorkerSettings
from service.telemetry import LogField, WorkerMetrics
from service.worker.batching import Batch, Batcher
from service.worker.execution import Execution
from service.worker.persistence import persistently
from service.worker.process import EngineDiedError, EngineGoneError, EngineProcess

_PAUSE_S = 0.5
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.5, 30.0
_LEAVING_S = 5.0
"""Time after the drain to hand jobs back; also to a Redis that does not answer at first."""


class DrainTimeoutError(Exception):
    """Jobs could not be handed back in time; their leases will run out instead."""


class Runner:
    """Connects the queue and the model process.

    At any moment it holds the batch that the model runs, at most one that the model is through with
    and whose shapes are being finished, and, fetched but not started, at most one more.

    Args:
        engine: not started yet.
        settings: ``slots``, ``batch_cost``, ``beat_s`` and ``worker_drain_s`` count here.
    """

    def __init__(
        self,
        queue: JobQueue,
        engine: EngineProcess,
        metrics: WorkerMetrics,
        settings: WorkerSettings,
    ) -> None:
        self.id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._queue = queue
        self._engine = engine
        self._metrics = metrics
        self._settings = settings
        self._batcher = Batcher(slots=settings.slots, budget=settings.batch_cost)
        self._executions: dict[Execution, asyncio.Task[None]] = {}  # oldest first
        self._death: str | None = None
        self._info: WorkerInfo | None = None
        self._redis_reached = False
        self._failures = 0
        self._overdue = False
        self._stop = asyncio.Event()
        self._changed = asyncio.Condition()
        metrics.slots.set(settings.slots)
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger().bind(
            **{LogField.WORKER: self.id}
        )

    @property
    def ready(self) -> bool:
        """True while the model is loaded, Redis answers, and jobs are taken."""
        loaded = self._info is not None and self._death is None
        return loaded and self._redis_reached and not self._stop.is_set()

    def stop(self) -> None:
        """Take no more jobs, finish the running batch, give the rest back, then leave ``run``."""
        self._stop.set()

    async def run(self) -> None:
        """Work until ``stop``.

        Raises:
            EngineLoadError: the model cannot be loaded.
            DrainTimeoutError: Redis did not take the jobs back.
        """
        main = [self._work(), self._fetch()]
        helpers = [
            self._heartbeat(),
            self._follow_cancellations(),
            self._watch_engine(),
            self._enforce_stop(),
        ]
        try:
            await _run_accompanied(main, helpers)
        finally:
            await self._leave()

    # Fetching

    async def _fetch(self) -> None:
        while not self._stop.is_set():
            await self._until(lambda: self._info is not None and self._batcher.room > 0)
            if self._info is None or self._stop.is_set():
                continue
            try:
                entries = await self._queue.fetch(
                    self.id, self._info.operations, self._batcher.room
                )
            except QueueUnavailable:
                await asyncio.sleep(_PAUSE_S)
                continue
            await self._take_in(entries)
            await self._tell_change()
        await self._release_held()

    async def _take_in(self, entries: Sequence[Entry]) -> None:
        """Hold what was fetched, but for what was accepted for other weights or makes no sense."""
        loaded = self._info.model["weights_sha256"] if self._info else None
        declined: list[tuple[Entry, ServiceError, str]] = []
        for entry in entries:
            wanted = entry.job.weights_sha256
            if not (loaded is None or wanted in (None, loaded)):
                declined.append((entry, other_weights(wanted, loaded), wanted))
                continue
            try:
                self._batcher.add([entry], now=time.monotonic())
            except Exception:  # noqa: BLE001 (its mates go on)
                self._log.exception("job_unusable", **{LogField.JOB_ID: entry.job.id})
                declined.append((entry, unusable(), ""))
        if loaded is None:
            await self._release_held()
        for entry, error, weights_sha256 in declined:
            await self._decline(entry, error, weights_sha256=weights_sha256)

    async def _decline(self, entry: Entry, error: ServiceError, *, weights_sha256: str) -> None:
        verdict = await persistently(
            self._queue.decline, entry, error.to_dict(), weights_sha256=weights_sha256
        )
        fields = {LogField.JOB_ID: entry.job.id, LogField.CODE: error.code}
        self._log.warning("job_declined", verdict=verdict, **fields)
        if verdict in (JobState.FAILED, JobState.CANCELED):
            self._metrics.jobs_finished.labels(op=entry.job.operation, state=verdict).inc()

    async def _release_held(self) -> None:
        for entry in self._batcher.clear():
            await persistently(self._queue.release, entry)

    # Working

    async def _work(self) -> None:
        try:
            while not self._stop.is_set():
                if self._death is not None:
                    await self._mourn(self._death)
                elif self._info is None:
                    await self._start_engine()
                elif batch := await self._next_batch():
                    await self._run_batch(batch)
            await self._executions_ended()
        finally:
            await asyncio.gather(*map(cancel_and_wait, self._executions.values()))

    async def _start_engine(self) -> None:
        starting = asyncio.create_task(self._engine.start())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            self._engine.kill()
        try:
            ready = await starting
        except EngineDiedError as error:
            self._death = str(error)
            return
        now = _now_ms()
        info = WorkerInfo(
            id=self.id,
            device=ready.device,
            slots=self._settings.slots,
            operations=tuple(Operation(name) for name in ready.model["can"]),
            model=ready.model,
            started_ms=now,
            beat_ms=now,
        )
        await persistently(self._queue.register_worker, info)
        self._redis_reached = True
        self._info = info
        self._log.info("worker_ready", device=ready.device, model=ready.model["name"])
        await self._tell_change()

    async def _mourn(self, cause: str) -> None:
        """Wait a little longer after each death in a row; held jobs need not wait with us."""
        await self._executions_ended()
        self._death = None
        if self._stop.is_set():
            return
        self._log.error("engine_died", cause=cause)
        self._info = None
        await persistently(self._queue.unregister_worker, self.id)
        await self._release_held()
        pause = min(_FIRST_BACKOFF_S * 2**self._failures, _LAST_BACKOFF_S)
        self._failures += 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stop.wait()

    async def _next_batch(self) -> Batch | None:
        """The next batch as soon as there is one; None where something else is due."""
        batch = self._batcher.take(now=time.monotonic())
        if batch is None:
            held = len(self._batcher.entries)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._batcher.due_in(now=time.monotonic())):
                    await self._until(
                        lambda: len(self._batcher.entries) != held or self._death is not None
                    )
        else:
            await self._tell_change()
        return batch

    async def _run_batch(self, batch: Batch) -> None:
        """Start a batch; returns when the engine can take another.

        A redelivered job is alone in time too: it may be the one that kills processes.
        """
        if any(entry.redelivered for entry in batch.entries):
            await self._executions_ended()
        leases = [
            lease
            for entry in batch.entries
            if (lease := await persistently(self._queue.claim, self.id, entry))
        ]
        if not leases:
            return
        if self._death is not None:  # meanwhile: nothing of this attempt was run
            for lease in leases:
                await persistently(self._queue.release, lease)
            return
        self._count(leases)
        execution = Execution(
            self._queue, self._engine, self._metrics, leases, beat_s=self._settings.beat_s
        )
        task = self._executions[execution] = asyncio.create_task(self._see_through(execution))
        freed = asyncio.create_task(execution.freed.wait())
        await asyncio.wait({task, freed}, return_when=asyncio.FIRST_COMPLETED)
        await cancel_and_wait(freed)
        alone = any(lease.redelivered for lease in leases)
        await self._executions_ended(but=0 if alone else 1)

    async def _see_through(self, execution: Execution) -> None:
        try:
            await execution.run()
            self._failures = 0
        except EngineDiedError as error:
            if not self._overdue:
                self._death = str(error)
            if self._overdue or isinstance(error, EngineGoneError):
                await execution.release()
            else:
                await execution.retry(str(error))
            await self._tell_change()
        except Exception:
            self.stop()  # then `_work` raises it
            raise
        del self._executions[execution]

    async def _executions_ended(self, *, but: int = 0) -> None:
        """Wait for all executions, ``but`` for the latest."""
        tasks = list(self._executions.values())
        for task in tasks[: len(tasks) - but]:
            await task

    def _count(self, leases: list[Lease]) -> None:
        operation = leases[0].job.operation
        self._metrics.batch_size.labels(op=operation).observe(len(leases))
        for lease in leases:
            waited_ms = lease.job.timings_ms["queue"]
            self._metrics.job_wait.labels(op=operation).observe(waited_ms / 1000)
            if lease.redelivered:
                self._metrics.jobs_redelivered.inc()

    # Alongside

    async def _heartbeat(self) -> None:
        while True:
            if self._info is not None:
                try:
                    left_s = max((each.left_s() for each in self._executions), default=0.0)
                    now = _now_ms()
                    busy_until = now + round(left_s * 1000)
                    sign = replace(self._info, beat_ms=now, busy_until_ms=busy_until)
                    await self._queue.heartbeat(sign)
                    await self._queue.hold(self.id, self._batcher.entries)
                    self._redis_reached = True
                except QueueUnavailable:
                    self._redis_reached = False
            await asyncio.sleep(self._settings.beat_s)

    async def _follow_cancellations(self) -> None:
        while True:
            try:
                async for job_id in self._queue.cancellations():
                    for execution in self._executions:
                        execution.cancel(job_id)
            except QueueUnavailable:
                await asyncio.sleep(_PAUSE_S)

    async def _watch_engine(self) -> None:
        """Notice the death of a model process, also while it has nothing to do."""
        while not self._stop.is_set():
            await self._until(lambda: self._info is not None and self._death is None)
            if (info := self._info) is None:
                continue
            cause = await self._engine.ended()
            if self._info is info:  # else it has been noticed and another is being started
                self._death = self._death or cause
                await self._tell_change()

    async def _enforce_stop(self) -> None:
        await self._stop.wait()
        self._log.info("draining")
        await self._tell_change()
        await asyncio.sleep(self._settings.worker_drain_s)
        self._overdue = True
        self._engine.kill()
        await asyncio.sleep(_LEAVING_S)
        raise DrainTimeoutError("the queue did not take the remaining jobs back in time")

    async def _leave(self) -> None:
        await self._engine.stop()
        with contextlib.suppress(QueueUnavailable):
            await self._queue.unregister_worker(self.id)
            await self._queue.close_consumer(self.id, tuple(Operation))
        self._log.info("worker_left")

    # Waiting for each other

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: condition() or self._stop.is_set())

    async def _tell_change(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _run_accompanied(
    main: Iterable[Coroutine[Any, Any, None]], helpers: Iterable[Coroutine[Any, Any, None]]
) -> None:
    """Run all of ``main`` to the end, helpers alongside until then. Who fails, fails all."""
    essential = {asyncio.create_task(each) for each in main}
    tasks = essential | {asyncio.create_task(each) for each in helpers}
    pending = set(tasks)
    try:
        while essential & pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        await asyncio.gather(*(cancel_and_wait(task) for task in tasks))
        await asyncio.gather(*tasks, return_exceptions=True)


def _now_ms() -> int:
    return int(time.time() * 1000)
