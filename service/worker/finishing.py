"""The process that finishes shapes beside the model's: ``python -m service.worker.finishing``.

So the model goes on with the next shape, and the next batch, while this one is meshed, measured and
written; meshing is many short calls that hold the interpreter.
"""

import contextlib
import signal
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import structlog

from service.errors import InternalError, OutOfMemory, ServiceError
from service.jobqueue.embedded import dying_with_parent
from service.jobs import Artifact, Stage
from service.settings import WorkerSettings
from service.store.local import LocalBlobStore
from service.telemetry import configure_logging
from service.worker.draft import Draft, Finished, Preview
from service.worker.finisher import Finisher, OnStage

_STOP_TIMEOUT_S = 5.0


class FinishingDiedError(Exception):
    """The process ended on its own: what it worked on is not finished."""


class FinishingProcess:
    """A ``Finisher`` in a process of its own, which ends with the one that made it.

    Make it in a thread that stays: on Linux the process is killed when that thread ends.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._start()

    def _start(self) -> None:
        self._connection, theirs = Pipe()
        # No child of multiprocessing: the model's process is one, and may have none.
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        self._process = subprocess.Popen(  # noqa: S603 (our own module)
            dying_with_parent(command, signal.SIGKILL), pass_fds=[theirs.fileno()]
        )
        theirs.close()
        self._connection.send(self._settings)

    def finish(self, draft: Draft, on_stage: OnStage) -> Finished:
        """Make the files of one shape.

        Raises:
            ServiceError: that cannot be done.
            FinishingDiedError: the process ended while it was at work.
        """
        finished = self._ask(draft, on_stage)
        assert isinstance(finished, Finished)
        return finished

    def preview(self, preview: Preview) -> Artifact | None:
        """Make the file of a coarse surface, if it has one. Raises as ``finish``."""
        artifact = self._ask(preview, lambda _: None)
        assert artifact is None or isinstance(artifact, Artifact)
        return artifact

    def _ask(self, work: Draft | Preview, on_stage: OnStage) -> Finished | Artifact | None:
        if self._process.poll() is not None:  # it ended while it had nothing to do
            self.close()
            self._start()
        try:
            self._connection.send(work)
            while isinstance(reply := self._connection.recv(), Stage):
                on_stage(reply)
        except (EOFError, OSError):
            code = self._end()
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise FinishingDiedError(f"the finishing process ended ({how})") from None
        if isinstance(reply, ServiceError):
            raise reply
        done: Finished | Artifact | None = reply
        return done

    def close(self) -> None:
        """End the process, once it has done what it is at; a worker just ends."""
        self._connection.close()
        self._end()

    def _end(self) -> int:
        """The exit code of the process, whose pipe has been closed."""
        try:
            return self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def serve(connection: Connection) -> None:
    """Finish what comes until the other end closes."""
    settings: WorkerSettings = connection.recv()
    configure_logging(settings.log_level)
    store = LocalBlobStore(settings.blob_dir)
    finisher = Finisher(
        store,
        retention_s=settings.latents_retention_s,
        mesh_retention_s=settings.mesh_retention_s,
    )
    with contextlib.suppress(EOFError, OSError), contextlib.closing(finisher):
        while True:
            # Without a name, so that a draft is not held while there is no other.
            connection.send(_done(finisher, connection.recv(), connection.send))


def _done(
    finisher: Finisher, work: Draft | Preview, on_stage: OnStage
) -> Finished | Artifact | ServiceError | None:
    try:
        return (
            finisher.finish(work, on_stage) if isinstance(work, Draft) else finisher.preview(work)
        )
    except ServiceError as error:
        return error
    except MemoryError:
        return OutOfMemory(
            "There is too little memory to mesh this shape.",
            suggestion="Ask for a lower resolution.",
        )
    except ConnectionError:
        raise
    except Exception as error:  # noqa: BLE001 (the next draft may be fine)
        structlog.get_logger().error("finishing_failed", work=type(work).__name__, exc_info=error)
        return InternalError("The shape's mesh could not be made.")


if __name__ == "__main__":
    # Ctrl-C reaches the whole process group; the worker decides when work ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(Connection(int(sys.argv[1])))
