"""Records as Redis keeps them: flat hashes of strings for jobs, JSON for the rest."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from service.jobs import Artifact, Job, JobState, NewJob, Operation, ShapeRecord, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """What a worker says of itself with every sign of life.

    Attributes:
        id: unique per process start, never reused; also its consumer name.
        slots: jobs it can run side by side.
        model: JSON-able; at least ``name``, ``version``, ``weights_sha256``, ``levels``,
            ``categories``, ``can`` (operations) and ``defaults``.
        busy_until_ms: when what it runs should have ended; in the past where it is free, or does
            not know.
    """

    id: str
    device: str
    slots: int
    operations: tuple[Operation, ...]
    model: dict[str, Any]
    started_ms: int
    beat_ms: int
    busy_until_ms: int = 0


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Load of one stream: entries (waiting and running) and the age of the oldest."""

    operation: Operation
    priority: int
    entries: int
    oldest_age_s: float


@dataclass(frozen=True, slots=True)
class TickReport:
    """What a tick did: retries put back, and the operation of each job whose deadline passed."""

    retried: int
    expired: tuple[Operation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """A shape as a member of a family.

    Attributes:
        record: None where it has expired, or is another tenant's.
        children: ids of the newest shapes made from it.
        children_count: how many there are.
    """

    id: str
    record: ShapeRecord | None
    children: tuple[str, ...]
    children_count: int


def new_job_fields(job: NewJob) -> list[str]:
    """The part of a new job's hash that the submit script does not write itself, as pairs."""
    return [
        "params",
        json.dumps(job.params),
        "input_ref",
        job.input_ref or "",
        "batch_key",
        job.batch_key,
        "weights_sha256",
        job.weights_sha256 or "",
        "request_id",
        job.request_id or "",
        "preprocess_ms",
        repr(job.preprocess_ms),
    ]


def job_from_hash(record: Mapping[str, str]) -> Job:
    """The job that a ``lg:job:<id>`` hash describes; empty strings stand for None."""
    started_ms = _optional_int(record, "started_ms")
    created_ms = int(record["created_ms"])
    stage = record.get("stage")
    timings = {"preprocess": float(record["preprocess_ms"])}
    if started_ms is not None:
        timings["queue"] = float(started_ms - created_ms)
    return Job(
        id=record["id"],
        operation=Operation(record["operation"]),
        state=JobState(record["state"]),
        stage=Stage(stage) if stage else None,
        progress=float(record["progress"]),
        params=json.loads(record["params"]),
        input_ref=record.get("input_ref") or None,
        tenant=record["tenant"],
        priority=int(record["priority"]),
        batch_key=record["batch_key"],
        attempts=int(record["attempts"]),
        seq=int(record["seq"]),
        created_ms=created_ms,
        started_ms=started_ms,
        finished_ms=_optional_int(record, "finished_ms"),
        expires_ms=_optional_int(record, "expires_ms"),
        deadline_ms=_optional_int(record, "deadline_ms"),
        cancel_requested=record["cancel"] == "1",
        request_id=record.get("request_id") or None,
        result=_optional_json(record, "result"),
        error=_optional_json(record, "error"),
        timings_ms=timings | (_optional_json(record, "timings") or {}),
        artifacts=tuple(Artifact(**item) for item in json.loads(record.get("artifacts") or "[]")),
        weights_sha256=record.get("weights_sha256") or None,
    )


def job_from_pairs(flat: list[str]) -> Job:
    """Like ``job_from_hash``, from the flat field, value, ... list that scripts return."""
    return job_from_hash(dict(zip(flat[::2], flat[1::2], strict=True)))


def artifact_json(artifact: Artifact) -> str:
    """An artifact as the show script takes it, which adds ``seq``."""
    fields = asdict(artifact)
    del fields["seq"]
    return json.dumps(fields)


def shape_arguments(shapes: Iterable[ShapeRecord]) -> list[str | int]:
    """The shapes of an outcome as the finish script takes them."""
    arguments: list[str | int] = []
    for shape in shapes:
        arguments += [shape.id, json.dumps(asdict(shape)), shape.expires_ms]
        arguments += [len(shape.parents), *shape.parents]
    return arguments


def shape_from_json(text: str) -> ShapeRecord:
    """Inverse of the JSON that ``shape_arguments`` writes."""
    data = json.loads(text)
    return ShapeRecord(**(data | {"parents": tuple(data["parents"])}))


def worker_from_json(text: str) -> WorkerInfo:
    """Inverse of ``json.dumps(asdict(worker))``."""
    data = json.loads(text)
    return WorkerInfo(
        **(data | {"operations": tuple(Operation(name) for name in data["operations"])})
    )


def _optional_int(record: Mapping[str, str], name: str) -> int | None:
    value = record.get(name)
    return int(float(value)) if value else None


def _optional_json(record: Mapping[str, str], name: str) -> dict[str, Any] | None:
    value = record.get(name)
    return json.loads(value) if value else None
