"""Jobs and entries for worker tests."""

from typing import Any

from service.jobqueue.lease import Entry
from service.jobs import Job, JobState, NewJob, Operation, new_id


def new_job(
    operation: Operation = Operation.GENERATE, *, priority: int = 1, **params: Any
) -> NewJob:
    """A request for one shape with default parameters."""
    params = _defaults(operation) | params
    return NewJob(
        operation=operation,
        params=params,
        batch_key=_batch_key(operation, params),
        priority=priority,
    )


def job(
    operation: Operation = Operation.GENERATE,
    *,
    priority: int = 1,
    attempts: int = 0,
    input_ref: str | None = None,
    **params: Any,
) -> Job:
    """A queued job as a worker fetches it."""
    params = _defaults(operation) | params
    return Job(
        id=new_id("job"),
        operation=operation,
        state=JobState.QUEUED,
        stage=None,
        progress=0.0,
        params=params,
        input_ref=input_ref,
        tenant="anonymous",
        priority=priority,
        batch_key=_batch_key(operation, params),
        attempts=attempts,
        seq=1,
        created_ms=0,
        started_ms=None,
        finished_ms=None,
        expires_ms=None,
        deadline_ms=None,
        cancel_requested=False,
        request_id=None,
        result=None,
        error=None,
        timings_ms={"queue": 0.0, "preprocess": 0.0},
    )


def entry(fetched: Job) -> Entry:
    """A job as ``JobQueue.fetch`` returns it."""
    return Entry("worker", f"lg:q:{fetched.operation}:{fetched.priority}", "1-0", fetched)


def _batch_key(operation: Operation, params: dict[str, Any]) -> str:
    """As the gateway makes it, for one model."""
    shared = [params.get(name) for name in ("steps", "guidance", "keep_level", "resolution")]
    return f"{operation}/{shared}"


def _defaults(operation: Operation) -> dict[str, Any]:
    params: dict[str, Any] = {
        "resolution": 128,
        "format": "glb",
        "target_faces": None,
        "exhaustive": False,
    }
    if operation in (Operation.GENERATE, Operation.RESAMPLE):
        params |= {"n": 1, "steps": 18, "guidance": 1.0, "seed": 7, "category": None}
    if operation is Operation.RESAMPLE:
        params["keep_level"] = 3
    return params
