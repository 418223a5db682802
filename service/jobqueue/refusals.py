"""What the queue says when it does not do what it was asked to."""

import json
import time
from datetime import UTC, datetime

from service.errors import (
    DeadlineExceeded,
    IdempotencyConflict,
    InternalError,
    NotFound,
    QueueFull,
    RateLimited,
    WeightsMismatch,
    WorkerCrashed,
)
from service.jobs import made_ms

_FIRST_MS = 1_704_067_200_000
"""2024-01-01, UTC: before there was this service, and so any id of it."""


def job_not_found(job_id: str, kept_ms: int) -> NotFound:
    """No record of this job; the records of finished ones are kept this long."""
    age = _age(job_id, kept_ms)
    return NotFound(
        f"The job {job_id!r} has expired: {age}." if age else f"There is no job {job_id!r}.",
        suggestion="Finished jobs are forgotten after a while: see expires_at.",
        job=job_id,
    )


def shape_not_found(shape_id: str, expired_ms: int | None, param: str | None) -> NotFound:
    """No record of this shape (any more); ``param`` named it."""
    if expired_ms is not None:
        return NotFound(
            f"The shape {shape_id!r} has expired, at {_moment(expired_ms)}.",
            suggestion="Download the latents of shapes that are to last.",
            param=param,
        )
    return NotFound(
        f"There is no shape {shape_id!r}.",
        suggestion="Shapes are forgotten after a while: see expires_at.",
        param=param,
    )


def _age(identifier: str, kept_ms: int) -> str | None:
    """That a thing is older than such things get; its id tells when it was made.

    An id of a time before there were any is made up.
    """
    made = made_ms(identifier)
    if made is None or made < _FIRST_MS or made + kept_ms > time.time() * 1000:
        return None
    return f"it was made at {_moment(made)}, and is kept for {_span(kept_ms // 1000)}"


def _span(seconds: int) -> str:
    """A time in the largest unit that it is whole in: ``24 hours``, ``90 seconds``."""
    for unit, size in (("hour", 3600), ("minute", 60)):
        if seconds % size == 0 and seconds >= size:
            count = seconds // size
            return f"{count:,} {unit}" + ("" if count == 1 else "s")
    return f"{seconds:,} seconds"


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


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


def too_fast(per_minute: int, retry_after: int) -> RateLimited:
    """The caller has used up what they may submit."""
    return RateLimited(
        f"This caller may submit {per_minute} requests a minute, and has none left.",
        suggestion="Try again after the time in Retry-After.",
        retry_after=retry_after,
    )


def crashed(attempts: int) -> str:
    """The error of a job whose workers died each time, as its record keeps it."""
    error = WorkerCrashed(
        f"The worker died in each of {attempts} attempts to run this job.",
        suggestion="The input may be at fault; other jobs are not affected.",
    )
    return json.dumps(error.to_dict())


def unusable() -> InternalError:
    """The job's record is none that a worker of this version can run."""
    return InternalError(
        "The job as it was accepted cannot be run by this version of the service.",
        suggestion="Send the request again, with another Idempotency-Key if it had one.",
    )


def other_weights(accepted: str, loaded: str) -> WeightsMismatch:
    """The job was checked against weights that no worker has any more."""
    return WeightsMismatch(
        f"The job was accepted for the weights {accepted[:12]}..., and the loaded ones are"
        f" {loaded[:12]}...: they were exchanged before it was run.",
        suggestion="Send the request again, with another Idempotency-Key if it had one: it is then"
        " checked against the weights that are loaded.",
    )


def deadline_passed() -> str:
    """The error of a job that was too late, as its record keeps it."""
    error = DeadlineExceeded(
        "The job's deadline passed before it had finished.",
        suggestion="Ask for less (n, steps, resolution) or allow more time.",
    )
    return json.dumps(error.to_dict())
