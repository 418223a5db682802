"""The parent's hand on the process that runs the model."""

import asyncio
import contextlib
import itertools
import multiprocessing
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from service.jobs import Job
from service.worker.child import (
    BatchEngine,
    BatchReport,
    Broken,
    Cancel,
    Ended,
    LoadFailed,
    Ready,
    Report,
    Run,
    main,
)

_STOP_TIMEOUT_S = 5.0


class EngineDiedError(Exception):
    """The process ended, or hung and was killed; start it again."""


class EngineGoneError(EngineDiedError):
    """The process had ended before it could take a batch: nothing of that was run."""


class EngineLoadError(Exception):
    """The model cannot be loaded: starting again would not help."""


class Submission:
    """What becomes of one batch in the child.

    Args:
        silence_s: how long the child may say nothing about it before it is taken for hung.
        kill: ends the child.
    """

    def __init__(self, silence_s: float, kill: Callable[[], None]) -> None:
        self._silence_s = silence_s
        self._kill = kill
        self._reports: asyncio.Queue[BatchReport | EngineDiedError] = asyncio.Queue()

    def tell(self, report: BatchReport | EngineDiedError) -> None:
        """Add the next report; after ``Ended`` or an error there is none."""
        self._reports.put_nowait(report)

    async def receive(self) -> BatchReport:
        """The next report.

        Raises:
            EngineDiedError: the child ended, or was silent for too long and has been killed.
        """
        try:
            async with asyncio.timeout(self._silence_s):
                report = await self._reports.get()
        except TimeoutError:
            self._kill()
            raise EngineDiedError(f"the model process hung for {self._silence_s:g} s") from None
        if isinstance(report, EngineDiedError):
            raise report
        return report


class EngineProcess:
    """Starts, feeds and ends the child.

    Args:
        load: makes the engine in the child; picklable.
        log_level: of the child's log.
        silence_s: how long the child may say nothing about a batch; see ``Submission``.
    """

    def __init__(
        self, load: Callable[[], BatchEngine], *, log_level: str, silence_s: float = 600.0
    ) -> None:
        self._load = load
        self._log_level = log_level
        self._silence_s = silence_s
        # Spawn: a forked child could use neither CUDA nor gRPC.
        self._context = multiprocessing.get_context("spawn")
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._reading: asyncio.Task[str] | None = None
        self._numbers = itertools.count(1)
        self._open: dict[int, Submission] = {}

    @property
    def pid(self) -> int | None:
        """The child's process id; None where there is no child."""
        return self._process.pid if self._process else None

    async def start(self) -> Ready:
        """Start the child and wait until its model is loaded.

        Raises:
            EngineLoadError: the model cannot be loaded; the message says why.
            EngineDiedError: the child ended without a word.
        """
        await self.stop()
        self._connection, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=main, args=(theirs, self._load, self._log_level), name="lagem-model", daemon=True
        )
        self._process.start()
        theirs.close()
        report = await self._receive()
        if isinstance(report, Ready):
            self._reading = asyncio.create_task(self._read())
            return report
        await self.stop()
        if isinstance(report, LoadFailed):
            raise EngineLoadError(report.detail)
        raise EngineDiedError(f"the model process began with {report}")

    def submit(self, jobs: Iterable[Job]) -> Submission:
        """Let the child, which is free, run jobs as one batch.

        Raises:
            EngineGoneError: the child has ended, and has seen nothing of them.
        """
        if self._reading is None or self._reading.done():
            raise EngineGoneError("the model process has ended")
        number = next(self._numbers)
        self._send(Run(number, tuple(jobs)))
        submission = self._open[number] = Submission(self._silence_s, self.kill)
        return submission

    async def ended(self) -> str:
        """Wait for the end of the child that was started, whatever it does; returns the cause."""
        reading = self._reading
        assert reading is not None
        await asyncio.wait({reading})
        return reading.result()

    def cancel(self, job_id: str) -> None:
        """Let the child stop working on a job."""
        # A dead child is noticed, with its exit code, where its reports are read.
        with contextlib.suppress(EngineGoneError):
            self._send(Cancel(job_id))

    def kill(self) -> None:
        """End the child at once; whoever waits for a batch gets ``EngineDiedError``."""
        if self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        """End the child, if there is one, and wait for its end."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        await asyncio.to_thread(process.join, _STOP_TIMEOUT_S)
        if self._reading is not None:
            await self._reading
            self._reading = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, command: Run | Cancel) -> None:
        if self._connection is None:
            raise EngineGoneError("the model process is not running")
        try:
            self._connection.send(command)
        except OSError:
            raise EngineGoneError("the model process has closed its pipe") from None

    async def _read(self) -> str:
        """Pass reports on to the batches they are about, until the child ends; returns why."""
        try:
            while True:
                self._pass_on(await self._receive())
        except EngineDiedError as error:
            self.kill()
            self._abandon(error)
            return str(error)

    def _pass_on(self, report: Report) -> None:
        if isinstance(report, Broken):
            raise EngineDiedError(report.detail)
        if not isinstance(report, BatchReport) or report.batch not in self._open:
            raise EngineDiedError(f"the model process sent {report} out of turn")
        self._open[report.batch].tell(report)
        if isinstance(report, Ended):
            del self._open[report.batch]

    def _abandon(self, error: EngineDiedError) -> None:
        for submission in self._open.values():
            submission.tell(error)
        self._open.clear()

    async def _receive(self) -> Report:
        assert self._connection is not None
        await _readable(self._connection)
        try:
            # In a thread, so that a large report does not stall the beats.
            report: Report = await asyncio.to_thread(self._connection.recv)
        except (EOFError, OSError):
            raise EngineDiedError(await self._epitaph()) from None
        return report

    async def _epitaph(self) -> str:
        """How the process ended whose pipe has just closed."""
        if self._process is None:
            return "the model process was stopped"
        await asyncio.to_thread(self._process.join, _STOP_TIMEOUT_S)
        code = self._process.exitcode if self._process else None
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return f"the model process ended ({how})"


async def _readable(connection: Connection) -> None:
    """Return when there is something to read, or the other end has closed."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection.fileno())
