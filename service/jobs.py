"""What a job is: its identity, its states and what happens in them, its record. No I/O.

Times are Unix milliseconds (``*_ms``) unless a name says otherwise.
"""

import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

ANONYMOUS = "anonymous"
"""Tenant of callers without an API key."""

PRIORITIES = (0, 1, 2)
"""Most urgent first; 1 is the default."""

LEAST_PROGRESS = 0.02
"""Below this, what is left of a job cannot be told by what is done."""

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_DIGITS = 26


def new_id(kind: Literal["job", "shp"], *, now_ms: int | None = None) -> str:
    """A unique id such as ``job_01jd...``: 48 bits of time, then 80 random bits, in base 32.

    Ids sort by their time of making (to the millisecond) as plain strings, and cannot be guessed.
    """
    stamp = int(time.time() * 1000) if now_ms is None else now_ms
    number = (stamp << 80) | secrets.randbits(80)
    return f"{kind}_{_base32(number)}"


def content_id(kind: Literal["shp"], *parts: object) -> str:
    """The id of what ``parts``, JSON-able, determine: the same for the same, and for nothing else.

    128 bits of their SHA-256, which looks like the ids that ``new_id`` makes.
    """
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()
    return f"{kind}_{_base32(int.from_bytes(digest[:16]))}"


def _base32(number: int) -> str:
    """128 bits as 26 digits."""
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def made_ms(identifier: str) -> int | None:
    """When an id of ``new_id`` was made; None where it is no such id."""
    _, _, digits = identifier.partition("_")
    if len(digits) != _ID_DIGITS or not set(digits) <= set(_CROCKFORD):
        return None
    number = 0
    for digit in digits:
        number = number << 5 | _CROCKFORD.index(digit)
    return number >> 80


class Operation(StrEnum):
    """What a job computes; each operation has its own queue."""

    ENCODE = "encode"
    GENERATE = "generate"
    RESAMPLE = "resample"
    DECODE = "decode"


class Stage(StrEnum):
    """What goes on inside a running job, in order; an operation skips those it does not need."""

    PREPROCESS = "preprocess"
    ENCODE = "encode"
    DENOISE_L3 = "denoise_l3"
    DENOISE_L2 = "denoise_l2"
    DENOISE_L1 = "denoise_l1"
    DECODE = "decode"
    MESH = "mesh"
    EXPORT = "export"


class JobState(StrEnum):
    """``queued -> running -> succeeded | failed | canceled``; a terminal state never changes.

    A queued job fails when its deadline passes, or nobody can run it, before any worker has started
    it. A running job is queued again when its worker died, drained or asked for a retry.
    """

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def terminal(self) -> bool:
        """True where the job has ended for good."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The caller's key and the hash of everything else in the request."""

    key: str
    request_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A request that passed all checks, ready to be queued.

    Attributes:
        id: of the job to be, known beforehand so that its input can be stored under it.
        params: the request's parameters, JSON-able, all defaults filled in.
        input_ref: name of the input in the blob store (points or latents), where there is one.
        batch_key: only jobs with the same key may share a batch; it holds all that a run of the
            model has one value of.
        weights_sha256: of the model that it was checked against: no other may run it. None: any.
        deadline_ms: the moment after which nobody wants the result.
        preprocess_ms: milliseconds the gateway spent to make the input.
    """

    operation: Operation
    params: dict[str, Any]
    batch_key: str
    weights_sha256: str | None = None
    id: str = field(default_factory=lambda: new_id("job"))
    input_ref: str | None = None
    tenant: str = ANONYMOUS
    priority: int = 1
    deadline_ms: int | None = None
    idempotency: IdempotencyKey | None = None
    request_id: str | None = None
    preprocess_ms: float = 0.0

    def __post_init__(self) -> None:
        if self.priority not in PRIORITIES:
            raise ValueError(f"priority must be one of {PRIORITIES}, not {self.priority}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A mesh to look at: coarse ones while a job goes on, then the one it was asked for.

    Attributes:
        sample: index of the shape, among those of the job.
        resolution: cells on each side of the grid it was extracted from.
        ref: name of its file in the blob store.
        shape: id of the shape.
        url: where the shape's mesh is served, of the one that was asked for; else empty.
        seq: the job's, as it was when this was added.
    """

    sample: int
    resolution: int
    ref: str
    bytes: int
    faces: int
    vertices: int
    shape: str
    format: str = "glb"
    url: str = ""
    seq: int = 0

    @property
    def final(self) -> bool:
        """True for the mesh that the job was asked for."""
        return self.url != ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A snapshot of a job's record.

    Attributes:
        progress: 0 to 1 over the whole job.
        attempts: executions that were started, this one included.
        seq: grows by one with every visible change: the id of the job's events.
        started_ms: start of the current (or last) attempt; None while queued.
        expires_ms: when the record of a finished job is forgotten; None while it is live.
        result: what the worker reported, JSON-able; of a succeeded job only.
        error: ``ServiceError.to_dict()``; of a failed job only.
        timings_ms: milliseconds by stage, and ``queue``: from submission to the last start.
        artifacts: of the current (or last) attempt, oldest first.
        weights_sha256: see ``NewJob``; None in records made before there was this field.
    """

    id: str
    operation: Operation
    state: JobState
    stage: Stage | None
    progress: float
    params: dict[str, Any]
    input_ref: str | None
    tenant: str
    priority: int
    batch_key: str
    attempts: int
    seq: int
    created_ms: int
    started_ms: int | None
    finished_ms: int | None
    expires_ms: int | None
    deadline_ms: int | None
    cancel_requested: bool
    request_id: str | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    timings_ms: dict[str, float]
    artifacts: tuple[Artifact, ...] = ()
    weights_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeRecord:
    """The lasting record of one shape: its latents by name, everything else as metadata.

    ``meta`` is JSON-able: seed, category, operation, model, weights hash, normalization, levels,
    metrics, mesh statistics. ``parents`` are the ids of the shapes it was made from. ``tenant`` is
    whose job made it; the queue fills it in.
    """

    id: str
    meta: dict[str, Any]
    latents_ref: str
    parents: tuple[str, ...] = ()
    created_ms: int
    expires_ms: int
    tenant: str = ANONYMOUS


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerLimits:
    """How much one caller may ask for.

    Attributes:
        per_minute: submissions; 0 for any number.
        live_jobs: jobs that wait or run.
    """

    per_minute: int = 0
    live_jobs: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How many jobs are admitted, how long things live, how often a job may be tried.

    Attributes:
        queue_cap: live (queued or running) jobs in the whole deployment.
        tenant_cap: live jobs of one caller.
        lease_ms: how long a worker may be silent before others take over its jobs.
        job_retention_ms: how long the record of a finished job is kept.
        idempotency_ms: how long an idempotency key is remembered.
        max_attempts: executions that may be started before a job is given up as poison.
        retry_pause_ms: before a job whose worker failed is tried a second time; doubled before
            each further attempt, so that what ails can pass.
    """

    queue_cap: int = 1000
    tenant_cap: int = 100
    lease_ms: int = 15_000
    job_retention_ms: int = 24 * 3600 * 1000
    idempotency_ms: int = 24 * 3600 * 1000
    max_attempts: int = 3
    retry_pause_ms: int = 1000
