"""The job queue: Redis Streams for the order, one hash a job for the truth, Lua for every change.

A job has one stream entry from its submission to its end. A worker *fetches* entries (they are
then pending for it, under a lease that beats renew), *claims* a job right before running it (which
starts an attempt and makes a token), and *finishes* it with that token. When a worker dies its
lease runs out and any other worker's fetch takes the entry over; the old token is refused from then
on. So no accepted job is lost, each may run more than once, and exactly one outcome becomes
visible.

All methods raise ``QueueUnavailable`` while Redis cannot serve, and may simply be called again.
"""

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import structlog
from redis.asyncio import Redis

from service.errors import JobFinal, QueueUnavailable
from service.jobqueue import refusals
from service.jobqueue.estimates import Estimates, measured_work
from service.jobqueue.lease import Beat, Entry, Failed, Lease, Outcome, Succeeded
from service.jobqueue.records import (
    QueueDepth,
    TickReport,
    artifact_json,
    job_from_hash,
    job_from_pairs,
    new_job_fields,
    shape_arguments,
)
from service.jobs import (
    PRIORITIES,
    Artifact,
    Job,
    JobState,
    NewJob,
    Operation,
    QueueLimits,
    ShapeRecord,
    Stage,
)
from service.telemetry import LogField

LIST_LIMIT = 101
"""Jobs that one page of ``list_jobs`` may have: one more than a caller is shown at a time."""

_WAIT_S = 1
_PUBSUB_WAIT_S = 4.0
_CONSUMER_DEAD_MS = 24 * 3600 * 1000


