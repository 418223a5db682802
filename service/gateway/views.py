"""How internal records look to callers."""

import time
from datetime import UTC, datetime

from service import contract
from service.errors import Canceled, InternalError, ServiceError
from service.jobqueue.records import Relative
from service.jobs import LEAST_PROGRESS, Artifact, Job, JobState, ShapeRecord, Stage


def job_view(job: Job, *, position: int | None = None, wait_s: float | None = None) -> contract.Job:
    """The public form of a job.

    Args:
        job: as it is now.
        position: how many jobs are ahead of a queued one.
        wait_s: an estimate of the time to the end of a queued one.
    """
    result = job.result or {}
    path = f"/jobs/{job.id}"
    return contract.Job(
        id=job.id,
        operation=job.operation.value,
        state=job.state.value,
        stage=job.stage,
        progress=job.progress,
        queue_position=position,
        eta_s=_eta_s(job) if wait_s is None else round(wait_s, 1),
        cancel_requested=job.cancel_requested,
        created_at=_moment(job.created_ms),
        started_at=_optional_moment(job.started_ms),
        finished_at=_optional_moment(job.finished_ms),
        expires_at=_optional_moment(job.expires_ms),
        attempts=job.attempts,
        input={name: value for name, value in job.params.items() if value is not None},
        model=result.get("model"),
        shapes=result.get("shapes", ()),
        timings_ms={name: job.timings_ms.get(name, 0.0) for name in ("queue", *Stage)},
        links={"self": path, "events": f"{path}/events", "cancel": path},
        error=_error_info(job),
    )


def artifact_view(job: Job, artifact: Artifact) -> contract.Artifact:
    """The public form of an artifact."""
    return contract.Artifact(
        job=job.id,
        sample=artifact.sample,
        shape=artifact.shape,
        resolution=artifact.resolution,
        final=artifact.final,
        format=artifact.format,
        url=artifact.url or f"/jobs/{job.id}/artifacts/{artifact.sample}-{artifact.resolution}.glb",
        bytes=artifact.bytes,
        faces=artifact.faces,
        vertices=artifact.vertices,
    )


def shape_view(record: ShapeRecord) -> contract.ShapeDetail:
    """The public form of a shape."""
    path = f"/shapes/{record.id}"
    return contract.ShapeDetail.model_validate(
        record.meta
        | {
            "id": record.id,
            "parents": record.parents,
            "created_at": _moment(record.created_ms),
            "expires_at": _moment(record.expires_ms),
            "links": {
                "self": path,
                "mesh": f"{path}/mesh",
                "latents": f"{path}/latents",
                "tree": f"{path}/tree",
            },
        }
    )


def lineage_node(relative: Relative) -> contract.LineageNode:
    """A shape as a member of its family."""
    record = relative.record
    if record is None:
        return contract.LineageNode(id=relative.id, expired=True)
    return contract.LineageNode(
        id=record.id,
        operation=record.meta["operation"],
        seed=record.meta.get("seed"),
        category=record.meta.get("category"),
        parents=record.parents,
        children=relative.children,
        children_count=relative.children_count,
    )


def failure_of(job: Job) -> ServiceError | None:
    """The error that a job ended with; None where it succeeded or still goes on."""
    if job.state is JobState.CANCELED:
        return Canceled("The job was canceled.", job=job.id)
    if job.state is not JobState.FAILED:
        return None
    if job.error is None:
        return InternalError("The job failed without a reason.", job=job.id)
    return ServiceError.from_dict(job.error, job=job.id)


def _error_info(job: Job) -> contract.ErrorInfo | None:
    failure = failure_of(job)
    if failure is None:
        return None
    return contract.ErrorInfo(
        code=failure.code,
        detail=failure.detail,
        suggestion=failure.suggestion,
        param=failure.param,
        retryable=failure.spec.retryable,
    )


def _eta_s(job: Job) -> float | None:
    """Seconds left, if the rest goes as fast as what is done."""
    if job.started_ms is None or job.state.terminal or job.progress < LEAST_PROGRESS:
        return None
    elapsed_s = time.time() - job.started_ms / 1000
    return round(max(elapsed_s, 0.0) * (1 - job.progress) / job.progress, 1)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _optional_moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else _moment(milliseconds)
