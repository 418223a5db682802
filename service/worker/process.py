"""The parent's hand on the process that runs the model."""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from service.jobs import Job
from service.worker.child import (
    BatchEngine,
    Cancel,
    Finished,
    Idle,
    LoadFailed,
    Progress,
    Ready,
    Report,
    Run,
    main,
)

_STOP_TIMEOUT_S = 5.0


class EngineDiedError(Exception):
    """The process ended, or hung and was killed; start it again."""


class EngineLoadError(Exception):
    """The model cannot be loaded: starting again would not help."""


class EngineProcess:
    """Starts, feeds and ends the child; one batch at a time.

    Args:
        load: makes the engine in the child; picklable.
        log_level: of the child's log.
        silence_s: how long a running child may say nothing before it is taken for hung.
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
            return report
        await self.stop()
        if isinstance(report, LoadFailed):
            raise EngineLoadError(report.detail)
        raise EngineDiedError(f"the model process began with {report}")

    def submit(self, jobs: Iterable[Job]) -> None:
        """Let the child run jobs as one batch; ``receive`` tells what becomes of them."""
        self._send(Run(tuple(jobs)))

    def cancel(self, job_id: str) -> None:
        """Let the child stop working on a job of the running batch."""
        # A dead child is noticed, with its exit code, by whoever receives.
        with contextlib.suppress(EngineDiedError):
            self._send(Cancel(job_id))

    async def receive(self) -> Progress | Finished | Idle:
        """The next report about the running batch.

        Raises:
            EngineDiedError: the child ended, or was silent for too long and has been killed.
        """
        try:
            async with asyncio.timeout(self._silence_s):
                report = await self._receive()
        except TimeoutError:
            self.kill()
            raise EngineDiedError(f"the model process hung for {self._silence_s:g} s") from None
        if isinstance(report, Progress | Finished | Idle):
            return report
        raise EngineDiedError(f"the model process sent {report} while it was running a batch")

    def kill(self) -> None:
        """End the child at once; whoever receives gets ``EngineDiedError``."""
        if self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        """End the child, if there is one, and wait for its end."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        await asyncio.to_thread(process.join, _STOP_TIMEOUT_S)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, command: Run | Cancel) -> None:
        if self._connection is None:
            raise EngineDiedError("the model process is not running")
        try:
            self._connection.send(command)
        except OSError:
            raise EngineDiedError("the model process has closed its pipe") from None

    async def _receive(self) -> Report:
        assert self._connection is not None
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
