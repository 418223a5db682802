"""A call that waits for its job: how long, and what becomes of the job when the caller leaves."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Self

from service.contract import MAX_WAIT_S
from service.errors import ServiceError
from service.gateway.grpc.interceptors import Context, current_call
from service.gateway.grpc.metadata import quota_metadata
from service.gateway.state import Gateway
from service.gateway.submission import Call, Submission
from service.gateway.views import failure_of
from service.jobs import Job

_CLOCK_MS = 100
"""A call that ends this close to its deadline ended by it."""


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """One submission and its answer.

    Attributes:
        call: with the deadline, where that ends the wait: it then ends the job too. A call with an
            idempotency key, or one whose wait ends earlier, leaves a job that outlives it.
        seconds: to wait for the job; 0: answer at once.
    """

    gateway: Gateway
    context: Context
    call: Call
    seconds: float

    @classmethod
    def of(cls, gateway: Gateway, context: Context, wait_s: int | None) -> Self:
        """The present call; ``wait_s`` is what it asks for, None for the deployment's default."""
        seconds = gateway.settings.wait_s if wait_s is None else min(wait_s, MAX_WAIT_S)
        call, left = current_call(), context.time_remaining()
        if left is not None and left <= seconds and call.idempotency_key is None:
            call = replace(call, deadline_ms=round((time.time() + left) * 1000))
        return cls(gateway, context, call, seconds)

    async def job(self, submit: Callable[[Call], Awaitable[Submission]]) -> Job:
        """Submit, and wait: the job when it has ended, or as it is at the end of the wait.

        The wait also ends when this process is to end. A submission that has begun is brought to
        its end even when the caller goes away meanwhile, so that its job can be canceled.

        Raises:
            ServiceError: the submission's, or the job's own, where it failed or was canceled.
        """
        submitting = asyncio.ensure_future(submit(self.call))
        try:
            submission = await asyncio.shield(submitting)
            job = await self._waited(submission.job)
        except asyncio.CancelledError:
            with contextlib.suppress(ServiceError):
                await self._abandon((await submitting).job)
            raise
        failure = failure_of(job)
        if failure is not None:
            raise failure
        left = await quota_metadata(self.gateway.jobs, self.call)
        replayed = (("idempotent-replayed", "true"),) if submission.replayed else ()
        self.context.set_trailing_metadata((*left, *replayed))
        return job

    async def _waited(self, job: Job) -> Job:
        waited = asyncio.create_task(self.gateway.jobs.wait(job, self.seconds))
        draining = asyncio.create_task(self.gateway.draining.wait())
        try:
            await asyncio.wait({waited, draining}, return_when=asyncio.FIRST_COMPLETED)
            if waited.done():
                return waited.result()
            return await self.gateway.jobs.get(job.id, self.call)
        finally:
            waited.cancel()
            draining.cancel()

    async def _abandon(self, job: Job) -> None:
        """Cancel the job, unless the caller means to come back for it, or its deadline ends it."""
        asynchronous = self.seconds == 0
        deadline_ms = self.call.deadline_ms
        late = deadline_ms is not None and time.time() * 1000 >= deadline_ms - _CLOCK_MS
        if not (asynchronous or late or self.call.idempotency_key is not None):
            await self.gateway.jobs.cancel(job.id, self.call)
