"""The process that runs the model: receives batches, reports what becomes of each job.

It is a process of its own because meshing holds the interpreter for long stretches, and because a
crash of the model must not take the worker's leases with it.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

import structlog

from service.jobqueue.lease import Outcome
from service.jobs import Job, Stage
from service.settings import WorkerSettings
from service.telemetry import configure_logging
from service.worker.reporter import Reporter

_PROGRESS_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class Run:
    """To the child: run these jobs together."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """To the child: stop working on this job, if it is still there."""

    job_id: str


Command = Run | Cancel


@dataclass(frozen=True, slots=True)
class Ready:
    """From the child: the model is loaded."""

    model: dict[str, Any]
    device: str


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """From the child, before it ends: the model cannot be loaded."""

    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """From the child: what goes on in a job, and how far it is (0 to 1)."""

    job_id: str
    stage: Stage
    progress: float


@dataclass(frozen=True, slots=True)
class Finished:
    """From the child: how a job ended."""

    job_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Idle:
    """From the child: all jobs of the batch have ended; device memory in bytes, by kind."""

    memory: dict[str, int]


Report = Ready | LoadFailed | Progress | Finished | Idle


class ParentGone(BaseException):
    """Nobody is left to publish results; no ``Exception``, so that no error handling stops it."""


class BatchEngine(Protocol):
    """Runs batches with a loaded model."""

    @property
    def model(self) -> dict[str, Any]:
        """What the loaded model is, JSON-able: see ``WorkerInfo.model``."""

    @property
    def device(self) -> str:
        """Where it computes, such as ``cuda:0``."""

    def run(self, jobs: Sequence[Job], reporter: Reporter) -> None:
        """Run jobs of one batch key; one that fails or is canceled leaves the others alone.

        An error that escapes means that the process cannot go on.
        """

    def memory(self) -> dict[str, int]:
        """Bytes of device memory by kind; empty where the device has none of its own."""


class PipeReporter:
    """A ``Reporter`` over the pipe to the parent; reads the parent's cancellations as well.

    All methods raise ``ParentGone`` where the parent has ended.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._canceled: set[str] = set()
        self._told: dict[str, tuple[Stage, float]] = {}

    def progress(self, job_id: str, stage: Stage, progress: float) -> None:
        """Tell how far a job is, at most ten times a second within a stage."""
        told_stage, told_at = self._told.get(job_id, (None, 0.0))
        now = time.monotonic()
        if stage is not told_stage or now - told_at >= _PROGRESS_INTERVAL_S:
            self._told[job_id] = (stage, now)
            _send(self._connection, Progress(job_id, stage, progress))

    def finished(self, job_id: str, outcome: Outcome) -> None:
        """Tell how a job ended."""
        _send(self._connection, Finished(job_id, outcome))

    def canceled(self, job_id: str) -> bool:
        """Whether the parent has canceled a job."""
        while self._connection.poll():
            command = _receive(self._connection)
            if isinstance(command, Cancel):
                self._canceled.add(command.job_id)
        return job_id in self._canceled


def main(connection: Connection, load: Callable[[], BatchEngine], log_level: str) -> None:
    """The child's whole life: load, then run one batch after the other until the parent goes.

    Args:
        connection: this end of the pipe to the parent.
        load: makes the engine; picklable, since the process starts afresh.
        log_level: of this process's log.
    """
    # Ctrl-C reaches the whole process group; only the parent decides when work ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure_logging(log_level)
    with contextlib.suppress(ParentGone):
        engine = _load(connection, load)
        _send(connection, Ready(engine.model, engine.device))
        while True:
            command = _receive(connection)
            if isinstance(command, Run):
                engine.run(command.jobs, PipeReporter(connection))
                _send(connection, Idle(engine.memory()))


def load_engine(settings: WorkerSettings) -> BatchEngine:
    """Load the model that the settings name."""
    # Here and not above, so that the parent, which imports this module, never loads torch.
    from service.worker.engine import Engine  # noqa: PLC0415

    return Engine.load(settings)


def _load(connection: Connection, load: Callable[[], BatchEngine]) -> BatchEngine:
    try:
        return load()
    except Exception as error:
        structlog.get_logger().debug("model_load_failed", exc_info=True)
        _send(connection, LoadFailed(f"{type(error).__name__}: {error}"))
        raise SystemExit(1) from error


def _send(connection: Connection, report: Report) -> None:
    try:
        connection.send(report)
    except OSError as error:
        raise ParentGone from error


def _receive(connection: Connection) -> Command:
    try:
        command: Command = connection.recv()
    except (EOFError, OSError) as error:
        raise ParentGone from error
    return command
