"""What a worker holds and what it hands back."""

import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from service.jobs import Artifact, Job, ShapeRecord


@dataclass(frozen=True, slots=True)
class Entry:
    """A fetched job: reserved for one consumer until its lease ends, not started yet.

    ``stream`` and ``id`` locate the entry; ``job`` is the record at the time of fetching. By its
    ``nonce`` a claim that is sent again, since no answer came, is known for the same one.
    """

    consumer: str
    stream: str
    id: str
    job: Job
    nonce: str = field(default_factory=lambda: secrets.token_hex(8), compare=False)

    @property
    def redelivered(self) -> bool:
        """True where an earlier attempt was started and did not end: run such a job alone."""
        return self.job.attempts > 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one attempt of a job and to publish its outcome.

    ``token`` names the attempt; whoever holds an older token is refused. ``job`` is the record at
    the start of the attempt.
    """

    entry: Entry
    job: Job
    token: str

    @property
    def redelivered(self) -> bool:
        """True where this is not the job's first attempt: it may be the one that kills workers."""
        return self.job.attempts > 1


class Beat(StrEnum):
    """The answer to a sign of life."""

    OK = "ok"
    CANCEL = "cancel"  # stop, then finish with Canceled()
    LOST = "lost"  # stop and throw away: the job ended or belongs to another worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The job's result (JSON-able), the shapes it made, their meshes, milliseconds by stage."""

    result: dict[str, Any]
    shapes: tuple[ShapeRecord, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)

    @property
    def reused(self) -> int:
        """How many of its shapes were there already."""
        return sum(shape.get("reused", False) for shape in self.result.get("shapes", ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The error as ``ServiceError.to_dict()`` makes it, and milliseconds by stage."""

    error: dict[str, Any]
    timings_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """The worker stopped because somebody canceled the job."""

    timings_ms: dict[str, float] = field(default_factory=dict)


Outcome = Succeeded | Failed | Canceled