class JobQueue(Estimates):
    """Everything that gateways and workers do with jobs and shapes; all state is in Redis.

    Args:
        redis: a client made by ``connect``; the caller closes it.
        limits: admission, leases and retention; the same for all processes of a deployment.
    """

    def __init__(self, redis: Redis, limits: QueueLimits) -> None:
        super().__init__(redis)
        self.limits = limits
        self._rounds = 0

    # What gateways do

    async def submit(self, job: NewJob) -> tuple[Job, bool]:
        """Queue a job.

        Returns:
            The queued job and True; or the job that the same idempotency key made earlier, and
            False.

        Raises:
            IdempotencyConflict: the key was used for another request.
            QueueFull: the deployment has as many live jobs as it admits.
            RateLimited: the tenant has as many live jobs as one may have.
        """
        key, request_hash = "", ""
        if job.idempotency is not None:
            digest = hashlib.sha256(job.idempotency.key.encode()).hexdigest()
            key, request_hash = f"lg:idem:{job.tenant}:{digest}", job.idempotency.request_hash
        verdict, job_id = await self._connection.run(
            "submit",
            job.id,
            key,
            request_hash,
            self.limits.idempotency_ms,
            self.limits.queue_cap,
            self.limits.tenant_cap,
            job.tenant,
            job.operation,
            job.priority,
            "" if job.deadline_ms is None else job.deadline_ms,
            *new_job_fields(job),
        )
        await self._refuse(verdict, job_id)
        return await self._existing(job_id), verdict == "created"

    async def get(self, job_id: str) -> Job | None:
        """The job's current record; None where there is none (any more)."""
        record = await self._connection.command("HGETALL", f"lg:job:{job_id}")
        return job_from_hash(record) if record else None

    async def list_jobs(
        self,
        *,
        tenant: str,
        after: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
        state: JobState | None = None,
    ) -> list[Job]:
        """A page of a tenant's jobs by time of submission, starting behind the id ``after``.

        No more is read than the page, however many jobs there are in other states, and the ids of
        expired jobs that no ``tick`` has come to yet: each clears up to 100.
        """
        if not 1 <= limit <= LIST_LIMIT:
            raise ValueError(f"limit must be in 1..{LIST_LIMIT}, not {limit}")
        records = await self._connection.run("list", tenant, state or "", order, after or "", limit)
        return [job_from_pairs(record) for record in records]

    async def cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once; ask the worker of a running one to stop.

        Raises:
            NotFound: there is no such job.
            JobFinal: the job has already ended.
        """
        verdict = await self._connection.run("cancel", job_id, self.limits.job_retention_ms)
        if verdict == "unknown":
            raise refusals.job_not_found(job_id, self.limits.job_retention_ms)
        job = await self._existing(job_id)
        if verdict == "final":
            raise JobFinal(f"The job is {job.state.value} and will not change.", job=job_id)
        return job

    async def depths(self) -> list[QueueDepth]:
        """Load of each stream, for metrics."""
        kinds = [(operation, priority) for operation in Operation for priority in PRIORITIES]
        loads = await self._connection.run("depths", *(_stream(*kind) for kind in kinds))
        return [
            QueueDepth(operation, priority, entries, age_ms / 1000)
            for (operation, priority), (entries, age_ms) in zip(kinds, loads, strict=True)
        ]

    async def tick(self) -> TickReport:
        """Put due retries back, fail jobs past their deadline, forget old ones.

        Meant to be called about once a second by every gateway; calls do not disturb each other.
        """
        retried, expired = await self._connection.run(
            "tick", self.limits.job_retention_ms, refusals.deadline_passed()
        )
        return TickReport(retried, tuple(Operation(name) for name in expired))

    # What workers do

    async def fetch(
        self, consumer: str, operations: Sequence[Operation], count: int
    ) -> list[Entry]:
        """Reserve up to ``count`` jobs: those of silent workers first, then by priority.

        Every 8th call reads the least urgent first, so that they do not starve. Waits up to a
        second where there is nothing; cancelling that wait loses no job. A job whose record cannot
        be read ends as ``internal``.
        """
        priorities = PRIORITIES[::-1] if self._rounds % 8 == 7 else PRIORITIES
        self._rounds += 1
        streams = [_stream(operation, p) for p in priorities for operation in operations]
        arguments: tuple[str | int, ...] = (consumer, count, self.limits.lease_ms, *streams)
        taken, tails = await self._connection.run("fetch", *arguments)
        if not taken:
            woken = await self._connection.command(
                *("XREAD", "COUNT", 1, "BLOCK", _WAIT_S * 1000, "STREAMS", *streams, *tails),
                block_s=_WAIT_S,
            )
            if woken:
                taken, _ = await self._connection.run("fetch", *arguments)
        entries = []
        for stream, entry_id, job_id, record in taken:
            try:
                entries.append(Entry(consumer, stream, entry_id, job_from_pairs(record)))
            except Exception:  # noqa: BLE001 (its mates go on)
                structlog.get_logger().exception("job_unreadable", **{LogField.JOB_ID: job_id})
                located = consumer, job_id, stream, entry_id
                error = json.dumps(refusals.unusable().to_dict())
                with contextlib.suppress(QueueUnavailable):  # its lease ends, and it comes again
                    await self._connection.run(
                        "decline", *located, error, "", 0, self.limits.job_retention_ms
                    )
        return entries

    async def hold(self, consumer: str, entries: Sequence[Entry]) -> None:
        """Renew the lease of fetched entries that have not been started yet."""
        if entries:
            located = [part for entry in entries for part in (entry.stream, entry.id)]
            await self._connection.run("hold", consumer, *located)

    async def claim(self, consumer: str, entry: Entry) -> Lease | None:
        """Start an attempt, right before running it; asked again for an entry, it is the same one.

        Returns:
            None where the job is not to be run: it ended, was canceled, is past its deadline, has
            used up its attempts (it then failed as ``worker_crashed``), or the entry now belongs
            to another worker. All of that has been taken care of.
        """
        verdict, token, record = await self._connection.run(
            "claim",
            consumer,
            entry.stream,
            entry.id,
            entry.job.id,
            entry.nonce,
            self.limits.max_attempts,
            self.limits.job_retention_ms,
            refusals.crashed(self.limits.max_attempts),
            refusals.deadline_passed(),
        )
        if verdict != "run":
            return None
        return Lease(entry, job_from_pairs(record), token)

    async def beat(self, lease: Lease, *, stage: Stage | None, progress: float) -> Beat:
        """Renew the lease, tell how far the job is (0..1), learn whether to go on."""
        answer = await self._connection.run(
            "beat",
            lease.entry.consumer,
            lease.job.id,
            lease.token,
            stage or "",
            _told(progress),
        )
        return Beat(answer)

    async def show(
        self, lease: Lease, artifact: Artifact, *, stage: Stage | None, progress: float
    ) -> bool:
        """Add an artifact for those who watch the job, and tell how far the job is, as ``beat``.

        Returns:
            False where the token is not the current one any more: nothing was added.
        """
        arguments = lease.job.id, lease.token, artifact.ref, artifact_json(artifact)
        reached = stage or "", _told(progress)
        return bool(await self._connection.run("show", *arguments, *reached))

    async def finish(self, lease: Lease, outcome: Outcome, *, batch: int = 1) -> bool:
        """Publish the outcome, with the shapes and meshes of a success, in one step.

        ``batch``: jobs that ran together, this one among them; estimates go by it.

        Returns:
            False where the token is not the current one any more: nothing was published.
        """
        state, result, error = JobState.CANCELED, "", ""
        shapes: tuple[ShapeRecord, ...] = ()
        artifacts: tuple[Artifact, ...] = ()
        match outcome:
            case Succeeded():
                state, result = JobState.SUCCEEDED, json.dumps(outcome.result)
                shapes, artifacts = outcome.shapes, outcome.artifacts
            case Failed():
                state, error = JobState.FAILED, json.dumps(outcome.error)
        published = await self._connection.run(
            "finish",
            lease.job.id,
            lease.token,
            state,
            self.limits.job_retention_ms,
            result,
            error,
            json.dumps(outcome.timings_ms),
            measured_work(lease.job, outcome),
            batch,
            len(artifacts),
            *map(artifact_json, artifacts),
            *shape_arguments(replace(shape, tenant=lease.job.tenant) for shape in shapes),
        )
        return bool(published)

    async def retry(self, lease: Lease, error: dict[str, Any]) -> None:
        """Give the attempt up and try again after a pause; out of attempts, fail with ``error``."""
        pause_ms = self.limits.retry_pause_ms * 2 ** (lease.job.attempts - 1)
        await self._connection.run(
            "retry",
            lease.job.id,
            lease.token,
            json.dumps(error),
            pause_ms,
            self.limits.max_attempts,
            self.limits.job_retention_ms,
        )

    async def release(self, held: Lease | Entry) -> None:
        """Give a job back at once, as a draining worker does; a started attempt does not count."""
        entry, token = (held.entry, held.token) if isinstance(held, Lease) else (held, "")
        await self._connection.run(
            "release",
            entry.consumer,
            entry.job.id,
            entry.stream,
            entry.id,
            token,
            self.limits.job_retention_ms,
        )

    async def decline(
        self, entry: Entry, error: dict[str, Any], *, weights_sha256: str = ""
    ) -> str:
        """End a held job that cannot be run here, with an error; no attempt is counted.

        Args:
            entry: of the job.
            error: what its caller is told.
            weights_sha256: that it can be run with: where a live worker has them, the job is put
                back after a pause, and does not end. Empty: nobody can run it.

        Returns:
            ``queued``, ``failed``, ``canceled``, or ``lost`` where it is another's by now.
        """
        verdict: str = await self._connection.run(
            "decline",
            entry.consumer,
            entry.job.id,
            entry.stream,
            entry.id,
            json.dumps(error),
            weights_sha256,
            self.limits.retry_pause_ms,
            self.limits.job_retention_ms,
        )
        return verdict

    async def close_consumer(self, consumer: str, operations: Sequence[Operation]) -> None:
        """Forget a consumer that has ended, unless it still holds jobs: those would be lost."""
        streams = [_stream(operation, p) for p in PRIORITIES for operation in operations]
        await self._connection.run("retire", consumer, _CONSUMER_DEAD_MS, *streams)

    async def cancellations(self) -> AsyncIterator[str]:
        """Ids of running jobs as they are canceled: faster than the next beat, but not reliable."""
        async with self._connection.redis.pubsub() as channel:
            async with self._connection.reaching():
                await channel.subscribe("lg:cancel")
            while True:
                async with self._connection.reaching(_PUBSUB_WAIT_S):
                    message = await channel.get_message(
                        ignore_subscribe_messages=True, timeout=_PUBSUB_WAIT_S
                    )
                if message is not None:
                    yield message["data"]

    # What waiters do

    async def last_event(self) -> str:
        """The point in the stream of events to read on from."""
        last = await self._connection.command("XREVRANGE", "lg:ev", "+", "-", "COUNT", 1)
        return last[0][0] if last else "0-0"

    async def events(self, after: str) -> tuple[str, list[str]]:
        """Wait up to a second for changes: the point to read on from, ids of changed jobs."""
        reply = await self._connection.command(
            *("XREAD", "COUNT", 1000, "BLOCK", _WAIT_S * 1000, "STREAMS", "lg:ev", after),
            block_s=_WAIT_S,
        )
        if not reply:
            return after, []
        entries = reply[0][1]
        return entries[-1][0], [fields["id"] for _, fields in entries]

    async def _existing(self, job_id: str) -> Job:
        job = await self.get(job_id)
        if job is None:
            raise refusals.job_not_found(job_id, self.limits.job_retention_ms)
        return job

    async def _refuse(self, verdict: str, other: str) -> None:
        match verdict:
            case "conflict":
                raise refusals.idempotency_conflict(other)
            case "queue_full":
                raise refusals.queue_full(self.limits.queue_cap, await self.retry_after())
            case "tenant_full":
                raise refusals.tenant_full(self.limits.tenant_cap, await self.retry_after())


def _stream(operation: Operation, priority: int) -> str:
    return f"lg:q:{operation}:{priority}"


def _told(progress: float) -> str:
    """So that what is the same to four digits is no change."""
    return f"{progress:.4g}"
