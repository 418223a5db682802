"""Which jobs run together: a pure policy; the clock is passed in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from model.config import SamplingDefaults
from service.jobqueue.lease import Entry
from service.jobs import Job, Operation

MAX_WAIT_S: Mapping[Operation, float] = MappingProxyType(
    {
        Operation.ENCODE: 0.010,
        Operation.DECODE: 0.010,
        Operation.GENERATE: 0.050,
        Operation.RESAMPLE: 0.050,
    }
)
"""How long a job waits for others to share its batch: little beside the time it takes to run."""

_DEFAULTS = SamplingDefaults()
_SAMPLING_SHARE = 0.9
"""Part of a default generate job's time that goes into sampling; the rest is decoding.

This and the next are measured: "End to end" and "Surface: every sample" in benchmarks/RESULTS.md.
"""

_EXHAUSTIVE_SHARE = 0.6
"""Time of decoding at every sample of the default grid, in units of a default generate job."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Fetched jobs of one batch key, most urgent first."""

    entries: tuple[Entry, ...]


def cost(job: Job) -> float:
    """Estimated work of a job, in units of one default generate job.

    Decoding grows with the square of the resolution, since only cells at the surface are
    evaluated, and with the cube where all are; sampling grows with the steps.
    """
    samples = int(job.params.get("n", 1))
    scale = job.params["resolution"] / _DEFAULTS.resolution
    decoding = scale**2 * (1 - _SAMPLING_SHARE)
    if job.params.get("exhaustive", False):
        decoding = scale**3 * _EXHAUSTIVE_SHARE
    sampling = job.params.get("steps", 0) / _DEFAULTS.steps * _SAMPLING_SHARE
    return samples * float(decoding + sampling)


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: Entry
    cost: float
    since: float

    @property
    def key(self) -> str:
        """Only jobs of the same one may run together."""
        return self.entry.job.batch_key

    @property
    def due(self) -> float:
        """The moment from which the job waits for no others; at once where it must run alone."""
        alone = self.entry.redelivered
        return self.since if alone else self.since + MAX_WAIT_S[self.entry.job.operation]


class Batcher:
    """Jobs that were fetched and not started, and the choice of the next batch among them.

    A job that was started before and did not end runs alone: if it is the one that kills workers,
    it must not take others with it.

    Args:
        slots: most jobs in a batch, and most jobs to hold.
        budget: most cost of a batch; a single job may exceed it.
    """

    def __init__(self, *, slots: int, budget: float) -> None:
        self._slots = slots
        self._budget = budget
        self._waiting: list[_Waiting] = []

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The jobs held, most urgent first, then in order of arrival."""
        return tuple(waiting.entry for waiting in self._waiting)

    @property
    def room(self) -> int:
        """How many more jobs may be held."""
        return self._slots - len(self._waiting)

    def add(self, entries: Iterable[Entry], *, now: float) -> None:
        """Hold freshly fetched jobs; ``now`` is in seconds of any steady clock.

        A process that was frozen beyond its leases may fetch what it holds: that counts once.
        """
        held = {waiting.entry.job.id for waiting in self._waiting}
        self._waiting += [
            _Waiting(entry, cost(entry.job), now) for entry in entries if entry.job.id not in held
        ]
        self._waiting.sort(key=lambda waiting: waiting.entry.job.priority)

    def take(self, *, now: float) -> Batch | None:
        """The next batch, which is then no longer held; None where waiting longer is better."""
        for group, full in self._groups():
            if full or min(waiting.due for waiting in group) <= now:
                self._waiting = [waiting for waiting in self._waiting if waiting not in group]
                return Batch(tuple(waiting.entry for waiting in group))
        return None

    def due_in(self, *, now: float) -> float | None:
        """Seconds until ``take`` has a batch even if nothing more arrives; None when empty."""
        if not self._waiting:
            return None
        return max(0.0, min(waiting.due for waiting in self._waiting) - now)

    def clear(self) -> tuple[Entry, ...]:
        """Hold nothing any more; returns what was held."""
        entries, self._waiting = self.entries, []
        return entries

    def _groups(self) -> Iterable[tuple[list[_Waiting], bool]]:
        """Candidates by their most urgent member, each with whether it can take no more."""
        seen: set[str] = set()
        for first in self._waiting:
            if first.entry.redelivered:
                yield [first], True
            elif first.key not in seen:
                seen.add(first.key)
                yield self._fill(first.key)

    def _fill(self, key: str) -> tuple[list[_Waiting], bool]:
        group: list[_Waiting] = []
        spent = 0.0
        for waiting in self._waiting:
            if waiting.key != key or waiting.entry.redelivered:
                continue
            if group and spent + waiting.cost > self._budget:
                return group, True
            group.append(waiting)
            spent += waiting.cost
        return group, len(group) >= self._slots or spent >= self._budget
