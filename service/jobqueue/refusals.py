"""What the queue says when it does not do what it was asked to."""

import json

from service.errors import (
    DeadlineExceeded,
    IdempotencyConflict,
    NotFound,
    QueueFull,
    RateLimited,
    WorkerCrashed,
)


def job_not_found(job_id: str) -> NotFound:
    """No record of this job."""
    return NotFound(
        f"There is no job {job_id!r}.",
        suggestion="Finished jobs are forgotten after a while: see expires_at.",
        job=job_id,
    )


def idempotency_conflict(job_id: str) -> IdempotencyConflict:
    """The key made the job ``job_id`` from another request."""
    return IdempotencyConflict(
        "This Idempotency-Key was already used for another request.",
        suggestion="Use a new key for each new request.",
        param="Idempotency-Key",
        job=job_id,
    )


def queue_full(cap: int, retry_after: int) -> QueueFull:
    """The deployment has ``cap`` live jobs."""
    return QueueFull(
        f"The queue holds {cap} jobs, as many as it admits.",
        suggestion="Try again after the time in Retry-After.",
        retry_after=retry_after,
    )


def tenant_full(cap: int, retry_after: int) -> RateLimited:
    """The caller has ``cap`` live jobs."""
    return RateLimited(
        f"This caller has {cap} live jobs, as many as one may have.",
        suggestion="Wait for some of them to end, or cancel them.",
        retry_after=retry_after,
    )


def crashed(attempts: int) -> str:
    """The error of a job whose workers died each time, as its record keeps it."""
    error = WorkerCrashed(
        f"The worker died in each of {attempts} attempts to run this job.",
        suggestion="The input may be at fault; other jobs are not affected.",
    )
    return json.dumps(error.to_dict())


def deadline_passed() -> str:
    """The error of a job that was too late, as its record keeps it."""
    error = DeadlineExceeded(
        "The job's deadline passed before it had finished.",
        suggestion="Ask for less (n, steps, resolution) or allow more time.",
    )
    return json.dumps(error.to_dict())
