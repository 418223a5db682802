"""The process that runs the model: receives batches, reports what becomes of each job.

It is a process of its own because a model holds the interpreter for long stretches, and because its
crash must not take the worker's leases with it.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Protocol

import structlog

from service.jobqueue.lease import Outcome
from service.jobs import Artifact, Job, Stage
from service.settings import WorkerSettings
from service.telemetry import configure_logging
from service.worker.reporter import Reporter

_PROGRESS_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class Run:
    """To the child, while it is free: run these jobs together, as the batch of this number."""

    batch: int
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

    batch: int
    job_id: str
    stage: Stage
    progress: float


@dataclass(frozen=True, slots=True)
class Computed:
    """From the child: the model has made the latents of so many shapes."""

    batch: int
    shapes: int


@dataclass(frozen=True, slots=True)
class Showed:
    """From the child: a mesh to look at while a job goes on."""

    batch: int
    job_id: str
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class Finished:
    """From the child: how a job ended."""

    batch: int
    job_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Free:
    """From the child: it can run another batch, while jobs of this one may still be finished.

    Attributes:
        memory: of the device, in bytes, by kind.
    """

    batch: int
    memory: dict[str, int]


@dataclass(frozen=True, slots=True)
class Ended:
    """From the child: all jobs of the batch have ended."""

    batch: int


@dataclass(frozen=True, slots=True)
class Broken:
    """From the child: it cannot go on, and has to be replaced."""

    detail: str


BatchReport = Progress | Computed | Showed | Finished | Free | Ended
Report = Ready | LoadFailed | BatchReport | Broken


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

    def run(self, jobs: Sequence[Job], reporter: Reporter) -> Future[None]:
        """Run jobs of one batch key; one that fails or is canceled leaves the others alone.

        Returns when another batch can be run, with what is done when all jobs have ended. An error
        that escapes, here or there, means that the process cannot go on.
        """

    def memory(self) -> dict[str, int]:
        """Bytes of device memory by kind; empty where the device has none of its own."""


class Channel:
    """The child's end of the pipe to the parent. Reports may be sent from any thread.

    All methods raise ``ParentGone`` where the parent has ended.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, report: Report) -> None:
        """Tell the parent."""
        try:
            with self._sending:
                self._connection.send(report)
        except OSError as error:
            raise ParentGone from error

    def receive(self) -> Command:
        """What the parent wants next; waits for it."""
        try:
            command: Command = self._connection.recv()
        except (EOFError, OSError) as error:
            raise ParentGone from error
        return command

    def received(self) -> Iterator[Command]:
        """What the parent has said meanwhile."""
        while self._connection.poll():
            yield self.receive()


class PipeReporter:
    """A ``Reporter`` of one batch; reads the parent's cancellations as well."""

    def __init__(self, channel: Channel, batch: int) -> None:
        self._channel = channel
        self._batch = batch
        self._canceled: set[str] = set()
        self._told: dict[str, tuple[Stage, float]] = {}

    def progress(self, job_id: str, stage: Stage, progress: float) -> None:
        """Tell how far a job is, at most ten times a second within a stage."""
        told_stage, told_at = self._told.get(job_id, (None, 0.0))
        now = time.monotonic()
        if stage is not told_stage or now - told_at >= _PROGRESS_INTERVAL_S:
            self._told[job_id] = (stage, now)
            self._channel.send(Progress(self._batch, job_id, stage, progress))

    def computed(self, shapes: int) -> None:
        """Tell what the model has done."""
        self._channel.send(Computed(self._batch, shapes))

    def showed(self, job_id: str, artifact: Artifact) -> None:
        """Tell of a mesh to look at."""
        self._channel.send(Showed(self._batch, job_id, artifact))

    def finished(self, job_id: str, outcome: Outcome) -> None:
        """Tell how a job ended."""
        self._channel.send(Finished(self._batch, job_id, outcome))

    def canceled(self, job_id: str) -> bool:
        """Whether the parent has canceled a job; asked by the thread that runs the batch alone."""
        for command in self._channel.received():
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
    channel = Channel(connection)
    with contextlib.suppress(ParentGone):
        engine = _load(channel, load)
        channel.send(Ready(engine.model, engine.device))
        while True:
            command = channel.receive()
            if isinstance(command, Run):
                ended = engine.run(command.jobs, PipeReporter(channel, command.batch))
                channel.send(Free(command.batch, engine.memory()))
                ended.add_done_callback(partial(_tell_end, channel, command.batch))
    os._exit(0)  # nobody is left to finish shapes for: no thread is waited for


def load_engine(settings: WorkerSettings) -> BatchEngine:
    """Load the model that the settings name."""
    # Here and not above, so that the parent, which imports this module, never loads torch.
    from service.worker.engine import Engine  # noqa: PLC0415

    return Engine.load(settings)


def _load(channel: Channel, load: Callable[[], BatchEngine]) -> BatchEngine:
    try:
        return load()
    except Exception as error:
        structlog.get_logger().debug("model_load_failed", exc_info=True)
        channel.send(LoadFailed(f"{type(error).__name__}: {error}"))
        raise SystemExit(1) from error


def _tell_end(channel: Channel, batch: int, ended: Future[None]) -> None:
    error = ended.exception()
    with contextlib.suppress(ParentGone):  # the main thread will notice
        channel.send(Ended(batch) if error is None else Broken(f"{type(error).__name__}: {error}"))
