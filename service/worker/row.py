"""One shape that a batch makes, for all of its jobs that ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from model.latents import Latents
from service.errors import ServiceError
from service.jobs import Operation
from service.worker.task import Task


@dataclass(slots=True, eq=False)
class Row:
    """The latents of one shape, computed once, and who wants them.

    Attributes:
        shape_id: of the shape; None where latents are given, so that there is nothing to share.
        askers: each job that asks for the shape, and which of its samples it is; at least one.
        latents: once they are known; or why there are none.
        reused: whoever is served next gets what was made before.
    """

    shape_id: str | None
    askers: list[tuple[Task, int]] = field(default_factory=list)
    latents: Latents | ServiceError | None = None
    reused: bool = False

    @property
    def task(self) -> Task:
        """A job to compute it for: what its latents depend on is the same for all askers."""
        return self.askers[0][0]

    @property
    def sample(self) -> int:
        """Which sample of ``task`` it is."""
        return self.askers[0][1]


def rows_of(tasks: Sequence[Task], weights_sha256: str) -> list[list[Row]]:
    """The rows of each job, by its samples; jobs that ask for the same shape have the same row."""
    shared: dict[str, Row] = {}
    rows = []
    for task in tasks:
        own = []
        for sample in range(task.samples):
            shape_id = None
            row = Row(None)
            if task.job.operation is not Operation.DECODE:
                shape_id = task.shape_id(sample, weights_sha256)
                row = shared.setdefault(shape_id, Row(shape_id))
            row.askers.append((task, sample))
            own.append(row)
        rows.append(own)
    return rows


def unmade(rows: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows without latents, each once, in the order in which they are asked for."""
    each = dict.fromkeys(row for own in rows for row in own)
    return [row for row in each if row.latents is None]


def tasks_of(rows: Sequence[Row]) -> list[Task]:
    """All jobs that ask for any of these rows, each once."""
    return list({task.job.id: task for row in rows for task, _ in row.askers}.values())
